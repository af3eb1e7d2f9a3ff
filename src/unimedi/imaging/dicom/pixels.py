"""Stored pixel values of a DICOM file, and which of them are padding: never measured, around the image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy import ndimage

from unimedi.imaging.image import ImagingError
from unimedi.imaging.intensity import AIR_HU

WRAP = 1 << 16  # the tag has 16 bits, and is often written with the other sign


def pixels_and_padding(header: Dataset, shape: tuple[int, ...] | None = None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """:func:`stored_pixels`, in ``shape`` where one is given, and :func:`padding`."""
    pixels = stored_pixels(header)
    pixels = pixels if shape is None else pixels.reshape(shape)
    return pixels, padding(pixels, header)


def stored_pixels(header: Dataset) -> NDArray[np.generic]:
    """The stored values, also where HighBit says that they lie above the lowest bits (12 of them in bits 4 to 15).

    Raises:
        ImagingError: ``wrong_dimension`` where there are more pixels than one image (or its frames) has.
    """
    above = int(header.get("HighBit") or 0) + 1 - int(header.BitsStored)
    inside = int(header.get("HighBit") or 0) < int(header.BitsAllocated)
    shifted = above > 0 and inside and header.BitsStored > 0 and not header.file_meta.TransferSyntaxUID.is_encapsulated
    pixels: NDArray[np.generic] = _all_bits(header) >> above if shifted else header.pixel_array
    frames = int(header.get("NumberOfFrames") or 1)
    expected = (frames, header.Rows, header.Columns) if frames > 1 else (header.Rows, header.Columns)
    if pixels.shape[: len(expected)] != expected:
        message = f"{header.filename}: pixels of shape {pixels.shape} where the header promises {expected}"
        raise ImagingError("wrong_dimension", message)
    return pixels


def padding(pixels: NDArray[Any], header: Dataset) -> NDArray[np.bool_]:
    """Stored pixels between ``PixelPaddingValue`` and ``PixelPaddingRangeLimit``; either may be written as unsigned for
    signed pixels (63536 for -2000) or the other way about, and lie beyond the bits that are stored."""
    values = [_number(header.get(name), pixels) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    found = [value for value in values if value is not None]
    if values[0] is None or pixels.dtype.kind not in "iu":
        return np.zeros(pixels.shape, dtype=np.bool_)
    low, high = min(found), max(found)
    if high >= 1 << int(header.BitsStored) and not header.file_meta.TransferSyntaxUID.is_encapsulated:
        pixels = _all_bits(header)
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


def _all_bits(header: Dataset) -> NDArray[np.int64]:
    """The stored values with every bit allocated, those beyond BitsStored too."""
    stored = header.BitsStored
    header.BitsStored = header.BitsAllocated
    try:
        return np.asarray(header.pixel_array, dtype=np.int64)
    finally:
        header.BitsStored = stored
