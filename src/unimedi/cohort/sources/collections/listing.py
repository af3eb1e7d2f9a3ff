"""The tables that a collection ships: found under one of their names, read row by row, their columns checked."""

from collections.abc import Container, Iterator
from pathlib import Path

from unimedi.cohort.columns import missing
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError, suffix
from unimedi.files.table_file import TableError, read_table
from unimedi.files.walk import name_of, walk


def find(root: Path, *names: str) -> Path:
    """The first of ``names`` that is there, as it is or with ``.gz``.

    Raises:
        SourceError: the folder is not there, or none of the files.
    """
    if not root.is_dir():
        raise SourceError(f"no such folder: {root}")
    for name in names:
        for path in (root / name, root / f"{name}.gz"):
            if path.exists():
                return path
    raise SourceError(f"{root} has no {' or '.join(names)}: is it the folder that the collection was unpacked into?")


def rows(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    """The rows of a table; missing values are empty.

    Raises:
        SourceError: one of ``columns`` is not in the header, or the file is no such table.
    """
    try:
        header, found = read_table(path)
        if problems := [missing(name, header, columns) for name in columns if name not in header]:
            raise TableError(path, problems)
        yield from (row.values for row in found)
    except TableError as error:
        raise SourceError(str(error)) from error


def snake(name: str) -> str:
    """``Pleural Effusion`` as a finding is called here: ``pleural_effusion``."""
    return "_".join(name.replace("/", " ").replace("-", " ").lower().split())


def skip_unlisted(cohort: SourceCohort, folder: Path, listed: Container[Path], *kinds: str) -> None:
    """Note each file with a suffix of ``kinds`` in ``folder`` and below that the collection's tables do not list."""
    if not folder.is_dir():
        return
    above = name_of(folder, cohort.root)
    for where, names in walk(folder, lambda what, reason: cohort.skip(f"{above}/{what}", reason)):
        for name in names:
            if suffix(name) in kinds and (path := where / name) not in listed:
                cohort.skip(name_of(path, cohort.root), "listed in no table")
