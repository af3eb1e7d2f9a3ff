"""DICOM by pydicom (compressed pixels by GDCM): single images, and series or frames of slices that become one volume.

A series is ordered by the slices' positions in the patient, never by file name or instance number (``stacking.py``).
(ITK's series reader would be as fast, but fills what a truncated slice lacks in silence.)
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from unimedi.imaging.dicom.display import shown, turned
from unimedi.imaging.dicom.file import open_whole, stated_modality
from unimedi.imaging.dicom.frames import frames, is_enhanced
from unimedi.imaging.dicom.series import FOREIGN, SLICED, Group, chosen, count_slices, groups_of, is_index
from unimedi.imaging.dicom.slice import Slice, planes_of, slice_of
from unimedi.imaging.dicom.spacing import image_aspect, image_spacing
from unimedi.imaging.dicom.stacking import stack
from unimedi.imaging.image import ImagingError, Radiograph, Volume, unreadable_if_damaged
from unimedi.imaging.intensity import MIN_SLICES

MOST_PIXELS = 1 << 29  # of all frames of a file: 1 GiB as int16
DIRECTORY = "DICOMDIR"


def read_dicom(path: Path) -> Radiograph | Volume:
    """One DICOM file: an image, a volume of frames, or a DICOMDIR as the series that it lists (see ``read_series``).

    An image (DX, CR, US, secondary capture) comes as it is meant to be shown, float32 (height, width), turned so that
    the patient's right is on the viewer's left where ``PatientOrientation`` says otherwise; an enhanced CT or MR as a
    volume.

    Raises:
        ImagingError: ``unreadable``, ``unsupported`` (no pixels, or of a modality that is no image of the body),
            ``too_large``, ``too_few_slices`` (one slice of a volume), ``wrong_dimension`` (frames that say no
            position), ``bad_spacing``; of a volume as ``slice.planes_of`` and ``stacking.stack``.
    """
    with unreadable_if_damaged(path):
        header = open_whole(path)
        if is_index(header):
            return _series_of(_listed(path), path, "")
        _check_image(header, path)
        if _is_volume(header):
            return _volume(frames(header, str(path)), stated_modality(header), path)
        pixels = np.ascontiguousarray(turned(shown(header), header))
        spacing, aspect = image_spacing(header, str(path)), image_aspect(header, str(path))
        return Radiograph(pixels, spacing, modality=stated_modality(header), aspect=aspect)


def read_series(folder: Path, series: str = "") -> Volume | Radiograph:
    """The DICOM series in a folder, or the one that its DICOMDIR lists; of several, that of UID ``series``, or else
    the one that ``series.chosen`` takes.

    Notes: ``localiser_dropped``, ``other_series_dropped``, and those of ``slice.planes_of`` and
    ``stacking.stack``. A folder with a single X-ray is that X-ray.

    Raises:
        ImagingError: ``unreadable``, ``missing`` (no such series), ``unsafe_path`` (a DICOMDIR that leads out of its
            folder), ``unsupported``, ``wrong_dimension``, and as ``planes_of`` and ``stack``.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name != DIRECTORY)
    try:
        return _series_of(paths, folder, series)
    except NoImagesError:
        directory = folder / DIRECTORY
        if not directory.is_file():
            raise
    with unreadable_if_damaged(directory):
        return _series_of(_listed(directory), folder, series)


class NoImagesError(ImagingError):
    """Nothing in the folder is a DICOM image."""


def _series_of(paths: Iterable[Path], name: Path, series: str) -> Volume | Radiograph:
    groups, others = groups_of(paths, name)
    if not groups:
        raise NoImagesError("unreadable", f"{name}: no DICOM images in this folder")
    wanted = [group for group in groups if series in ("", str(group[0].get("SeriesInstanceUID")))]
    if not wanted:
        raise ImagingError("missing", f"{name}: no series {series} here")
    with unreadable_if_damaged(name):
        group, notes = chosen(wanted, name)
        if others and not series:
            notes.append("other_series_dropped")
        image = _image(group, name)
    return replace(image, notes=tuple(dict.fromkeys((*notes, *image.notes))))


def _image(group: Group, name: Path) -> Volume | Radiograph:
    modality = stated_modality(group[0])
    if modality not in SLICED:
        if len(group) > 1 and modality not in FOREIGN:
            message = f"{name}: {len(group)} images of modality {modality or 'unknown'} in one series"
            raise ImagingError("wrong_dimension", f"{message}; expected one image, or the slices of a CT")
        return read_dicom(_path(group[0]))
    if count_slices(group) < MIN_SLICES:
        message = f"{name}: a {modality} series of {count_slices(group)} slices; one slab needs {MIN_SLICES}"
        raise ImagingError("too_few_slices", message)
    return _volume([one for header in group for one in _slices(header, name)], modality, name)


def _slices(header: Dataset, name: Path) -> list[Slice]:
    """The slices of one file of a group; for frames the whole file is read."""
    if not is_enhanced(header) and int(header.get("NumberOfFrames") or 1) == 1:
        return [slice_of(header, str(name))]
    whole = open_whole(_path(header))
    _check_image(whole, _path(header))
    return frames(whole, str(_path(header)))


def _volume(slices: list[Slice], modality: str, name: Path) -> Volume:
    planes, grid, notes = planes_of(slices, modality, str(name))
    volume = stack(planes, grid, str(name))
    return replace(volume, notes=(*notes, *volume.notes), modality=modality)


def _path(header: Dataset) -> Path:
    return Path(str(header.filename))


def _listed(directory: Path) -> list[Path]:
    """The files that a DICOMDIR lists; pydicom refuses any outside its folder."""
    try:
        listed = [Path(str(instance.path)) for instance in FileSet(directory)]
    except PermissionError as error:
        raise ImagingError("unsafe_path", f"{directory}: {error}") from error
    return [path for path in listed if path.is_file()]


def _is_volume(header: Dataset) -> bool:
    return is_enhanced(header) and stated_modality(header) in SLICED


def _check_image(header: Dataset, path: Path) -> None:
    modality = stated_modality(header)
    if "PixelData" not in header:
        raise ImagingError("unsupported", f"{path}: a DICOM file without pixels (modality {modality or 'unknown'})")
    if modality in FOREIGN:
        raise ImagingError("unsupported", f"{path}: modality {modality}; expected an X-ray, a CT, an MR or a picture")
    count = int(header.get("NumberOfFrames") or 1)
    if count * int(header.get("Rows") or 0) * int(header.get("Columns") or 0) > MOST_PIXELS:
        message = f"{path}: {count} frames of {header.Rows} x {header.Columns} pixels, more than {MOST_PIXELS} in all"
        raise ImagingError("too_large", message)
    if _is_volume(header):
        return
    if count > 1:
        raise ImagingError("wrong_dimension", f"{path}: {count} frames in one DICOM file; expected a single image")
    if modality in SLICED:
        message = f"{path}: one slice of a {modality} series; give the folder of the series"
        raise ImagingError("too_few_slices", message)
