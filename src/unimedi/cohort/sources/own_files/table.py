"""A person's own tables: studies of a folder in any columns, reports and labels of a DICOM tree by their key."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from unimedi.cohort.cell_values import (
    date_or_none,
    read_label,
    read_language,
    read_modality,
    read_split,
    without_missing,
)
from unimedi.cohort.column_names import check_names, missing_column, misspelt_columns, unnamed_patient_column
from unimedi.cohort.patient_id import is_shortened_number
from unimedi.cohort.sources.dicom.header import patient_in
from unimedi.cohort.sources.dicom.quick_header import is_dicom
from unimedi.cohort.sources.file_names import PICTURES, VOLUMES, suffix
from unimedi.cohort.sources.own_files.images import guess_modality
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.study import Modality, Split
from unimedi.files.listed_path import ABSENT, ListedPaths, PathError
from unimedi.files.markup import plain
from unimedi.files.table_file import Row, TableError, read_table
from unimedi.files.walk import name_of, walk

FIELDS = ("image", "report", "report_path", "patient_id", "study_id", "modality", "split", "language", "study_date")
KEY = ("key", "report")
OF_A_MANIFEST = ("translation", "series", "mask:")  # how the columns begin that a table of one's own does not have
UNLISTED = "listed in no row of the table"


def add_table(cohort: SourceCohort, table: Path, columns: Mapping[str, str], modality: Modality | None) -> bool:
    """Add the rows of a table to the cohort.

    Only the image and a report (its text, or the path of its text) must be there; ``label:<finding>`` columns are kept.
    A row that cannot be used is listed with the reason, and so is an image under the root that no row names.

    Args:
        cohort: what the studies are added to; paths in the table are relative to its root.
        table: the file.
        columns: the table's own names of ``FIELDS``; the others are called as in ``FIELDS``.
        modality: of images that do not say.

    Returns:
        Whether the table has splits.

    Raises:
        SourceError: a column is missing or misspelt, or a row has more or fewer values than columns.
    """
    names = _names(columns, FIELDS)
    header, rows = _read(table)
    if problems := _wrong_columns(header, names, columns):
        raise SourceError(str(TableError(table, problems)))
    paths = ListedPaths(cohort.root)
    whole = [{field: without_missing(row.values.get(name, "")) for field, name in names.items()} for row in rows]
    patients, splits = (any(values[field] for values in whole) for field in ("patient_id", "split"))
    listed: set[Path] = set()
    for row, values in zip(rows, whole, strict=True):
        what = f"row {row.number} ({values['study_id'] or values['image'] or 'no image'})"
        image = _image(cohort, what, values["image"], paths)
        if image and patients and not values["patient_id"] and not patient_in(image):
            cohort.skip(what, "no patient_id, where other rows have one, and no PatientID in the image")
        elif image and splits and not values["split"]:
            cohort.skip(what, "no split, where other rows have one")
        elif image:
            _add_row(cohort, what, image, values, row, paths, modality)
        listed |= {image or cohort.root / os.path.normpath(values["image"])} if values["image"] else set()
    _skip_unlisted(cohort, listed)
    return splits


def report_table(table: Path, columns: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """By the key of an examination: ``report`` and the ``label:<finding>`` columns.

    Raises:
        SourceError: as ``add_table``; or a key is empty, there twice or shortened, or a label is none.
    """
    names = _names(columns, KEY)
    header, rows = _read(table)
    wanted = [names[field] for field in ("key", *columns)]
    if problems := _missing(header, names, wanted) or misspelt_columns(header, list(names.values())):
        raise SourceError(str(TableError(table, problems)))
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        key, what = row.values[names["key"]], f"{table}, row {row.number}"
        if not key or key in found:
            raise SourceError(f"{what}: {names['key']} is {'there twice: ' + key if key else 'empty'}")
        if is_shortened_number(key):
            raise SourceError(f"{what}: {names['key']} {key!r} was shortened by a spreadsheet; write it as text")
        try:
            label_values(row.values)
        except SourceError as error:
            raise SourceError(f"{what} ({key}): {error}") from None
        found[key] = {**row.values, "report": plain(without_missing(row.values.get(names["report"], "")))}
    return found


def label_values(row: Mapping[str, str]) -> dict[str, bool | None]:
    """The ``label:<finding>`` columns of a row by finding. Raises ``SourceError`` for a value that is no label."""
    labels = {}
    for name, text in row.items():
        if name.startswith("label:"):
            try:
                labels[name.removeprefix("label:")] = read_label(text)
            except ValueError as error:
                raise SourceError(f"{name} {error}") from None
    return labels


def _names(columns: Mapping[str, str], fields: Sequence[str]) -> dict[str, str]:
    """The table's name of every field."""
    if problem := check_names(columns, fields):
        raise SourceError(problem)
    return {field: columns.get(field, field) for field in fields}


