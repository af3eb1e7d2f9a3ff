"""Pixels that were never measured: what surrounds a collimated radiograph or a round CT."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy import ndimage

from unimedi.imaging.dicom.file import all_bits
from unimedi.imaging.intensity import AIR_HU

WRAP = 1 << 16  # the tag has 16 bits, and is often written with the other sign


def padding(pixels: NDArray[Any], header: Dataset) -> NDArray[np.bool_]:
    """Stored pixels between ``PixelPaddingValue`` and ``PixelPaddingRangeLimit``; either may be written as unsigned for
    signed pixels (63536 for -2000) or the other way about, and lie beyond the bits that are stored."""
    values = [_number(header.get(name), pixels) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    found = [value for value in values if value is not None]
    if values[0] is None or pixels.dtype.kind not in "iu":
        return np.zeros(pixels.shape, dtype=np.bool_)
    low, high = min(found), max(found)
    if high >= 1 << int(header.BitsStored) and not header.file_meta.TransferSyntaxUID.is_encapsulated:
        pixels = all_bits(header)
    return np.asarray((pixels >= low) & (pixels <= high))


def dark_padding(hu: NDArray[np.int16], outside: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Padding of a CT that is brighter than air becomes air. Only what touches the border: archives write 0 for the
    padding value, too, where 0 is water."""
    bright = outside & (hu > AIR_HU)
    if not bright.any():
        return hu
    regions, _ = ndimage.label(bright)
    rim = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    return np.where(np.isin(regions, rim[rim > 0]), np.int16(AIR_HU), hu)


def _number(value: Any, pixels: NDArray[Any]) -> int | None:
    """A value of the tag in the pixels' own sign; None where it is none, or one that no pixel can have."""
    if isinstance(value, bytes):  # of an unknown kind
        value = int.from_bytes(value, "little") if len(value) == 2 else None
    if not isinstance(value, int) or pixels.dtype.kind not in "iu":
        return None
    limits = np.iinfo(pixels.dtype)
    numbers = (int(value), int(value) - WRAP, int(value) + WRAP)
    fitting = [number for number in numbers if limits.min <= number <= limits.max]
    if len(fitting) > 1:  # pixels of 32 bits
        fitting = [number for number in fitting if (pixels == number).any()] or fitting
    return fitting[0] if fitting else None
