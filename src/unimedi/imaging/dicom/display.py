"""A single DICOM image as it is meant to be shown: modality and display tables, dense tissue bright."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_windowing

from unimedi.imaging.dicom.pixels import padding, stored_pixels
from unimedi.imaging.dicom.scale import has_table, look_up, scale_of

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's "L"
PAIRS = (("RescaleSlope", "RescaleIntercept"), ("WindowCenter", "WindowWidth"))  # of no meaning one without the other


def shown(header: Dataset) -> NDArray[np.float32]:
    """Grey values, dense tissue bright (MONOCHROME2), float32 (height, width).

    Raises:
        ImagingError: ``bad_scaling`` or ``wrong_dimension``.
    """
    pixels = stored_pixels(header)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
    if pixels.ndim == 3:
        return np.asarray(pixels[..., :3].astype(np.float32) @ np.array(LUMA, dtype=np.float32))
    _forget_halves(header)
    values = scale_of(header, str(header.filename))(pixels)
    tabled = has_table(header, "VOILUTSequence")
    grey = look_up(values, header, "VOILUTSequence") if tabled else apply_windowing(values, header)
    if grey.min() == grey.max():  # a window that misses the image altogether is a mistake in the header
        grey = values
    grey = grey.astype(np.float32)
    outside = padding(pixels, header)
    inverted = header.PhotometricInterpretation == "MONOCHROME1"
    if outside.any() and not outside.all():  # what surrounds the image must not set its scale: it becomes its darkest
        inside = grey[~outside]
        grey[outside] = inside.max() if inverted else inside.min()
    return np.asarray(grey.max() - grey if inverted else grey)


def _forget_halves(header: Dataset) -> None:
    """Remove tags that only count in pairs and stand alone, and a window of no width: archives write both."""
    for pair in PAIRS:
        if not all(name in header and not header[name].is_empty for name in pair):
            for name in pair:
                header.pop(name, None)
    if "WindowWidth" in header:
        width, linear = float(np.ravel(header.WindowWidth)[0]), header.get("VOILUTFunction", "LINEAR") == "LINEAR"
        if not width > 0 or (linear and width < 1):
            del header.WindowWidth, header.WindowCenter


def turned(pixels: NDArray[np.float32], header: Dataset) -> NDArray[np.float32]:
    """``PatientOrientation`` names where rows and columns go: (L, F) is the usual picture, R and H are mirrored."""
    directions = [str(value) for value in header.get("PatientOrientation") or ()]
    if len(directions) != 2:
        return pixels
    if directions[0].startswith("R"):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if directions[1].startswith("H") else pixels
