"""The manifest: a cohort as a table on disk, one row a study. CSV, Excel and Parquet are read, CSV and Parquet written.

Columns: ``study_id, patient_id, modality, split, image``, then exactly one of ``report`` (text) and ``report_path``
in each row, or none of them where the row has a label or a mask; optional ``language`` (detected where empty),
``translation`` (trains in the report's place), ``series`` (its UID, where the folder holds several), ``study_date``
(2024-01-31), ``label:<finding>`` (1, 0 or empty) and ``mask:<finding>``: a label image, ``organs.nii.gz#6`` for one
value of it, or ``boxes:264,152,213,379;562,152,256,453`` (left, top, width, height in pixels). Paths are relative to
the manifest's folder and stay inside it. Other columns are ignored. Rows are counted as a spreadsheet shows them: the
header is row 1, the first study row 2.
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from unimedi.cohort.column_names import missing_column, misspelt_columns, nearest_column
from unimedi.cohort.manifest_row import BOXES, MEASURES, OPTIONAL, REQUIRED, WRITTEN, ManifestRow
from unimedi.cohort.split import leak_message, leaks
from unimedi.cohort.study import Mask, Study
from unimedi.errors import InputError
from unimedi.files.atomic import atomic_file, write_text
from unimedi.files.listed_path import ListedPaths
from unimedi.files.table_file import TableError, read_table
from unimedi.files.text_file import read_text as _read_text


class ManifestError(TableError):
    """What is wrong with a manifest: every problem in ``problems``, each naming its row and study."""


def read_manifest(path: str | Path, root: str | Path | None = None, check_files: bool = True) -> list[Study]:
    """Read a manifest.

    Args:
        path: ``.csv``, ``.xlsx`` or ``.parquet``; what it is, is decided by its content.
        root: the folder that its paths are relative to; by default its own.
        check_files: whether each image, report and mask must be there.

    Returns:
        The studies in the order of the rows, paths joined to ``root``.

    Raises:
        ManifestError: a column is missing, a row is wrong, a study is there twice, or a patient in two splits. All
            problems are collected, and each names its row.
    """
    path = Path(path)
    problems: list[str] = []
    studies: list[Study] = []
    numbers: list[int] = []
    try:
        header, rows = read_table(path)
        if wrong := _wrong_columns(header):
            raise ManifestError(path, wrong)
        paths = ListedPaths(Path(root or path.parent))
        for row in rows:
            numbers.append(row.number)
            studies.append(ManifestRow(row, paths, _read_text, problems).study(check_files))
    except ManifestError:
        raise
    except TableError as error:
        raise ManifestError(path, [*error.problems, *problems]) from error
    first: dict[str, int] = {}
    for number, study in zip(numbers, studies, strict=True):
        if study.study_id and (known := first.setdefault(study.study_id, number)) != number:
            problems.append(f"row {number} (study {study.study_id}): duplicate study_id, first in row {known}")
    problems += [
        f"row {numbers[here]}: {leak_message(studies[here], studies[there])}" for here, there in leaks(studies)
    ]
    if not studies:
        problems.append("no studies: the table has no rows")
    if problems:
        raise ManifestError(path, problems)
    return studies


def _wrong_columns(header: Sequence[str]) -> list[str]:
    known = (*REQUIRED, *OPTIONAL)
    wrong = [missing_column(column, header, known) for column in REQUIRED if column not in header]
    if not set(WRITTEN) & set(header) and not any(column.startswith(MEASURES) for column in header):
        others = [name for name in header if name not in known]
        wrong.append(f"column 'report' or 'report_path' is missing{nearest_column('report', others, header)}")
    # A date of somebody's own, in whatever form, is no mistake.
    looked_for = [column for column in OPTIONAL if column != "study_date" and (not wrong or column not in WRITTEN)]
    return wrong + misspelt_columns(header, looked_for)


def write_manifest(studies: Iterable[Study], path: str | Path, root: str | Path | None = None) -> None:
    """Write a manifest, whole or not at all.

    Args:
        studies: what to write, a row each.
        path: ``.csv`` or ``.parquet``.
        root: the folder that paths are written relative to; by default the manifest's own.

    Raises:
        InputError: another suffix, a file outside ``root``, or text that could not be read back.
    """
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"{path}: a manifest is written as .csv or .parquet")
    studies = list(studies)
    findings = list(dict.fromkeys(finding for study in studies for finding in study.labels))
    masked = list(dict.fromkeys(finding for study in studies for finding in study.masks))
    columns = [*REQUIRED, "report", "language"]
    columns += ["translation"] if any(study.report.translation for study in studies) else []
    columns += ["series"] if any(study.series for study in studies) else []
    columns += ["study_date"] if any(study.date for study in studies) else []
    columns += [*(f"label:{finding}" for finding in findings), *(f"mask:{finding}" for finding in masked)]
    root = os.path.abspath(root or path.parent)
    rows = [_cells(study, findings, masked, root) for study in studies]
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        table = pa.table({column: [row[column] for row in rows] for column in columns})
        with atomic_file(path) as temporary:
            parquet.write_table(table, temporary)
    else:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_text(path, text.getvalue())


def _cells(study: Study, findings: Sequence[str], masked: Sequence[str], root: str) -> dict[str, str]:
    """The cells of a row by their column."""
    row = {"study_id": study.study_id, "patient_id": study.patient_id, "modality": study.modality.value}
    row |= {"split": study.split.value, "image": _relative(study.image, root), "series": study.series}
    row["study_date"] = study.date.isoformat() if study.date else ""
    row |= {name: getattr(study.report, name) for name in ("language", "translation")} | {"report": study.report.text}
    row |= {f"label:{f}": {True: "1", False: "0", None: ""}[study.labels.get(f)] for f in findings}
    row |= {f"mask:{f}": _mask_text(study.masks[f], root) if f in study.masks else "" for f in masked}
    _check_text(row)
    return row


def _check_text(row: Mapping[str, str]) -> None:
    """That every cell can be read back."""
    for column, text in row.items():
        if "\0" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
            what = f"{column} {text[:80]!r}"
            raise InputError(f"study {row['study_id']!r}: {what} holds a NUL, or bytes that are no text in UTF-8")


def _relative(path: Path, root: str) -> str:
    relative = os.path.relpath(path, root).replace(os.sep, "/")
    if relative.startswith("../"):
        raise InputError(f"{path} lies outside {root}; a manifest stands at or above the files it lists, or has a root")
    return relative


def _mask_text(mask: Mask, root: str) -> str:
    if mask.path is None:
        return BOXES + ";".join(",".join(str(side).removesuffix(".0") for side in box) for box in mask.boxes)
    return _relative(mask.path, root) + ("" if mask.value is None else f"#{mask.value}")
