"""The tables that a collection ships: found under one of their names, read row by row, their columns checked."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

from unimedi.cohort.sources.scan import FolderError

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
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise FolderError(f"{path}: {error}") from error


def snake(name: str) -> str:
    """``Pleural Effusion`` as a finding is called here: ``pleural_effusion``."""
    return "_".join(name.replace("/", " ").replace("-", " ").lower().split())
