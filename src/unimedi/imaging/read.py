"""A path becomes a radiograph or a volume: the one way in for preparing, serving and the pages.

What a file is, is decided by its first bytes and not by its name. NIfTI by SimpleITK, DICOM in ``dicom.py``, PNG and
JPEG by Pillow. A file that cannot be used raises ``ImagingError`` with a reason; nothing is returned half-read.
"""

import gzip
import math
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from unimedi.imaging.dicom import read_dicom, read_series
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.intensity import check, to_hu

sitk.ProcessObject.SetGlobalWarningDisplay(False)  # ITK writes its warnings straight to the terminal

NIFTI_HEADER = 348  # bytes, and the number in its first field
NIFTI_FLOATS = {16: "f4", 64: "f8"}  # codes of the field "datatype"
GZIP = b"\x1f\x8b"
SUPPORTED = "DICOM file, folder of a DICOM series, NIfTI (.nii, .nii.gz), PNG, JPEG"


def read_image(path: str | Path) -> Radiograph | Volume:
    """Read an image file, or a folder that holds a DICOM series.

    Returns:
        ``Radiograph`` float32 (height, width), MONOCHROME2, spacing in mm where the file says; or ``Volume`` int16 HU
        (depth, height, width), feet to head, front to back, patient's right to left (see ``image.py``).

    Raises:
        ImagingError: ``reason`` is one of ``missing``, ``unreadable``, ``unsupported``, ``wrong_dimension``,
            ``too_few_slices``, ``too_small``, ``constant``, ``nan``, ``bad_spacing``, ``uneven_slices``.
    """
    path = Path(path)
    if not path.exists():
        raise ImagingError("missing", f"{path}: no such file or folder")
    image = read_series(path) if path.is_dir() else _read_file(path)
    check(image, str(path))
    return image


def read_mask(path: str | Path, value: int | None = None) -> NDArray[np.bool_]:
    """A label image (NIfTI or PNG) in the axes of ``read_image``: inside is ``value``, or else all but zero.

    Raises:
        ImagingError: ``missing``, ``unreadable``, ``unsupported`` or ``wrong_dimension``.
    """
    path = Path(path)
    if not path.is_file():
        raise ImagingError("missing", f"{path}: no such mask file")
    kind = _kind(path)
    if kind == "picture":
        return _inside(_picture(path), value)
    if kind == "nifti":
        return _inside(_nifti(path)[0], value)
    raise ImagingError("unsupported", f"{path}: a mask is NIfTI or PNG")


def _inside(labels: NDArray[np.generic], value: int | None) -> NDArray[np.bool_]:
    return np.asarray(labels != 0 if value is None else labels == value)


def _read_file(path: Path) -> Radiograph | Volume:
    kind = _kind(path)
    if kind == "dicom":
        return read_dicom(path)
    if kind == "picture":
        return Radiograph(_picture(path))
    if kind != "nifti":
        raise ImagingError("unsupported", f"{path}: not a kind of file known here; supported: {SUPPORTED}")
    array, spacing = _nifti(path)
    if array.ndim == 2:
        return Radiograph(array.astype(np.float32), (spacing[0], spacing[1]))
    return Volume(to_hu(array, str(path)), (spacing[0], spacing[1], spacing[2]))


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(352)
    except OSError as error:
        raise ImagingError("unreadable", f"{path}: {error.strerror}") from error
    if not head:
        raise ImagingError("unreadable", f"{path}: the file is empty")
    if head[128:132] == b"DICM" or path.suffix.lower() == ".dcm":  # old files have no preamble
        return "dicom"
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return "picture"
    if head[344:348] in (b"n+1\0", b"ni1\0") or (head[:2] == GZIP and path.name.lower().endswith(".nii.gz")):
        return "nifti"
    named = {".nii": "nifti", ".png": "picture", ".jpg": "picture", ".jpeg": "picture"}
    if path.suffix.lower() in named or path.name.lower().endswith(".nii.gz"):
        raise ImagingError("unreadable", f"{path}: the content is not what the name says; the file is damaged")
    return "unknown"


