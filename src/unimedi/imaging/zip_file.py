"""A zip of a DICOM series, or of one image, is unpacked as the folder that it stands for.

Nothing of what the archive says is taken on trust: its files lie side by side under names of ours, so that none leads
out of the folder; how many and how large they may be is bounded before the first is written.
"""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from unimedi.imaging.bounded import CHUNK, MOST_VOXELS
from unimedi.imaging.image import ImagingError, unreadable_if_damaged

ZIP: Final = b"PK\x03\x04"
MOST_FILES: Final = 10_000  # five whole-body CTs
MOST_BYTES: Final = 4 * MOST_VOXELS  # of all of them, unpacked: the largest CT, twice
ENCRYPTED: Final = 0x1  # of a file's flags


def names_in(path: Path) -> list[str]:
    """What an archive holds; ImagingError ``unreadable`` where it is damaged."""
    with unreadable_if_damaged(path), zipfile.ZipFile(path) as archive:
        return archive.namelist()


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The one file that an archive holds, or a folder of its files, until the block ends.

    Hidden files, and what macOS adds, are left out.

    Raises:
        ImagingError: ``unreadable`` (damaged, or nothing in it), ``unsupported`` (encrypted) or ``too_large``.
    """
    with TemporaryDirectory(prefix="unimedi-") as place:
        folder = Path(place)
        with unreadable_if_damaged(path), zipfile.ZipFile(path) as archive:
            names = _names(path, archive.infolist())
            for entry, name in names:
                with archive.open(entry) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, CHUNK)  # at most the size that the archive said
        yield folder / names[0][1] if len(names) == 1 else folder


def _names(path: Path, entries: list[zipfile.ZipInfo]) -> list[tuple[zipfile.ZipInfo, str]]:
    """The files to unpack, each under its own last name, or numbered where two have the same."""
    files = [(entry, _last_name(entry)) for entry in entries if not entry.is_dir()]
    files = [(entry, name) for entry, name in files if not name.startswith(".") and "__MACOSX" not in entry.filename]
    if not files:
        raise ImagingError("unreadable", f"{path}: an archive without a file in it")
    if any(entry.flag_bits & ENCRYPTED for entry, _ in files):
        raise ImagingError("unsupported", f"{path}: an encrypted archive: unpack it with its password first")
    size = sum(entry.file_size for entry, _ in files)
    if len(files) > MOST_FILES or size > MOST_BYTES:
        told = f"an archive of {len(files)} files and {size} bytes; at most {MOST_FILES} and {MOST_BYTES} are read"
        raise ImagingError("too_large", f"{path}: {told}")
    if len({name.casefold() for _, name in files}) == len(files):
        return files
    return [(entry, f"{number}-{name}") for number, (entry, name) in enumerate(files)]


def _last_name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.replace("\\", "/").rstrip("/").rpartition("/")[2][-100:]
