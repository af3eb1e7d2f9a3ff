"""A path becomes a radiograph or a volume: the one way in for preparing, serving and the pages.

What a file is, is decided by its first bytes not its name: DICOM (``dicom/read.py``), NIfTI (``nifti.py``), NRRD and
MetaImage (``itk_volume.py``), PNG, JPEG and TIFF (``pictures.py``), or a zip of these (``zip_file.py``). A file that
cannot be used raises ``ImagingError`` with a reason; nothing is returned half-read. docs/formats.md lists what is read
and what is refused.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unimedi.cohort.sources.dicom.quick_header import START, begins_dicom
from unimedi.imaging.dicom.read import read_dicom, read_series
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.intensity import check, to_hu
from unimedi.imaging.itk_volume import read_itk
from unimedi.imaging.nifti import first_bytes, is_nifti, read_nifti
from unimedi.imaging.pictures import is_picture, is_slice_folder, read_picture, read_slices
from unimedi.imaging.radchestct import ENTRY, read_radchestct
from unimedi.imaging.text_header import METAIMAGE, NRRD
from unimedi.imaging.zip_file import ZIP, names_in, unpacked

NAMES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
SUPPORTED = (
    "DICOM file, folder of a DICOM series, NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd), "
    "PNG, JPEG, TIFF, a zip of one of these or of a series"
)


def read_image(path: str | Path, series: str = "") -> Radiograph | Volume:
    """Read an image file, or a folder that holds a DICOM series.

    Args:
        path: a file, or a folder of a DICOM series or of one picture a slice; or a zip of one of these.
        series: SeriesInstanceUID of the wanted series; without it the one that ``dicom.series.chosen`` takes.

    Returns:
        ``Radiograph`` float32 (height, width), MONOCHROME2, spacing in mm where the file says; or ``Volume`` int16 HU
        (depth, height, width), feet to head, front to back, patient's right to left (see ``image.py``).

    Raises:
        ImagingError: the file cannot be used; ``image.Reason`` lists the codes of why.
    """
    path = Path(path)
    if not path.exists():
        raise ImagingError("missing", f"{path}: no such file or folder")
    with _quiet():
        image = _read_folder(path, series) if path.is_dir() else _read_file(path, series)
    check(image, str(path))
    return image


def read_mask(path: str | Path, value: int | None = None) -> NDArray[np.bool_]:
    """Read a label image (NIfTI, NRRD, MetaImage or a picture).

    Args:
        path: the file.
        value: the label that is inside; without it all but zero.

    Returns:
        True inside; (height, width) or (depth, height, width), in the axes of ``read_image``.

    Raises:
        ImagingError: as ``read_image``, but for what only an image must be (``too_small``, ``constant``, ...).
    """
    path = Path(path)
    if not path.is_file():
        raise ImagingError("missing", f"{path}: no such mask file")
    file_format = _file_format(path)
    if file_format in ("dicom", "radchestct", "zip"):
        raise ImagingError("unsupported", f"{path}: a mask is NIfTI, NRRD, MetaImage or PNG")
    with _quiet():
        labels = read_picture(path) if file_format == "picture" else _grid(path, file_format)[0]
    return np.asarray(labels != 0 if value is None else labels == value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Python's warnings: the packages below warn of what they correct without naming the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _read_folder(path: Path, series: str) -> Radiograph | Volume:
    return read_slices(path) if is_slice_folder(path) else read_series(path, series)


def _read_zip(path: Path, series: str) -> Radiograph | Volume:
    with unpacked(path) as inside:
        try:
            if inside.is_dir():
                return _read_folder(inside, series)
            if _file_format(inside) == "zip":
                raise ImagingError("unsupported", f"{path}: an archive within an archive")
            return _read_file(inside)
        except ImagingError as error:
            place = str(inside if inside.is_dir() else inside.parent)
            raise ImagingError(error.reason, str(error).replace(place, str(path))) from error


def _read_file(path: Path, series: str = "") -> Radiograph | Volume:
    file_format = _file_format(path)
    if file_format == "zip":
        return _read_zip(path, series)
    if file_format == "dicom":
        return read_dicom(path)
    if file_format == "picture":
        return Radiograph(read_picture(path))
    if file_format == "radchestct":
        return read_radchestct(path)
    array, spacing, affine = _grid(path, file_format)
    if array.ndim == 2:
        return Radiograph(array.astype(np.float32), (spacing[0], spacing[1]))
    if 1 in array.shape:
        message = f"{path}: one plane in three axes {array.shape}; an X-ray has the axes (x, y) or (x, y, 1)"
        raise ImagingError("wrong_dimension", message)
    return Volume(to_hu(array, str(path)), (spacing[0], spacing[1], spacing[2]), affine=affine)


def _grid(path: Path, file_format: str) -> tuple[NDArray[np.generic], tuple[float, ...], NDArray[np.float64] | None]:
    return read_nifti(path) if file_format == "nifti" else read_itk(path, file_format)


def _file_format(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(START)
        unpacked = first_bytes(path)
    except OSError as error:
        raise ImagingError("unreadable", f"{path}: {error.strerror}") from error
    if not head:
        raise ImagingError("unreadable", f"{path}: the file is empty")
    if head[128:132] == b"DICM":  # first: its preamble may be that of another format
        return "dicom"
    if is_nifti(unpacked):
        return "nifti"
    if is_picture(head):
        return "picture"
    if head.startswith(NRRD):
        return "nrrd"
    if METAIMAGE.match(head):
        return "metaimage"
    if head.startswith(ZIP):
        return "radchestct" if names_in(path) == [ENTRY] else "zip"
    name = path.name.lower()
    if name.endswith(".dcm") or begins_dicom(head):  # old files have no preamble
        return "dicom"
    if name.endswith(NAMES):
        raise ImagingError("unreadable", f"{path}: the content is not what the name says; the file is damaged")
    raise ImagingError("unsupported", f"{path}: not a kind of file known here; supported: {SUPPORTED}")