def _read(table: Path) -> tuple[list[str], list[Row]]:
    try:
        header, rows = read_table(table)
        return header, list(rows)
    except TableError as error:
        raise SourceError(str(error)) from error


def _missing(header: Sequence[str], names: Mapping[str, str], wanted: Sequence[str]) -> list[str]:
    return [missing_column(name, header, names.values()) for name in dict.fromkeys(wanted) if name not in header]


def _wrong_columns(header: Sequence[str], names: Mapping[str, str], columns: Mapping[str, str]) -> list[str]:
    """What is wrong with the columns of a table of studies."""
    wanted = [names[field] for field in ("image", *columns)]
    if not {names["report"], names["report_path"]} & set(header):
        wanted.append(names["report"])
    # A date of somebody's own, under whatever name, is no mistake.
    looked_for = [name for field, name in names.items() if field != "study_date"]
    problems = _missing(header, names, wanted) or misspelt_columns(header, looked_for)
    other = [name for name in header if name.startswith(OF_A_MANIFEST)]
    problems += [f"column {name!r} is of a manifest; use the table as one" for name in other]
    if names["patient_id"] not in header and (problem := unnamed_patient_column(header, names["patient_id"])):
        problems.append(problem)
    return problems


def _image(cohort: SourceCohort, what: str, value: str, paths: ListedPaths) -> Path | None:
    """The image of a row, or None where the row was listed as left out."""
    try:
        if value:
            return paths.find(_relative(value, cohort.root))
        reason = ABSENT
    except PathError as error:
        reason = error.reason
    cohort.skip(what, "no image" if reason == ABSENT else f"image {reason}")
    return None


def _add_row(
    cohort: SourceCohort,
    what: str,
    image: Path,
    values: Mapping[str, str],
    row: Row,
    paths: ListedPaths,
    modality: Modality | None,
) -> None:
    first = next((path for path in sorted(image.iterdir()) if path.is_file()), image) if image.is_dir() else image
    report: str | Path | None = plain(values["report"]) or None
    try:
        if values["report_path"] and report:
            return cohort.skip(what, "both a report and the path of one")
        if values["report_path"]:
            report = paths.find(_relative(values["report_path"], cohort.root))
        stated = read_modality(values["modality"]) if values["modality"] else None
        split = read_split(values["split"]) if values["split"] else Split.TRAIN
        language, labels = read_language(values["language"]), label_values(row.values)
    except PathError as error:
        return cohort.skip(what, "no report" if error.reason == ABSENT else f"report {error.reason}")
    except ValueError as error:
        return cohort.skip(what, str(error))
    for field in ("study_id", "patient_id"):
        if is_shortened_number(values[field]):
            return cohort.skip(what, f"{field} is a number that a spreadsheet shortened")
    date = date_or_none(values["study_date"])
    if values["study_date"] and date is None:
        cohort.tell(what, f"taken without the date {values['study_date'][:80]!r}: expected one like 2024-01-31")
    return cohort.add(
        what,
        image,
        stated or (guess_modality(first, modality) if first.is_file() else modality),
        report,
        study_id=values["study_id"],
        patient_id=values["patient_id"],
        language=language,
        split=split,
        labels=labels,
        date=date,
    )


def _relative(value: str, root: Path) -> str:
    """An absolute path under the root from the root on; any other as it is."""
    return os.path.relpath(value, root) if os.path.isabs(value) and Path(value).is_relative_to(root) else value


def _skip_unlisted(cohort: SourceCohort, listed: set[Path]) -> None:
    """Note each image under the root that no row names; what lies in a folder that a row names belongs to it."""
    for folder, names in walk(cohort.root, cohort.skip):
        if listed.isdisjoint((folder, *folder.parents)):
            for path in (folder / name for name in names):
                if path not in listed and (suffix(path.name) in (*VOLUMES, *PICTURES) or is_dicom(path)):
                    cohort.skip(name_of(path, cohort.root), UNLISTED)
