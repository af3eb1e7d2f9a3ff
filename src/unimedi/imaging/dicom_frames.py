"""A multi-frame CT or MR (one file, a frame a slice) as planes: DICOM's "enhanced" images."""

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from unimedi.imaging.image import ImagingError
from unimedi.imaging.intensity import to_hu
from unimedi.imaging.stacking import Grid, Plane


def is_enhanced(header: Dataset) -> bool:
    """Whether each frame says where it lies."""
    return "PerFrameFunctionalGroupsSequence" in header


def frames(header: Dataset, name: str) -> tuple[list[Plane], Grid]:
    """The planes of an enhanced image and what they share; values are rescaled frame by frame.

    Raises:
        ImagingError: ``uneven_slices`` (a frame without a position), ``bad_spacing``, ``wrong_dimension`` (frames in
            several orientations, or not one group a frame).
    """
    groups: Sequence = header.PerFrameFunctionalGroupsSequence
    shared = header.SharedFunctionalGroupsSequence[0] if header.get("SharedFunctionalGroupsSequence") else Dataset()
    count = int(header.get("NumberOfFrames") or 1)
    if len(groups) != count:
        raise ImagingError("wrong_dimension", f"{name}: {count} frames, and {len(groups)} descriptions of them")
    positions = [_value(group, shared, "PlanePositionSequence", "ImagePositionPatient") for group in groups]
    cosines = [_value(group, shared, "PlaneOrientationSequence", "ImageOrientationPatient") for group in groups]
    sizes = [_value(group, shared, "PixelMeasuresSequence", "PixelSpacing") for group in groups]
    if any(place is None for place in positions) or any(value is None for value in cosines):
        raise ImagingError("uneven_slices", f"{name}: frames without a position in the patient")
    if any(size is None for size in sizes):
        raise ImagingError("bad_spacing", f"{name}: frames without a pixel spacing")
    if np.ptp(np.array(cosines, dtype=np.float64), axis=0).max() > 1e-3:
        raise ImagingError("wrong_dimension", f"{name}: frames in several orientations")
    pixels = header.pixel_array

    def plane(place: int) -> Plane:
        slope = _value(groups[place], shared, "PixelValueTransformationSequence", "RescaleSlope")
        offset = _value(groups[place], shared, "PixelValueTransformationSequence", "RescaleIntercept")
        scaled = (1.0 if slope is None else float(slope), 0.0 if offset is None else float(offset))
        return Plane(
            np.array(positions[place], dtype=np.float64),
            lambda: to_hu(pixels[place] * scaled[0] + scaled[1], name),
            _pass(groups[place]),
        )

    grid = Grid(np.array(cosines[0], dtype=np.float64).reshape(2, 3), (float(sizes[0][0]), float(sizes[0][1])))  # type: ignore[index]
    return [plane(place) for place in range(count)], grid


def _value(group: Dataset, shared: Dataset, macro: str, keyword: str) -> Any:
    """A value of a functional group: the frame's own, or else the one that all frames share."""
    for holder in (group, shared):
        items = holder.get(macro)
        if items and items[0].get(keyword) is not None:
            return items[0].get(keyword)
    return None


def _pass(group: Dataset) -> str:
    content = group.get("FrameContentSequence")
    if not content:
        return ""
    words = (content[0].get("TemporalPositionIndex"), content[0].get("FrameAcquisitionNumber"))
    return " ".join(f"{int(word):06d}" for word in words if word is not None)
