"""Bounds: how large an image may be, and unpacking that stops at what the header promised.

A header of 400 bytes can promise more than a machine holds, and a compressed file of 1 MB can hold 1 GB of zeros. So
the header is read first, its promise is compared with the bounds, and unpacking ends where the promise does.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from unimedi.imaging.image import ImagingError

MOST_VOXELS = 1 << 29  # 512 x 512 x 2048, 1 GiB as int16: four times a whole-body CT
MOST_PIXELS = 1 << 26  # 8192 x 8192: twice the largest mammogram
SLACK = 4096  # bytes behind the last voxel that are let pass: padding; more, and the header is wrong about the size
CHUNK = 1 << 20  # bytes unpacked at a time
DAMAGED = (OSError, EOFError, zlib.error)  # what a damaged compressed stream raises


def check_size(shape: tuple[int, ...], path: Path | str) -> None:
    """Refuse a promised shape before anything of that size is allocated.

    Raises:
        ImagingError: ``too_large``, or ``unreadable`` where an axis is zero or negative.
    """
    written = " x ".join(map(str, shape))
    if min(shape, default=0) < 1:
        raise ImagingError("unreadable", f"{path}: the header promises {written or 'no'} voxels")
    most = MOST_PIXELS if len(shape) == 2 else MOST_VOXELS
    if math.prod(shape) > most:
        raise ImagingError("too_large", f"{path}: the header promises {written} voxels; at most {most} are read")


def check_length(found: int, promised: int, path: Path) -> None:
    """Refuse data that are shorter than promised (never filled up with zeros), or longer by more than padding.

    Raises:
        ImagingError: ``unreadable``.
    """
    if found < promised:
        message = f"{path}: truncated: {found} bytes where the header promises {promised}"
        raise ImagingError("unreadable", message)
    if found > promised + SLACK:
        raise ImagingError("unreadable", f"{path}: holds more than the {promised} bytes that its header promises")


def check_finite(array: NDArray[np.generic], path: Path | str) -> None:
    """Refuse ``nan``: one voxel that is no number, or infinite, would otherwise be cast to some Hounsfield value."""
    if array.dtype.kind == "f" and not (np.isfinite(array.min()) and np.isfinite(array.max())):  # both propagate NaN
        raise ImagingError("nan", f"{path}: holds NaN or infinite values")


def unpack_gzip(path: Path, promised: int, target: IO[bytes]) -> None:
    """Unpack a gzip file into ``target``: its checksum is verified, and at most ``promised`` bytes and padding written.

    Raises:
        ImagingError: ``unreadable`` (damaged, shorter or longer than promised).
    """
    written = 0
    try:
        with gzip.open(path) as stream:
            while written <= promised + SLACK and (chunk := stream.read(CHUNK)):
                written += len(chunk)
                target.write(chunk)
    except DAMAGED as error:
        raise ImagingError("unreadable", f"{path}: {error}") from error
    check_length(written, promised, path)


def check_deflated(path: Path, start: int, size: int | None, promised: int) -> None:
    """Unpack one zlib or gzip stream of a file, ``size`` bytes from ``start``, only to count what it holds.

    Raises:
        ImagingError: ``unreadable`` (damaged, cut off, shorter or longer than promised).
    """
    unpacker, found = zlib.decompressobj(zlib.MAX_WBITS | 32), 0  # 32: either kind of wrapper
    try:
        for packed in _chunks(path, start, size):
            while packed and not unpacker.eof:
                found += len(unpacker.decompress(packed, CHUNK))
                packed = unpacker.unconsumed_tail
                if found > promised:
                    check_length(found + SLACK, promised, path)
    except DAMAGED as error:
        raise ImagingError("unreadable", f"{path}: {error}") from error
    if not unpacker.eof:
        raise ImagingError("unreadable", f"{path}: truncated: the compressed data do not end")
    check_length(found, promised, path)


def _chunks(path: Path, start: int, size: int | None) -> Iterator[bytes]:
    left = size if size is not None else path.stat().st_size
    with path.open("rb") as file:
        file.seek(start)
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
