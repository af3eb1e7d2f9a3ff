"""Whether results can be written where they shall be: checked before the work begins, not hours later."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from unimedi.errors import InputError
from unimedi.files.atomic import temporary_name

MANIFESTS: Final = (".csv", ".parquet")
BEGINS: Final = {  # in small letters; a file that begins otherwise is somebody's own, and is not written over
    ".csv": b"study_id",
    ".parquet": b"par1",
    ".html": b"<!doctype html",
    ".json": b"{",
    ".png": b"\x89png",
}


class DestinationError(InputError):
    """A place where the results cannot be written; the sentence says which and why."""


def file_to_write(
    path: Path, suffixes: Sequence[str], beside: Sequence[str] = (), inputs: Iterable[Path | None] = ()
) -> Path:
    """Check that a file can be written, and make its folders.

    Args:
        path: the file; an older one of the same command may be there.
        suffixes: one of them must be the file's.
        beside: suffixes of further files that are written beside it (``.skipped.csv`` in place of its own).
        inputs: files that are read, and must not be written over; None is ignored.

    Returns:
        ``path``.

    Raises:
        DestinationError: another suffix, a folder or a file of somebody else's has the name, it is one of the inputs,
            or the system allows no file there (read-only, too long a name, a file where a folder should be).
    """
    if path.suffix.lower() not in suffixes:
        raise DestinationError(f"{path}: expected the name of a {' or '.join(suffixes)} file to write")
    if any(given is not None and _is_same(given, path) for given in inputs):
        raise DestinationError(f"{path} is read by this command, and would be written over; choose another name")
    for target in (path, *(path.with_suffix(suffix) for suffix in beside)):
        if os.path.isdir(target):
            raise DestinationError(f"{target}: expected the name of a file to write, a folder is there")
        _make_folder(target.parent, path)
        _try_name(target, path)
    begins = BEGINS.get(path.suffix.lower(), b"")
    if path.is_file() and path.stat().st_size and not _head(path, len(begins) + 3).startswith(begins):
        raise DestinationError(
            f"{path} is there and not what this command writes; choose another name, or move it away"
        )
    return path


def folder_to_write(path: Path) -> Path:
    """Make a folder, and check that files can be written into it.

    Returns:
        ``path``.

    Raises:
        DestinationError: a file has the name, or the system allows no folder there, or no file in it.
    """
    if os.path.exists(path) and not os.path.isdir(path):
        raise DestinationError(f"{path}: expected a folder to write into, a file is there")
    _make_folder(path, path)
    _try_name(path / "results", path)
    return path


@contextmanager
def no_empty_folder(path: Path) -> Iterator[None]:
    """Where the block fails, the folder ``path`` and those above it go again that are new since then and empty."""
    new = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        yield
    except BaseException:
        for folder in new:
            with suppress(OSError):  # something is in it, or it was never made
                folder.rmdir()
        raise


def _is_same(one: Path, other: Path) -> bool:
    """os.path answers where pathlib raises: too long a name is not there."""
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _make_folder(folder: Path, asked: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise DestinationError(
            f"{asked} cannot be written: a file stands where its folder {folder} should be"
        ) from error
    except OSError as error:
        raise DestinationError(f"{asked} cannot be written: {error.filename or folder}: {error.strerror}") from error


def _try_name(target: Path, asked: Path) -> None:
    """Write and remove what an atomic writer would write first: its name is longer than the target's."""
    trial = temporary_name(target)
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise DestinationError(f"{asked} cannot be written: {error.strerror}") from error


def _head(path: Path, size: int) -> bytes:
    """The first bytes of a file, in small letters, without the mark that some programs put before UTF-8."""
    with path.open("rb") as file:
        return file.read(size).removeprefix(b"\xef\xbb\xbf").lower()
