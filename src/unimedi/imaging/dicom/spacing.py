"""How large a pixel is, from the tags that say so; of a projection in this order: the patient, the detector, the film.

What a tag says wrongly (one number, a negative one) is refused; 0, 0 is how archives write that they do not know.
"""

import math
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from unimedi.imaging.image import ImagingError

SAME = 0.001  # relative: sizes that differ by less are one size, written with other digits


def slice_spacing(header: Dataset, name: str) -> tuple[float, float] | None:
    """Mm a pixel (height, width) of a slice; None where the header does not say.

    Raises:
        ImagingError: ``bad_spacing``.
    """
    return two(header.get("PixelSpacing"), "PixelSpacing", name)


def image_spacing(header: Dataset, name: str) -> tuple[float, float] | None:
    """Mm a pixel (height, width) of a projection; the detector's is divided by the magnification that is stated.

    ``PixelSpacing`` that repeats ``ImagerPixelSpacing`` without a calibration is the detector's, too.

    Raises:
        ImagingError: ``bad_spacing``.
    """
    names = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
    patient, detector, film = (two(header.get(tag), tag, name) for tag in names)
    calibrated = str(header.get("PixelSpacingCalibrationType") or "")
    if patient and detector and not calibrated and np.allclose(patient, detector, rtol=SAME):
        patient = None
    if patient or not detector:
        return patient or film
    larger = float(header.get("EstimatedRadiographicMagnificationFactor") or 1)
    return (detector[0] / larger, detector[1] / larger) if 1 <= larger < math.inf else detector


def image_aspect(header: Dataset, name: str) -> float:
    """Height of a pixel divided by its width, for files that state no spacing; 1 where they do not state this either.

    Raises:
        ImagingError: ``bad_spacing``.
    """
    sides = two(header.get("PixelAspectRatio"), "PixelAspectRatio", name)
    return sides[0] / sides[1] if sides else 1.0


def two(value: Any, tag: str, name: str) -> tuple[float, float] | None:
    """The two positive numbers of a tag; None where it is empty, or two zeros.

    Raises:
        ImagingError: ``bad_spacing``.
    """
    if value is None or value == "" or (not isinstance(value, float | int | str) and not len(value)):
        return None
    sides = [float(side) for side in value] if not isinstance(value, float | int | str) else [float(value)]
    if sides == [0, 0]:
        return None
    if len(sides) != 2 or not all(math.isfinite(side) and side > 0 for side in sides):
        written = "\\".join(f"{side:g}" for side in sides)
        raise ImagingError("bad_spacing", f"{name}: {tag} is {written}; expected two positive numbers")
    return sides[0], sides[1]
