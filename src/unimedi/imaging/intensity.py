"""Values: what an image must hold to be usable, and the robust window of a radiograph."""

import numpy as np
from numpy.typing import NDArray

from unimedi.imaging.bounded import check_finite
from unimedi.imaging.image import ImagingError, Radiograph, Volume

AIR_HU = -1024  # scanners write -2000 or -3024 outside the field of view; nothing in a patient is below air
NO_GREY = -500  # HU: lung and air are below; grey values of an X-ray are not
METAL_HU = 3071  # the top of the 12-bit CT scale
MIN_SIDE = 8  # pixels: below one patch of the smallest recipe there is nothing to see
MIN_SLICES = 4  # planes under one slab of the T_3D grid
RADIOGRAPH_MAX = 4095  # 12 bits, as detectors have
LUNG_WINDOW = (-1150.0, 350.0)  # HU, for pictures only: soft tissue and ground-glass can be told apart in it


def check(image: Radiograph | Volume, name: str = "image") -> None:
    """Refuse an image that nothing can be learnt from.

    Raises:
        ImagingError: ``wrong_dimension``, ``too_small``, ``too_few_slices``, ``nan``, ``constant`` or ``bad_spacing``.
    """
    array = image.array
    if array.ndim != image.ndim:
        axes = "(height, width)" if image.ndim == 2 else "(depth, height, width)"
        raise ImagingError("wrong_dimension", f"{name}: expected {axes}, got an array of shape {array.shape}")
    if min(array.shape[-2:]) < MIN_SIDE:
        raise ImagingError(
            "too_small", f"{name}: {array.shape[-2]} x {array.shape[-1]} pixels; at least {MIN_SIDE} a side"
        )
    if image.ndim == 3 and array.shape[0] < MIN_SLICES:
        message = f"{name}: a volume of {array.shape[0]} slices; one slab needs {MIN_SLICES}"
        raise ImagingError("too_few_slices", message)
    if image.spacing is not None and not all(np.isfinite(s) and s > 0 for s in image.spacing):
        raise ImagingError("bad_spacing", f"{name}: spacing must be positive mm, got {image.spacing}")
    check_finite(array, name)
    if (low := array.min()) == array.max():
        raise ImagingError("constant", f"{name}: every pixel is {low}; the image is empty")


def check_no_slice(plane: NDArray[np.generic], name: str) -> None:
    """Refuse a single slice of a CT, which would otherwise be taken for a radiograph.

    Raises:
        ImagingError: ``too_few_slices``.
    """
    if plane.min() < NO_GREY:
        message = (
            f"{name}: one plane of values from {plane.min():g}: a single slice of a CT; one slab needs {MIN_SLICES}"
        )
        raise ImagingError("too_few_slices", message)


def robust_range(pixels: NDArray[np.float32], name: str = "radiograph") -> NDArray[np.int16]:
    """Arbitrary exposure units to int16 0..4095: percentiles 1 and 99 become the ends, beyond them is clipped.

    Percentiles, so that a burnt-in marker or a dead pixel does not set the scale. A picture that is flat between them
    (thin lines on a plain ground) falls back to its full range.
    """
    low, high = np.percentile(pixels, (1.0, 99.0))
    if high <= low:
        low, high = float(pixels.min()), float(pixels.max())
    if high <= low:
        raise ImagingError("constant", f"{name}: every pixel is {low} at the stored size; the image is empty")
    scaled = (pixels - np.float32(low)) * np.float32(RADIOGRAPH_MAX / (high - low))
    kept: NDArray[np.int16] = np.rint(np.clip(scaled, 0, RADIOGRAPH_MAX)).astype(np.int16)
    return kept


def to_hu(array: NDArray[np.generic], name: str = "volume") -> NDArray[np.int16]:
    """Any real array of Hounsfield units to int16, clipped to the scanner's scale; NaN is refused, never cast."""
    if array.dtype == np.int16:
        return array.astype(np.int16, copy=False)
    if np.issubdtype(array.dtype, np.floating):
        check_finite(array, name)
        array = np.rint(array)
    hu: NDArray[np.int16] = np.clip(array, -32768, 32767).astype(np.int16)
    return hu
