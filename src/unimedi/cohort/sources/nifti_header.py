"""How many planes a NIfTI-1 file has, and whether they are axial: read from its header, without nibabel."""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

LENGTH = 348  # bytes of a NIfTI-1 header, which begins with this number


@dataclass(frozen=True, slots=True)
class Planes:
    """``count`` of planes along the third axis; ``axial`` where that axis runs along head and feet."""

    count: int
    axial: bool


def planes_of(path: Path) -> Planes | None:
    """The planes of a volume; None where the file is no NIfTI-1 volume of three axes that tells its orientation."""
    header, order = _read(path)
    if not header:
        return None
    dim = struct.unpack_from(f"{order}8h", header, 40)
    if not 3 <= dim[0] <= 7 or any(size != 1 for size in dim[4 : dim[0] + 1]):
        return None
    axis = _third_axis(header, order)
    return Planes(dim[3], abs(axis[2]) > max(abs(axis[0]), abs(axis[1]))) if axis else None


def is_picture(path: Path) -> bool:
    """Whether it is a NIfTI-1 file of two axes, or of further ones of length 1: an X-ray, and no volume."""
    header, order = _read(path)
    if not header:
        return False
    axes, *sizes = struct.unpack_from(f"{order}8h", header, 40)
    return 2 <= axes <= 7 and min(sizes[:2]) > 1 and all(size == 1 for size in sizes[2:axes])


def _read(path: Path) -> tuple[bytes, str]:
    """The header and its byte order; empty where the file is no NIfTI-1."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            header = file.read(LENGTH)
    except (OSError, EOFError, zlib.error):
        return b"", ""
    order = next((order for order in "<>" if header[:4] == struct.pack(f"{order}i", LENGTH)), "")
    return (header, order) if order and len(header) == LENGTH else (b"", "")


def _third_axis(header: bytes, order: str) -> tuple[float, float, float] | None:
    """Where the third axis points: x along left and right, y front and back, z feet and head; by sform, or qform."""
    qform, sform = struct.unpack_from(f"{order}2h", header, 252)
    if sform > 0:
        x, y, z = (struct.unpack_from(f"{order}4f", header, start)[2] for start in (280, 296, 312))
        return x, y, z
    if qform > 0:
        b, c, d = struct.unpack_from(f"{order}3f", header, 256)
        a = max(0.0, 1.0 - b * b - c * c - d * d) ** 0.5
        return 2 * (b * d + a * c), 2 * (c * d - a * b), a * a + d * d - b * b - c * c
    return None
