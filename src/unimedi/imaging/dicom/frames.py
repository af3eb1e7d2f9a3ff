"""Multi-frame CT and MR, DICOM's "enhanced" images: each frame of the file becomes a slice."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from unimedi.imaging.dicom.pixels import pixels_and_padding
from unimedi.imaging.dicom.scale import scale_of
from unimedi.imaging.dicom.slice import Slice, directions, numbers
from unimedi.imaging.dicom.spacing import two
from unimedi.imaging.image import ImagingError

# What may tell one pass from another (see passes.py): macro and keyword, in this order.
PASSES = (
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("FrameContentSequence", "FrameAcquisitionNumber"),
    ("FrameContentSequence", "StackID"),
    ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),
    ("MREchoSequence", "EffectiveEchoTime"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("CTXRayDetailsSequence", "KVP"),
    ("CTReconstructionSequence", "ConvolutionKernel"),
    ("PixelMeasuresSequence", "SliceThickness"),
    ("CTImageFrameTypeSequence", "FrameType"),
    ("MRImageFrameTypeSequence", "FrameType"),
    ("FrameContentSequence", "FrameAcquisitionDateTime"),
)


def is_enhanced(header: Dataset) -> bool:
    """Whether each frame says where it lies."""
    return "PerFrameFunctionalGroupsSequence" in header


def frame_directions(header: Dataset) -> NDArray[np.float64] | None:
    """Directions of rows and columns (2, 3) of the first frame; None where it does not say."""
    groups = header.PerFrameFunctionalGroupsSequence
    first = groups[0] if groups else Dataset()
    return directions(_value(first, _shared(header), "PlaneOrientationSequence", "ImageOrientationPatient"))


def frames(header: Dataset, name: str) -> list[Slice]:
    """The slices of an enhanced image.

    Raises:
        ImagingError: ``wrong_dimension`` (not one group a frame), ``bad_spacing`` or ``bad_scaling``.
    """
    groups, shared = header.PerFrameFunctionalGroupsSequence, _shared(header)
    count = int(header.get("NumberOfFrames") or 1)
    if len(groups) != count:
        raise ImagingError("wrong_dimension", f"{name}: {count} frames, and {len(groups)} descriptions of them")

    @cache
    def unpacked() -> tuple[NDArray[Any], NDArray[np.bool_]]:
        return pixels_and_padding(header, (count, header.Rows, header.Columns))

    def frame(number: int, group: Dataset) -> Slice:
        def value(macro: str, keyword: str) -> Any:
            return _value(group, shared, macro, keyword)

        said = f"{name}, frame {number + 1}"
        scale = next((one for one in _items(group, shared, "PixelValueTransformationSequence")), Dataset())
        return Slice(
            numbers(value("PlanePositionSequence", "ImagePositionPatient"), 3),
            directions(value("PlaneOrientationSequence", "ImageOrientationPatient")),
            two(value("PixelMeasuresSequence", "PixelSpacing"), "PixelSpacing", said),
            scale_of(scale, said),
            lambda: (unpacked()[0][number], unpacked()[1][number]),
            {f"{keyword} ({macro})": _text(value(macro, keyword)) for macro, keyword in PASSES},
            f"frame {number + 1}",
            f"{header.get('InstanceNumber') or 0}.{number + 1:06d}",
        )

    return [frame(number, group) for number, group in enumerate(groups)]


def _shared(header: Dataset) -> Dataset:
    return header.SharedFunctionalGroupsSequence[0] if header.get("SharedFunctionalGroupsSequence") else Dataset()


def _items(group: Dataset, shared: Dataset, macro: str) -> list[Dataset]:
    """The frame's own item of a functional group, then the one that all frames share."""
    return [holder[macro][0] for holder in (group, shared) if holder.get(macro)]


def _value(group: Dataset, shared: Dataset, macro: str, keyword: str) -> Any:
    found = (item.get(keyword) for item in _items(group, shared, macro))
    return next((value for value in found if value is not None), None)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
