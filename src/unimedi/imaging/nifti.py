"""NIfTI-1 and NIfTI-2 by nibabel: ``.nii`` and ``.nii.gz``, any orientation, either byte order, slope applied once.

Every field that decides what the voxels mean is checked before a voxel is read. (ITK's reader knows no NIfTI-2, fills
what a truncated file lacks with zeros, turns NaN into 0, and takes a file that states no orientation for LPS.)
"""

import gzip
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from unimedi.imaging.axes import box_spacing
from unimedi.imaging.bounded import DAMAGED, check_finite, check_length, check_size, unpack_gzip
from unimedi.imaging.image import ImagingError
from unimedi.imaging.intensity import check_no_slice

GZIP = b"\x1f\x8b"
HEAD = 544  # bytes: the longer of the two headers (348 and 540) and the flag of its extensions
NUMBERS = "iuf"  # whole and real numbers; no complex, no colour
LPS = axcodes2ornt(("L", "P", "S"))
UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # mm in what xyzt_units names: nothing, metre, mm, micrometre
AGREE = 0.01  # relative: pixdim against the lengths of the affine's axes


def first_bytes(path: Path) -> bytes:
    """The head of the file, of its content where it is gzipped; empty where that cannot be unpacked."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head.startswith(GZIP):
        return head
    try:
        with gzip.open(path) as stream:
            return stream.read(HEAD)
    except DAMAGED:
        return b""


def is_nifti(head: bytes) -> bool:
    """Whether the first bytes (unpacked) are a NIfTI header, of a pair of files or of one."""
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def read_nifti(path: Path) -> tuple[NDArray[np.generic], tuple[float, ...], NDArray[np.float64] | None]:
    """Read a NIfTI-1 or NIfTI-2 file.

    Returns:
        Array (depth, height, width) from feet to head, front to back, right to left; spacing in mm, same order; affine
        (see ``Volume``). A plane, of two axes or with a third of length 1, comes as it is stored, (height, width), and
        without an affine.

    Raises:
        ImagingError: ``unreadable``, ``unsupported``, ``wrong_dimension``, ``too_large``, ``bad_scaling``,
            ``bad_spacing``, ``bad_orientation``, ``no_orientation``, ``nan`` or ``too_few_slices``.
    """
    header = _header(first_bytes(path), path)
    shape, offset = _shape(header, path), _offset(header, path)
    dtype, slope, intercept = _dtype(header, path), *_scaling(header, path)
    affine, spacing = _geometry(header, len(shape), path)
    with _plain(path, offset + math.prod(shape) * dtype.itemsize) as plain:
        stored = np.memmap(plain, dtype, "r", offset, shape, order="F")
        array = np.asarray(stored).T if affine is None else _turned(stored, affine)
        array = _scaled(array, slope, intercept)
    check_finite(array, path)
    if array.ndim == 2 < int(header["dim"][0]):
        check_no_slice(array, str(path))
    return array, tuple(reversed(spacing)), None if affine is None else _affine(affine, header, shape)


def stored_header(path: Path) -> Nifti1Header:
    """The header of a file that :func:`read_nifti` reads, without extensions: its geometry as it is stored."""
    return _header(first_bytes(path), path)


def _header(head: bytes, path: Path) -> Nifti1Header:
    if head[344:348] == b"ni1\0" or head[4:8] == b"ni2\0":
        raise ImagingError("unsupported", f"{path}: the header of a .hdr/.img pair; save it as one .nii file")
    size, header_class = (348, Nifti1Header) if head[344:348] == b"n+1\0" else (540, Nifti2Header)
    if len(head) < size:
        raise ImagingError("unreadable", f"{path}: a NIfTI header of {len(head)} bytes; expected {size}")
    for order in "<>":
        header: Nifti1Header = header_class(head[:size], endianness=order, check=False)
        if header["sizeof_hdr"] == size:
            return header
    raise ImagingError("unreadable", f"{path}: not a NIfTI header: its size field is not {size}")


def _shape(header: Nifti1Header, path: Path) -> tuple[int, ...]:
    axes, *sides = (int(n) for n in header["dim"])
    if not 1 <= axes <= 7:
        raise ImagingError("unreadable", f"{path}: the header promises {axes} axes")
    shape = tuple(sides[:axes])
    while len(shape) > 2 and shape[-1] == 1:  # what writers make of a picture has a third axis
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        written = "x".join(map(str, shape))
        raise ImagingError("wrong_dimension", f"{path}: expected an image of 2 or 3 axes, got {written}")
    check_size(shape, path)
    return shape


def _offset(header: Nifti1Header, path: Path) -> int:
    offset = float(header["vox_offset"])
    least = int(header["sizeof_hdr"]) + 4
    if not (math.isfinite(offset) and offset >= least and offset == int(offset)):
        raise ImagingError("unreadable", f"{path}: voxels at byte {offset}; expected {least} or later")
    return int(offset)


def _dtype(header: Nifti1Header, path: Path) -> np.dtype[np.generic]:
    code, bits = int(header["datatype"]), int(header["bitpix"])
    try:
        dtype: np.dtype[np.generic] = header.get_data_dtype()
    except (KeyError, HeaderDataError) as error:
        raise ImagingError("unsupported", f"{path}: unknown datatype {code}") from error
    if dtype.kind not in NUMBERS or dtype.itemsize > 8 or dtype.names:
        raise ImagingError("unsupported", f"{path}: datatype {code} ({dtype}); expected one real number a voxel")
    if bits != 8 * dtype.itemsize:
        raise ImagingError("unreadable", f"{path}: {bits} bits a voxel where datatype {code} has {8 * dtype.itemsize}")
    return dtype


def _scaling(header: Nifti1Header, path: Path) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0:  # says the standard: not scaled
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise ImagingError("bad_scaling", f"{path}: slope {slope} and intercept {intercept}; expected finite numbers")
    return slope, intercept


def _geometry(header: Nifti1Header, axes: int, path: Path) -> tuple[NDArray[np.float64] | None, tuple[float, ...]]:
    """The affine (None for a plane, which is not turned); spacing in mm along x, y, z of the patient or the plane."""
    units = int(header["xyzt_units"])
    unit = UNITS.get(units & 7)  # the other bits are of time
    zooms = [float(value) for value in header["pixdim"][1 : 1 + axes]]
    if unit is None or not all(math.isfinite(zoom) and zoom > 0 for zoom in zooms):
        raise ImagingError("bad_spacing", f"{path}: spacing must be positive mm, got {zooms} (units {units})")
    affines = _affines(header, path)
    if axes == 2:
        _check_plane(affines, zooms, path)
        return None, tuple(zoom * unit for zoom in zooms)
    if not affines:
        message = f"{path}: neither sform nor qform: which side is the patient's right is not stated"
        raise ImagingError("no_orientation", message)
    turns = [_turn(affine, zooms, path) for affine in affines]
    if turns[0] != turns[-1]:
        raise ImagingError("bad_orientation", f"{path}: sform and qform name different sides of the patient")
    along = {int(axis): zoom * unit for (axis, _), zoom in zip(turns[0], zooms, strict=True)}
    return affines[0], tuple(along[axis] for axis in range(3))


def _check_plane(affines: list[NDArray[np.float64]], zooms: list[float], path: Path) -> None:
    """Which side is the patient's right cannot be told from a rotated plane."""
    for affine in affines:
        if not np.allclose(affine[:2, :2] / zooms, -np.eye(2), atol=AGREE):
            raise ImagingError("unsupported", f"{path}: a 2-D NIfTI with a turned direction; save it as DICOM or PNG")


