"""A table of studies in anyone's own columns."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from unimedi.cohort.inside import inside
from unimedi.cohort.manifest import LABELS
from unimedi.cohort.sources.scan import FolderCohort, FolderError, given_modality, guess_modality
from unimedi.cohort.study import Modality, Split

FIELDS = ("image", "report", "report_path", "patient_id", "study_id", "modality", "split", "language")


def read_table(cohort: FolderCohort, table: Path, columns: Mapping[str, str], given: Modality | None) -> bool:
    """Add the rows of a CSV file to the cohort; True where the table has a column of splits.

    ``columns`` maps our ``FIELDS`` to the table's names; a field that it leaves out goes by our name. Only the image
    and a report (its text, or the path of its text) must be there; ``label:<finding>`` columns are kept.
    """
    if unknown := sorted(set(columns) - set(FIELDS)):
        raise FolderError(f"unknown field {unknown[0]!r}; a table's fields are {', '.join(FIELDS)}")
    if not table.is_file():
        raise FolderError(f"no such table: {table}")
    names = {field: columns.get(field, field) for field in FIELDS}
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        header = list(reader.fieldnames or [])
        missing = [names[field] for field in ("image", *columns) if names[field] not in header]
        if not missing and not {names["report"], names["report_path"]} & set(header):
            missing = [names["report"]]
        if missing:
            raise FolderError(f"{table} has no column {missing[0]!r}; it has {', '.join(header) or 'none'}")
        for number, whole in enumerate(reader, start=2):
            row = {field: (whole.get(name) or "").strip() for field, name in names.items()}
            labels = {str(key): str(value or "") for key, value in whole.items() if str(key).startswith("label:")}
            _add_row(cohort, f"row {number} ({row['study_id'] or row['image'] or 'no image'})", row, labels, given)
    return names["split"] in header


def _add_row(
    cohort: FolderCohort, what: str, row: Mapping[str, str], labels: Mapping[str, str], given: Modality | None
) -> None:
    image = cohort.root / os.path.normpath(row["image"])
    if not inside(image, cohort.root):
        return cohort.skip(what, "image outside the root")
    if not row["image"] or not image.exists():
        return cohort.skip(what, "no image")
    first = next((path for path in sorted(image.iterdir()) if path.is_file()), image) if image.is_dir() else image
    try:
        modality = given_modality(row["modality"]) or (guess_modality(first, given) if first.is_file() else given)
        split = Split(row["split"].lower()) if row["split"] else Split.TRAIN
        known = label_values(labels)
    except ValueError as error:
        return cohort.skip(what, str(error))
    return cohort.add(
        what,
        image,
        modality,
        row["report"] or (cohort.root / row["report_path"] if row["report_path"] else None),
        study_id=row["study_id"],
        patient_id=row["patient_id"],
        language=row["language"],
        split=split,
        labels=known,
    )


def label_values(row: Mapping[str, str]) -> dict[str, bool | None]:
    """The ``label:<finding>`` columns of a row by finding. Raises ``FolderError`` for a value that is no label."""
    values = {name.removeprefix("label:"): text.strip() for name, text in row.items() if name.startswith("label:")}
    for name, text in values.items():
        if text.casefold() not in LABELS:
            raise FolderError(f"label:{name} is {text!r}, expected 1, 0 or empty")
    return {name: LABELS[text.casefold()] for name, text in values.items()}
