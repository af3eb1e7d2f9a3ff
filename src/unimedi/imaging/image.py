"""What a file becomes: a radiograph or a volume, in physical units.

Axis order is stated here once. A volume is ``(depth, height, width)``: depth runs from the feet to the head (superior),
height from front to back (posterior), width from the patient's right to the patient's left; this is the usual axial
picture, the patient's right on the viewer's left. A radiograph is ``(height, width)`` with the patient's right on the
viewer's left and dense tissue bright (MONOCHROME2).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from unimedi.errors import InputError


@dataclass(frozen=True, slots=True)
class Radiograph:
    """A projection image: ``pixels`` float32 (height, width), arbitrary exposure units, dense tissue bright."""

    pixels: NDArray[np.float32]
    spacing: tuple[float, float] | None = None  # mm a pixel, (height, width); None where the file does not say
    notes: tuple[str, ...] = ()  # what was corrected in reading, as short codes
    modality: str = ""  # as a DICOM header states it; empty where the file does not say
    aspect: float = 1.0  # height of a pixel in its widths, where the file says that and no spacing
    ndim: ClassVar[int] = 2

    @property
    def pixel(self) -> tuple[float, float]:
        """Sides of a pixel, (height, width), in mm or, without spacing, in some unit."""
        return self.spacing or (self.aspect, 1.0)


@dataclass(frozen=True, slots=True)
class Volume:
    """A CT: ``voxels`` int16 Hounsfield units (depth, height, width) and ``spacing`` in mm, same order."""

    voxels: NDArray[np.int16]
    spacing: tuple[float, float, float]
    notes: tuple[str, ...] = ()  # what was corrected in reading, as short codes
    modality: str = ""  # as a DICOM header states it; empty where the file does not say
    # (4, 4), from an index (width, height, depth) to mm in the patient, as NIfTI has it (to the right, the front, the
    # head); None where the file does not say where the volume lies.
    affine: NDArray[np.float64] | None = None
    ndim: ClassVar[int] = 3


class ImagingError(InputError):
    """A file that cannot be used. ``reason`` is a short code that refusals are counted by."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
