"""DICOM by pydicom (compressed pixels by GDCM): single images, and series or frames of slices that become one volume.

A series is ordered by the slices' positions in the patient, never by file name or instance number (``stacking.py``).
(ITK's series reader would be as fast, but fills what a truncated slice lacks in silence.)
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.fileset import FileSet
from pydicom.pixels import apply_modality_lut
from pydicom.tag import BaseTag
from pydicom.uid import MediaStorageDirectoryStorage

from unimedi.imaging.dicom_display import pixel_spacing, shown, turned
from unimedi.imaging.dicom_frames import frames, is_enhanced
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.intensity import MIN_SLICES, to_hu
from unimedi.imaging.stacking import Grid, Plane, stack

SLICED = ("CT", "MR", "PT")  # modalities whose single file is one slice of a volume
SLICE_TAGS = [  # all that a slice is read for: a scanner writes hundreds, and parsing them takes longest
    *("SeriesInstanceUID", "Modality", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImageType"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "ExtendedOffsetTable"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "AcquisitionNumber", "TemporalPositionIdentifier"),
]
MOST_PIXELS = 1 << 29  # of all frames of a file: 1 GiB as int16
PIXEL_DATA = 0x7FE00010
DIRECTORY = "DICOMDIR"
AXIAL = 0.8  # cosine between the slice normal and the body axis: within 37 degrees


def read_dicom(path: Path) -> Radiograph | Volume:
    """One DICOM file: an image, a volume of frames, or a DICOMDIR as the series that it lists (see ``read_series``).

    An image (DX, CR, US, secondary capture) comes as it is meant to be shown, float32 (height, width), turned so that
    the patient's right is on the viewer's left where ``PatientOrientation`` says otherwise; an enhanced CT or MR as a
    volume.

    Raises:
        ImagingError: ``unreadable``, ``unsupported`` (no pixels), ``too_large``, ``too_few_slices`` (one slice of a
            volume), ``wrong_dimension`` (frames that say no position); of a volume as ``stacking.stack``.
    """
    try:
        header = _whole(path)
        if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
            return _series_of(_listed(path), path, "")
        _check_image(header, path)
        if is_enhanced(header) and header.get("Modality") in SLICED:
            return stack(*frames(header, str(path)), str(path))
        return Radiograph(np.ascontiguousarray(turned(shown(header), header)), pixel_spacing(header))
    except ImagingError:
        raise
    except Exception as error:  # damaged bytes make pydicom and its decoders raise nearly anything
        raise ImagingError("unreadable", f"{path}: {error}") from error


def read_series(folder: Path, series: str = "") -> Volume | Radiograph:
    """The DICOM series in a folder, or listed by its DICOMDIR; of several, the one of the UID ``series``, or else the
    axial one with most slices.

    Notes: ``localiser_dropped``, ``other_series_dropped``, and those of ``stacking.stack``. A folder with a single
    X-ray is that X-ray.

    Raises:
        ImagingError: ``unreadable``, ``missing`` (no such series), ``unsafe_path`` (a DICOMDIR that leads out of its
            folder), ``wrong_dimension``, and as ``stacking.stack``.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name != DIRECTORY)
    try:
        return _series_of(paths, folder, series)
    except NoImagesError:
        directory = folder / DIRECTORY
        if not directory.is_file():
            raise
    try:
        return _series_of(_listed(directory), folder, series)
    except ImagingError:
        raise
    except Exception as error:
        raise ImagingError("unreadable", f"{directory}: {error}") from error


class NoImagesError(ImagingError):
    """Nothing in the folder is a DICOM image."""


def _series_of(paths: Iterable[Path], name: Path, series: str) -> Volume | Radiograph:
    groups = _groups(paths, name)
    wanted = [group for group in groups if series in ("", str(group[0].get("SeriesInstanceUID")))]
    if not wanted:
        raise ImagingError("missing", f"{name}: no series {series} here")
    slices = max(wanted, key=lambda group: (_is_axial(group[0]), len(group)))
    notes = tuple(dict.fromkeys(_dropped(group) for group in wanted if group is not slices))
    if len(slices) == 1:
        image = read_dicom(Path(str(slices[0].filename)))
        return replace(image, notes=(*notes, *image.notes))
    if len(slices) < MIN_SLICES:
        raise ImagingError("too_few_slices", f"{name}: a series of {len(slices)} slices; one slab needs {MIN_SLICES}")
    try:
        volume = stack(*_planes(slices, name), str(name))
    except ImagingError:
        raise
    except Exception as error:  # damaged bytes make pydicom and its decoders raise nearly anything
        raise ImagingError("unreadable", f"{name}: {error}") from error
    return replace(volume, notes=(*notes, *volume.notes))


