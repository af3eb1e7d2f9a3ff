"""A single DICOM image as it is meant to be shown: modality and display tables, dense tissue bright."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's "L"


def shown(header: Dataset) -> NDArray[np.float32]:
    """Grey values, dense tissue bright (MONOCHROME2), float32 (height, width)."""
    pixels = header.pixel_array
    if header.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
    if pixels.ndim == 3:
        return np.asarray(pixels[..., :3].astype(np.float32) @ np.array(LUMA, dtype=np.float32))
    values = apply_modality_lut(pixels, header)
    grey = apply_voi_lut(values, header)
    if grey.min() == grey.max():  # a window that misses the image altogether is a mistake in the header
        grey = values
    grey = grey.astype(np.float32)
    outside = _padding(pixels, header)
    inverted = header.PhotometricInterpretation == "MONOCHROME1"
    if outside.any() and not outside.all():  # what surrounds the image must not set its scale: it becomes its darkest
        inside = grey[~outside]
        grey[outside] = inside.max() if inverted else inside.min()
    return np.asarray(grey.max() - grey if inverted else grey)


def turned(pixels: NDArray[np.float32], header: Dataset) -> NDArray[np.float32]:
    """``PatientOrientation`` names where rows and columns go: (L, F) is the usual picture, R and H are mirrored."""
    directions = [str(value) for value in header.get("PatientOrientation") or ()]
    if len(directions) != 2:
        return pixels
    if directions[0].startswith("R"):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if directions[1].startswith("H") else pixels


def pixel_spacing(header: Dataset) -> tuple[float, float] | None:
    """Mm a pixel (height, width) in the patient; else at the detector, less its magnification where that is stated.

    None where the file does not say, or says 0.
    """
    if size := _two(header.get("PixelSpacing")):
        return size
    if size := _two(header.get("ImagerPixelSpacing")):
        larger = float(header.get("EstimatedRadiographicMagnificationFactor") or 1)
        return (size[0] / larger, size[1] / larger) if larger >= 1 else size
    return None


def _two(value: Any) -> tuple[float, float] | None:
    if value is None or len(value) != 2 or not all(float(side) for side in value):
        return None
    return float(value[0]), float(value[1])


def _padding(pixels: NDArray[Any], header: Dataset) -> NDArray[np.bool_]:
    """Stored pixels between ``PixelPaddingValue`` and ``PixelPaddingRangeLimit``."""
    value = header.get("PixelPaddingValue")
    if value is None or isinstance(value, bytes):
        return np.zeros(pixels.shape, dtype=np.bool_)
    limit = header.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None or isinstance(limit, bytes) else limit)))
    return np.asarray((pixels >= low) & (pixels <= high))