def _turn(affine: NDArray[np.float64], zooms: list[float], path: Path) -> list[list[float]]:
    """For each stored axis: which axis of the body it follows, and whether forwards (1) or backwards (-1)."""
    sides = box_spacing(affine[:3, :3], path)
    if not np.allclose(sides, zooms, rtol=AGREE):
        raise ImagingError("bad_spacing", f"{path}: spacing is {zooms} in pixdim and {list(sides)} in the affine")
    turn: list[list[float]] = io_orientation(affine).tolist()
    return turn


def _affines(header: Nifti1Header, path: Path) -> list[NDArray[np.float64]]:
    """What the file states of sform and qform, in this order."""
    try:
        found = (header.get_sform(coded=True)[0], header.get_qform(coded=True)[0])
    except (ValueError, HeaderDataError) as error:
        raise ImagingError("bad_orientation", f"{path}: {error}") from error
    return [np.asarray(affine, dtype=np.float64) for affine in found if affine is not None]


def _turned(stored: NDArray[np.generic], affine: NDArray[np.float64]) -> NDArray[np.generic]:
    """A view of (x, y, z) as (depth, height, width)."""
    turned: NDArray[np.generic] = apply_orientation(stored, ornt_transform(io_orientation(affine), LPS))
    return turned.T


def _affine(affine: NDArray[np.float64], header: Nifti1Header, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The affine of the turned volume: from an index to mm."""
    unit = UNITS[int(header["xyzt_units"]) & 7]
    turned = affine @ inv_ornt_aff(ornt_transform(io_orientation(affine), LPS), shape)
    return np.asarray(np.diag([unit, unit, unit, 1.0]) @ turned)


def _scaled(array: NDArray[np.generic], slope: float, intercept: float) -> NDArray[np.generic]:
    """A copy in native byte order; plane by plane, so that no second volume of float64 is needed."""
    if (slope, intercept) == (1.0, 0.0):
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    out = np.empty(array.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # found as infinite afterwards
        for plane, target in zip(array, out, strict=True):
            target[...] = plane.astype(np.float64) * slope + intercept
    return out


@contextmanager
def _plain(path: Path, promised: int) -> Iterator[Path]:
    """The path of the unpacked file, which holds every byte that its header promises."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    if not packed:
        check_length(path.stat().st_size, promised, path)
        yield path
        return
    with tempfile.NamedTemporaryFile(suffix=".nii") as file:
        unpack_gzip(path, promised, file)
        file.flush()
        yield Path(file.name)
