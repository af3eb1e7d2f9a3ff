"""The tables that a collection ships: found under one of their names, read row by row, their columns checked."""

import csv
import gzip
import os
import zlib
from collections.abc import Container, Iterator
from pathlib import Path

from unimedi.cohort.sources.scan import FolderCohort, FolderError, suffix

LONGEST = 1 << 24  # characters of a field; a report with its addenda is beyond csv's 128 KiB


def find(root: Path, *names: str) -> Path:
    """The first of ``names`` that is there, as it is or with ``.gz``.

    Raises:
        FolderError: the folder is not there, or none of the files.
    """
    if not root.is_dir():
        raise FolderError(f"no such folder: {root}")
    for name in names:
        for path in (root / name, root / f"{name}.gz"):
            if path.exists():
                return path
    raise FolderError(f"{root} has no {' or '.join(names)}: is it the folder that the collection was unpacked into?")


def rows(path: Path, *columns: str, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """The rows of a CSV file, plain or packed by gzip; missing values are empty.

    Raises:
        FolderError: one of ``columns`` is not in the header, or the file is no such table.
    """
    csv.field_size_limit(LONGEST)
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            header = list(reader.fieldnames or [])
            if missing := [name for name in columns if name not in header]:
                raise FolderError(f"{path} has no column {missing[0]!r}; it has {', '.join(header) or 'none'}")
            for row in reader:
                yield {str(key): (value or "").strip() for key, value in row.items() if isinstance(value, str | None)}
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FolderError(f"{path}: {error}") from error


def snake(name: str) -> str:
    """``Pleural Effusion`` as a finding is called here: ``pleural_effusion``."""
    return "_".join(name.replace("/", " ").replace("-", " ").lower().split())


def skip_unlisted(cohort: FolderCohort, folder: Path, listed: Container[Path], *kinds: str) -> None:
    """Note each file with a suffix of ``kinds`` in ``folder`` and below that the collection's tables do not list."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if suffix(name) in kinds and not name.startswith(".") and (path := Path(where, name)) not in listed:
                cohort.skip(str(path.relative_to(cohort.root)), "listed in no table")
