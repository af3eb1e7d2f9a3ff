"""The series among the files of a folder: which files belong together, and which of several series is the study's."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

from unimedi.imaging.dicom.file import open_slice, stated_modality
from unimedi.imaging.dicom.frames import frame_directions, is_enhanced
from unimedi.imaging.dicom.plane import degrees_between
from unimedi.imaging.dicom.slice import TURNED, directions
from unimedi.imaging.image import ImagingError, unreadable_if_damaged
from unimedi.imaging.intensity import MIN_SLICES

SLICED = ("CT", "MR")  # modalities whose single file is one slice of a volume, the better one first
# Pixels that are no X-ray, CT or MR: activity, dose, segments, maps.
FOREIGN = ("PT", "RTDOSE", "SEG", "RWV", "M3D", "REG", "RTSTRUCT", "RTPLAN", "PR", "SR", "KO")
AXIAL = 0.8  # cosine between the slice normal and the body axis: within 37 degrees
VIEW = 0.7  # cosine between normals: slices of one series that are turned by less than 45 degrees are one view

Group = list[Dataset]


def groups_of(paths: Iterable[Path], name: Path) -> tuple[list[Group], bool]:
    """Files with pixels by series, size and direction, and whether there are DICOM files of other kinds.

    Raises:
        ImagingError: ``unreadable``.
    """
    groups: dict[tuple[object, ...], list[Group]] = defaultdict(list)
    others = False
    for path in paths:
        if path.is_dir():
            continue
        with unreadable_if_damaged(f"{name}: {path.name}"):
            header = open_slice(path)
            if header is None:
                continue  # a note, a picture beside the slices
            if "Rows" not in header:
                others |= header.get("SOPClassUID") is not None and not is_index(header)
                continue
            _join(groups[header.get("SeriesInstanceUID"), stated_modality(header), header.Rows, header.Columns], header)
    return [group for key in groups.values() for group in key], others


def chosen(groups: Sequence[Group], name: Path) -> tuple[Group, list[str]]:
    """Choose the series of the study: a whole CT before a whole MR before single images; of several CTs the axial one
    with most slices. With it come notes on the series left out.

    Raises:
        ImagingError: ``bad_orientation`` where some of its slices are turned against the others, ``wrong_dimension``
            where a few of them are of another size.
    """
    best = max(groups, key=_rank)
    for group in groups:
        if group is not best and _one_view(group[0], best[0]):
            _refuse_part(group, best, name)
    return best, list(dict.fromkeys(_dropped(group) for group in groups if group is not best))


def count_slices(group: Group) -> int:
    """Number of slices of a group whose files hold one slice, or several frames, each."""
    return sum(int(header.get("NumberOfFrames") or 1) for header in group)


def is_index(header: Dataset) -> bool:
    """Whether it is a DICOMDIR."""
    return bool(header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage)


def _join(groups: list[Group], header: Dataset) -> None:
    for group in groups:
        if _between(group[0], header) <= TURNED:
            group.append(header)
            return
    groups.append([header])


def _directions(header: Dataset) -> NDArray[np.float64] | None:
    return frame_directions(header) if is_enhanced(header) else directions(header.get("ImageOrientationPatient"))


def _between(one: Dataset, two: Dataset) -> float:
    """Degrees between the directions of two slices: 0 if neither states them, infinite if only one does."""
    first, second = _directions(one), _directions(two)
    if first is None or second is None:
        return 0.0 if first is None and second is None else float("inf")
    return degrees_between(first, second)


def _rank(group: Group) -> tuple[bool, int, bool, bool, int]:
    modality, cosines, count = stated_modality(group[0]), _directions(group[0]), count_slices(group)
    preference = 2 + len(SLICED) - SLICED.index(modality) if modality in SLICED else int(modality not in FOREIGN)
    whole = modality in SLICED and cosines is not None and count >= MIN_SLICES
    axial = cosines is not None and abs(float(np.cross(*cosines)[2])) > AXIAL
    return whole, preference, cosines is not None, axial, count


def _one_view(one: Dataset, two: Dataset) -> bool:
    """Whether two slices are of one series and look the same way through the body; no scout, no other view."""
    first, second = _directions(one), _directions(two)
    if first is None or second is None or one.get("SeriesInstanceUID") != two.get("SeriesInstanceUID"):
        return False
    same = abs(float(np.cross(*first) @ np.cross(*second)))
    return stated_modality(one) == stated_modality(two) and not same < VIEW  # or no number


def _refuse_part(part: Group, best: Group, name: Path) -> None:
    """A part of the series that would be lost: turned slices, or a few of another size. Many are another series."""
    sizes = [(group[0].Rows, group[0].Columns) for group in (part, best)]
    counts = f"{len(part)} of {len(part) + len(best)} slices"
    if sizes[0] == sizes[1]:
        message = f"{name}: {counts} are turned by {_between(part[0], best[0]):.1f} degrees against the others"
        raise ImagingError("bad_orientation", message)
    if count_slices(part) < MIN_SLICES:
        raise ImagingError("wrong_dimension", f"{name}: {counts} are of {sizes[0]} pixels, the others of {sizes[1]}")


def _dropped(group: Group) -> str:
    localiser = any("LOCALIZER" in str(header.get("ImageType", "")).upper() for header in group)
    return "localiser_dropped" if localiser else "other_series_dropped"
