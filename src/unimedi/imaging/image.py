"""What a file becomes: a radiograph or a volume, in physical units.

Axis order is stated here once. A volume is ``(depth, height, width)``: depth runs from the feet to the head (superior),
height from front to back (posterior), width from the patient's right to the patient's left; this is the usual axial
picture, the patient's right on the viewer's left. A radiograph is ``(height, width)`` with the patient's right on the
viewer's left and dense tissue bright (MONOCHROME2).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from unimedi.errors import InputError


@dataclass(frozen=True, slots=True)
class Radiograph:
    """A projection image: an X-ray, or any picture."""

    pixels: NDArray[np.float32]  # (height, width), arbitrary exposure units, dense tissue bright
    spacing: tuple[float, float] | None = None  # mm a pixel, (height, width); None where the file does not say
    notes: tuple[str, ...] = ()  # what was corrected in reading, as short codes
    modality: str = ""  # as a DICOM header states it; empty where the file does not say
    aspect: float = 1.0  # height of a pixel in its widths, where the file says that and no spacing
    ndim: ClassVar[int] = 2

    @property
    def array(self) -> NDArray[np.float32]:
        """The pixels, under the name that a volume's voxels have as well."""
        return self.pixels

    @property
    def pixel(self) -> tuple[float, float]:
        """Sides of a pixel, (height, width), in mm or, without spacing, in some unit."""
        return self.spacing or (self.aspect, 1.0)


@dataclass(frozen=True, slots=True)
class Volume:
    """A CT, or an MR."""

    voxels: NDArray[np.int16]  # (depth, height, width); Hounsfield units of a CT
    spacing: tuple[float, float, float]  # mm a voxel, same order
    notes: tuple[str, ...] = ()  # what was corrected in reading, as short codes
    modality: str = ""  # as a DICOM header states it; empty where the file does not say
    # (4, 4), from an index (width, height, depth) to mm in the patient, as NIfTI has it (to the right, the front, the
    # head); None where the file does not say where the volume lies.
    affine: NDArray[np.float64] | None = None
    ndim: ClassVar[int] = 3

    @property
    def array(self) -> NDArray[np.int16]:
        """The voxels, under the name that a radiograph's pixels have as well."""
        return self.voxels


Reason = Literal[
    "missing",  # no such file, folder or series
    "unreadable",  # damaged, truncated, or not what its header says
    "unsupported",  # another format, or a kind of it that is not read
    "unsafe_path",  # a header that points outside its folder
    "too_large",  # beyond the bounds, or the memory that one file may take
    "too_slow",  # beyond the time that one file may take
    "crashed",  # the process that read it died
    "wrong_dimension",  # a volume where an image is expected, several frames, slices of several sizes
    "wrong_modality",  # its header names another modality than the manifest
    "too_small",  # fewer than 8 pixels a side
    "too_few_slices",  # fewer than 4
    "constant",  # every pixel has the same value
    "nan",  # a value that is no number, or infinite
    "bad_spacing",  # not positive mm, or not one for all slices
    "bad_scaling",  # slope and intercept are incomplete or not finite
    "bad_orientation",  # axes that are sheared, turned against each other, or contradict each other
    "no_orientation",  # which side is the patient's right is not stated
    "missing_slices",  # a gap of whole slices
    "uneven_slices",  # no position, or steps that differ
    "duplicate_slices",  # different slices at one place, or passes that cannot be told apart
    "not_hu",  # a CT whose values are no Hounsfield units
    "label_image",  # a mask or a label image
    "mask_mismatch",  # a mask of another shape than its image
    "empty_report",  # nothing but the image
]


class ImagingError(InputError):
    """A file that cannot be used.

    Args:
        reason: the code that refusals are counted by; docs/formats.md explains each.
        message: a sentence that names the file.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


@contextmanager
def unreadable_if_damaged(name: object) -> Iterator[None]:
    """Inside, whatever a decoder raises becomes an ``ImagingError`` of ``name``: on damaged bytes that is anything."""
    try:
        yield
    except ImagingError:
        raise
    except Exception as error:
        raise ImagingError("unreadable", f"{name}: {' '.join(str(error).split())}") from error
