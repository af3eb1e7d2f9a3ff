"""The text headers of NRRD and MetaImage: where the voxels are, how many, and how the axes lie.

Facts: the definition of the NRRD format (teem.sourceforge.net/nrrd/format.html) and MetaIO's documentation in ITK's.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unimedi.imaging.axes import box_spacing
from unimedi.imaging.bounded import check_size
from unimedi.imaging.image import ImagingError

NRRD = b"NRRD000"
METAIMAGE = re.compile(rb"\s*(ObjectType|NDims|Comment)\s*=")
MOST_HEADER = 1 << 16  # bytes; scanners' own notes included, real headers have less than 10 KB
MOST_LINE = 2000  # bytes: ITK's parsers have buffers of 4096 and less
SPACES = {"left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las"}
FLAT = 1e-3  # of a unit vector: the matrix of a plane that is not turned

_BYTES = {1: "char,uchar,signed char,unsigned char,int8,int8_t,uint8,uint8_t"}
_BYTES[2] = (
    "short,short int,signed short,signed short int,int16,int16_t,"
    "ushort,unsigned short,unsigned short int,uint16,uint16_t"
)
_BYTES[4] = "int,signed int,int32,int32_t,uint,unsigned int,uint32,uint32_t,float"
_BYTES[8] = (
    "longlong,long long,long long int,signed long long,signed long long int,int64,int64_t,"
    "ulonglong,unsigned long long,unsigned long long int,uint64,uint64_t,double"
)
NRRD_TYPES = {name: size for size, names in _BYTES.items() for name in names.split(",")}
MET_TYPES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4, "DOUBLE": 8}
MET_TYPES |= {"LONG_LONG": 8, "ULONG_LONG": 8}  # MET_LONG has 4 bytes or 8, by the machine that wrote it


@dataclass(frozen=True, slots=True)
class Stored:
    """Where voxels lie: ``shape`` (x, y[, z]), ``itemsize`` bytes each, in ``data`` from byte ``start``."""

    shape: tuple[int, ...]
    itemsize: int
    data: Path
    start: int
    packed: bool = False
    packed_size: int | None = None  # bytes; None: to the end of the file


def parse_nrrd(path: Path) -> Stored:
    """What an NRRD header promises.

    Raises:
        ImagingError: see ``itk_volume.read_itk``.
    """
    head = _head(path)
    end = re.search(rb"\r?\n\r?\n", head)
    text = head[: end.start()] if end else head
    lines = (line for line in _lines(text, path)[1:] if not line.startswith("#") and ":=" not in line)
    fields = _fields(lines, ":", path)
    name = fields.get("data file", fields.get("datafile"))
    if name is None and end is None:
        raise ImagingError("unreadable", f"{path}: an NRRD header without an end")
    shape = _shape(fields, "dimension", "sizes", path)
    itemsize = NRRD_TYPES.get(_need(fields, "type", path).lower())
    encoding = _need(fields, "encoding", path).lower()
    if itemsize is None or encoding not in ("raw", "gzip", "gz"):
        what = f"type {fields['type']}, encoding {encoding}"
        raise ImagingError("unsupported", f"{path}: {what}; expected real numbers, raw or gzip")
    if any(fields.get(skip, "0") != "0" for skip in ("line skip", "lineskip", "byte skip", "byteskip")):
        raise ImagingError("unsupported", f"{path}: an NRRD header that skips part of the data; save it anew")
    if len(shape) == 3:
        _check_nrrd_axes(fields, path)
    data, start = (path, end.end() if end else 0) if name is None else (_beside(path, name), 0)
    return Stored(shape, itemsize, data, start, encoding != "raw")


def parse_metaimage(path: Path) -> Stored:
    """What a MetaImage header promises.

    Raises:
        ImagingError: see ``itk_volume.read_itk``.
    """
    head = _head(path)
    end = re.search(rb"(?:^|\n)\s*ElementDataFile\s*=[^\n]*\n?", head)
    if end is None:
        raise ImagingError("unreadable", f"{path}: a MetaImage header without ElementDataFile")
    fields = _fields(_lines(head[: end.end()], path), "=", path)
    name = fields["elementdatafile"]
    if fields.get("objecttype", "Image") != "Image" or fields.get("binarydata", "True").lower() != "true":
        raise ImagingError("unsupported", f"{path}: expected an Image of binary data")
    if fields.get("elementnumberofchannels", "1") != "1":
        raise ImagingError("wrong_dimension", f"{path}: {fields['elementnumberofchannels']} values a voxel; expected 1")
    shape = _shape(fields, "ndims", "dimsize", path)
    itemsize = MET_TYPES.get(_need(fields, "elementtype", path).removeprefix("MET_"))
    if itemsize is None or fields.get("headersize", "0") != "0":
        what = f"{fields['elementtype']}, {fields.get('headersize', '0')} bytes to skip"
        raise ImagingError("unsupported", f"{path}: {what}; expected real numbers and nothing to skip")
    _check_met_values(fields, len(shape), path)
    packed = fields.get("compresseddata", "False").lower() == "true"
    size = _number(fields["compresseddatasize"], path) if packed and "compresseddatasize" in fields else None
    data, start = (path, end.end()) if name.upper() == "LOCAL" else (_beside(path, name), 0)
    return Stored(shape, itemsize, data, start, packed, size)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_HEADER)


def _lines(text: bytes, path: Path) -> list[str]:
    lines = text.decode("latin-1").splitlines()
    if any(len(line) > MOST_LINE or "\0" in line for line in lines):
        raise ImagingError("unreadable", f"{path}: a header with a line of more than {MOST_LINE} bytes, or binary")
    return lines


def _fields(lines: Iterable[str], between: str, path: Path) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        key, found, value = line.partition(between)
        key = key.strip().lower()
        if found and key in fields and key != "comment":
            raise ImagingError("unreadable", f"{path}: the header gives {key!r} twice")
        if found:
            fields[key] = value.strip()
    return fields


def _need(fields: dict[str, str], key: str, path: Path) -> str:
    if key not in fields:
        raise ImagingError("unreadable", f"{path}: the header lacks {key!r}")
    return fields[key]


def _number(text: str, path: Path) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
        raise ImagingError("unreadable", f"{path}: expected a whole number in the header, got {text[:40]!r}")
    return int(text)


def _shape(fields: dict[str, str], axes: str, sizes: str, path: Path) -> tuple[int, ...]:
    count = _number(_need(fields, axes, path), path)
    shape = tuple(_number(word, path) for word in _need(fields, sizes, path).split())
    if count != len(shape):
        raise ImagingError("unreadable", f"{path}: {count} axes promised, {len(shape)} sizes given")
    if count not in (2, 3):
        raise ImagingError("wrong_dimension", f"{path}: expected an image of 2 or 3 axes, got {count}")
    check_size(shape, path)
    return shape


def _floats(text: str, count: int, path: Path) -> NDArray[np.float64]:
    try:
        values = np.array([float(word) for word in re.split(r"[\s,()]+", text.strip(" ()"))])
    except ValueError:
        values = np.empty(0)
    if len(values) != count:
        raise ImagingError("bad_orientation", f"{path}: expected {count} numbers in the header, got {text[:80]!r}")
    return values


def _check_nrrd_axes(fields: dict[str, str], path: Path) -> None:
    if fields.get("space", "").lower() not in SPACES or "space directions" not in fields:
        message = f"{path}: no 'space' (LPS, RAS or LAS) with 'space directions': the patient's sides are not stated"
        raise ImagingError("no_orientation", message)
    box_spacing(_floats(fields["space directions"], 9, path).reshape(3, 3).T, path)


def _check_met_values(fields: dict[str, str], axes: int, path: Path) -> None:
    scaling = (fields.get("elementtointensityfunctionslope", "1"), fields.get("elementtointensityfunctionoffset", "0"))
    if not np.array_equal([_floats(text, 1, path)[0] for text in scaling], [1, 0]):
        raise ImagingError("bad_scaling", f"{path}: slope and offset {scaling}, which readers ignore; save it anew")
    spacing = _floats(fields["elementspacing"], axes, path) if "elementspacing" in fields else np.ones(axes)
    if not all(math.isfinite(step) and step > 0 for step in spacing) or (axes == 3 and "elementspacing" not in fields):
        raise ImagingError("bad_spacing", f"{path}: ElementSpacing must be positive mm, got {spacing.tolist()}")
    matrices = [fields[key] for key in ("transformmatrix", "orientation", "rotation") if key in fields]
    if axes == 3 and len(matrices) != 1:
        raise ImagingError("no_orientation", f"{path}: {len(matrices)} times TransformMatrix; expected one")
    for matrix in matrices:
        box_spacing(_floats(matrix, axes * axes, path).reshape(axes, axes).T, path)


def _beside(path: Path, name: str) -> Path:
    """The file that holds the voxels, which must lie in the header's folder or below."""
    if name.upper().startswith("LIST") or "%" in name or " " in name.strip():
        raise ImagingError("unsupported", f"{path}: voxels in several files ({name[:80]!r}); save them as one")
    data, parts = path.parent / name, Path(name).parts
    inside = data.resolve().is_relative_to(path.parent.resolve())
    if not name or ".." in parts or Path(name).is_absolute() or "\\" in name or "://" in name or not inside:
        raise ImagingError("unsafe_path", f"{path}: voxels outside the folder of the header ({name[:80]!r})")
    if not data.is_file():
        raise ImagingError("missing", f"{path}: no file {name[:80]!r}, where its voxels should be")
    return data
