"""What the readers of collections share: tables under one of their names, files in one of several places, names of
findings, the text of a report in sections, files that no table lists."""

import ast
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from unimedi.cohort.column_names import missing_column
from unimedi.cohort.sources.file_names import suffix
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
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
        if problems := [missing_column(name, header, columns) for name in columns if name not in header]:
            raise TableError(path, problems)
        yield from (row.values for row in found)
    except TableError as error:
        raise SourceError(str(error)) from error


def snake(name: str) -> str:
    """``Pleural Effusion`` as a finding is called here: ``pleural_effusion``."""
    return "_".join(name.replace("/", " ").replace("-", " ").lower().split())


def first_there(*places: Path) -> Path:
    """The first of the places where something is, else the first of all."""
    return next((path for path in places if path.exists()), places[0])


def headed(sections: Mapping[str, str]) -> str:
    """A report with headings (``findings`` as ``FINDINGS: ...``); empty where neither findings nor an impression is
    given."""
    texts = {name.replace("_", " ").upper(): text for name, text in sections.items() if text}
    if not {"FINDINGS", "IMPRESSION"} & texts.keys():
        return ""
    return "\n".join(f"{name}: {text}" for name, text in texts.items())


def python_list(cell: str) -> list[str] | None:
    """The words of a cell that shows a Python list, ``"['nodule', ' effusion']"``; None where it shows none."""
    try:
        found = ast.literal_eval(cell)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return [str(one) for one in found] if isinstance(found, list) else None


def skip_unlisted(cohort: SourceCohort, folder: Path, listed: Container[Path], *suffixes: str) -> None:
    """Note each file with one of ``suffixes`` in ``folder`` and below that the collection's tables do not list."""
    if not folder.is_dir():
        return
    above = name_of(folder, cohort.root)
    for where, names in walk(folder, lambda what, reason: cohort.skip(f"{above}/{what}", reason)):
        for name in names:
            if suffix(name) in suffixes and (path := where / name) not in listed:
                cohort.skip(name_of(path, cohort.root), "listed in no table")