def _groups(paths: Iterable[Path], name: Path) -> list[list[Dataset]]:
    """Files with pixels, grouped by series, orientation and size; pixels stay on disk until asked for."""
    groups: dict[tuple[object, ...], list[Dataset]] = defaultdict(list)
    for path in paths:
        try:
            header = pydicom.dcmread(path, specific_tags=SLICE_TAGS, defer_size="1 MB")
            cosines = np.round(_cosines(header), 3).ravel().tolist() if "ImageOrientationPatient" in header else []
        except (InvalidDicomError, IsADirectoryError):
            continue  # an index, a note, a folder beside the slices
        except Exception as error:
            raise ImagingError("unreadable", f"{name}: {path.name}: {error}") from error
        if "Rows" in header:
            groups[(header.get("SeriesInstanceUID"), header.Rows, header.Columns, *cosines)].append(header)
    if not groups:
        raise NoImagesError("unreadable", f"{name}: no DICOM images in this folder")
    return list(groups.values())


def _planes(slices: Sequence[Dataset], name: Path) -> tuple[list[Plane], Grid]:
    """Each slice where its header says, its pixels read when they are asked for."""
    if not all("ImagePositionPatient" in s and "ImageOrientationPatient" in s for s in slices):
        message = f"{name}: slices without a position in the patient; their order cannot be known"
        raise ImagingError("uneven_slices", message)
    spacing = pixel_spacing(slices[0])
    if spacing is None or Counter(pixel_spacing(s) for s in slices)[spacing] != len(slices):
        raise ImagingError("bad_spacing", f"{name}: slices without a pixel spacing, or with different ones")
    grid = Grid(_cosines(slices[0]), spacing)

    def plane(header: Dataset) -> Plane:
        words = (header.get("TemporalPositionIdentifier"), header.get("AcquisitionNumber"))
        passed = " ".join(f"{int(word):06d}" for word in words if word is not None)
        return Plane(np.array(header.ImagePositionPatient, dtype=np.float64), lambda: _hu(header, name), passed)

    return [plane(header) for header in slices], grid


def _hu(header: Dataset, name: Path) -> NDArray[np.int16]:
    voxels = to_hu(apply_modality_lut(header.pixel_array, header), str(name))
    if voxels.ndim != 2:
        raise ImagingError("wrong_dimension", f"{name}: the series is not a stack of grey slices")
    return voxels


def _dropped(group: Sequence[Dataset]) -> str:
    localiser = any("LOCALIZER" in str(header.get("ImageType", "")).upper() for header in group)
    return "localiser_dropped" if localiser else "other_series_dropped"


def _listed(directory: Path) -> list[Path]:
    """The files that a DICOMDIR lists; pydicom refuses any outside its folder."""
    try:
        listed = [Path(str(instance.path)) for instance in FileSet(directory)]
    except PermissionError as error:
        raise ImagingError("unsafe_path", f"{directory}: {error}") from error
    return [path for path in listed if path.is_file()]


def _whole(path: Path) -> Dataset:
    """All of a file. Of an element that stands there twice pydicom keeps the last: of two images, who knows which?"""
    seen: Counter[int] = Counter()

    def count(tag: BaseTag, vr: str | None, length: int) -> bool:
        seen[int(tag)] += 1
        return False

    with path.open("rb") as file:
        header = read_partial(file, stop_when=count, force=path.suffix.lower() == ".dcm")
        header.filename = str(path)
    if seen[PIXEL_DATA] > 1:
        raise ImagingError("unreadable", f"{path}: pixel data stand there {seen[PIXEL_DATA]} times")
    return header


def _cosines(header: Dataset) -> NDArray[np.float64]:
    """Directions of a row and of a column in the patient (x to the left, y to the back, z to the head): (2, 3)."""
    return np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)


def _is_axial(header: Dataset) -> bool:
    return "ImageOrientationPatient" in header and abs(float(np.cross(*_cosines(header))[2])) > AXIAL


def _check_image(header: Dataset, path: Path) -> None:
    if "PixelData" not in header:
        raise ImagingError("unsupported", f"{path}: a DICOM file without pixels (modality {header.get('Modality')})")
    count = int(header.get("NumberOfFrames") or 1)
    if count * int(header.get("Rows") or 0) * int(header.get("Columns") or 0) > MOST_PIXELS:
        message = f"{path}: {count} frames of {header.Rows} x {header.Columns} pixels, more than {MOST_PIXELS} in all"
        raise ImagingError("too_large", message)
    if is_enhanced(header) and header.get("Modality") in SLICED:
        return
    if count > 1:
        raise ImagingError("wrong_dimension", f"{path}: {count} frames in one DICOM file; expected a single image")
    if header.get("Modality") in SLICED:
        message = f"{path}: one slice of a {header.Modality} series; give the folder of the series"
        raise ImagingError("too_few_slices", message)