def _nifti(path: Path) -> tuple[NDArray[np.generic], tuple[float, ...]]:
    """Array with the depth first and its spacing in mm in the same order."""
    try:
        with _whole(path) as plain:
            image = sitk.ReadImage(plain, imageIO="NiftiImageIO")
    except ImagingError as error:
        raise ImagingError(error.reason, f"{path}: {error}") from error
    except (RuntimeError, OSError, EOFError, zlib.error, struct.error) as error:
        raise ImagingError("unreadable", f"{path}: {str(error).strip().splitlines()[-1].strip()}") from error
    axes, components = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if axes == 3 and components == 1:
        # One slice in three axes stays as it is: volumes are refused later with the number of slices.
        image = sitk.DICOMOrient(image, "LPS")
    elif axes != 2 or components != 1:
        shape = "x".join(str(n) for n in image.GetSize())
        message = f"{path}: expected a 2-D or 3-D image of one value a voxel, got {shape} with {components} values"
        raise ImagingError("wrong_dimension", message)
    elif not np.allclose(image.GetDirection(), (1, 0, 0, 1), atol=1e-3):
        # Which side is the patient's right cannot be told from a rotated plane.
        raise ImagingError("unsupported", f"{path}: a 2-D NIfTI with a turned direction; save it as DICOM or PNG")
    return sitk.GetArrayFromImage(image), tuple(reversed(image.GetSpacing()))


@contextmanager
def _whole(path: Path) -> Iterator[str]:
    """The path of an uncompressed NIfTI file that holds every voxel its header promises.

    ITK reads a truncated or damaged file without a word, leaves zeros where voxels are missing and turns NaN into 0
    (which is water). So the stream is unpacked here, where its checksum is verified, and compared with the header.
    """
    content = path.read_bytes()
    if content[:2] != GZIP:
        _check_voxels(content)
        yield str(path)
        return
    content = gzip.decompress(content)
    _check_voxels(content)
    with tempfile.NamedTemporaryFile(suffix=".nii") as file:
        file.write(content)
        file.flush()
        yield file.name


def _check_voxels(content: bytes) -> None:
    order = "<" if struct.unpack_from("<i", content)[0] == NIFTI_HEADER else ">"
    if struct.unpack_from(order + "i", content)[0] != NIFTI_HEADER:
        raise OSError("not a NIfTI-1 header")
    dimensions = struct.unpack_from(order + "8h", content, 40)
    kind, bits = struct.unpack_from(order + "2h", content, 70)
    offset, count = int(struct.unpack_from(order + "f", content, 108)[0]), math.prod(dimensions[1 : 1 + dimensions[0]])
    expected = offset + count * bits // 8
    if len(content) < expected:
        raise OSError(f"truncated: {len(content)} bytes where the header promises {expected}")
    if kind in NIFTI_FLOATS:
        voxels = np.frombuffer(content, order + NIFTI_FLOATS[kind], count, offset)
        if not np.isfinite(voxels.min() + voxels.max()):  # min and max propagate NaN
            raise ImagingError("nan", "holds NaN or infinite values")


def _picture(path: Path) -> NDArray[np.float32]:
    """PNG (8 or 16 bit) or JPEG as grey values, float32 (height, width)."""
    try:
        with Image.open(path) as file:
            if (frames := getattr(file, "n_frames", 1)) > 1:
                raise ImagingError("wrong_dimension", f"{path}: a picture of {frames} frames; expected one")
            picture = ImageOps.exif_transpose(file)
            grey = (
                picture if picture.mode in ("L", "I", "F") or picture.mode.startswith("I;16") else picture.convert("L")
            )
            return np.asarray(grey).astype(np.float32)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, UnidentifiedImageError) as error:
        if isinstance(error, ImagingError):
            raise
        raise ImagingError("unreadable", f"{path}: {error}") from error
