"""The manifest: a cohort as a table on disk, one row a study, CSV (UTF-8) or Parquet by suffix.

Columns: ``study_id, patient_id, modality, split, image``, then exactly one of ``report`` (text) and ``report_path`` in
each row, or none of them where the row has a label or a mask; optional ``language`` (detected where empty),
``translation`` (trains in the report's place), ``series`` (its UID, in a folder of several),
``label:<finding>`` (1, 0 or empty) and ``mask:<finding>``: a label image, ``organs.nii.gz#6`` for one value of it, or
``boxes:264,152,213,379;562,152,256,453``. Paths are relative to the manifest's folder and stay inside it. Other columns
are ignored. Rows are counted as a spreadsheet shows them: the header is row 1, the first study row 2.
"""

import csv
import io
import math
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from unimedi.cohort.choices import given, read_label, read_language, read_modality, read_split
from unimedi.cohort.columns import hint, missing, misspelt
from unimedi.cohort.listed_path import ListedPaths, PathError
from unimedi.cohort.markup import plain
from unimedi.cohort.patient_id import shortened
from unimedi.cohort.report import written_report
from unimedi.cohort.split import crossings, describe
from unimedi.cohort.study import Mask, Modality, Report, Split, Study
from unimedi.cohort.table_file import Row, TableError, read_table
from unimedi.cohort.text_file import TextError
from unimedi.cohort.text_file import read_text as _read_text

REQUIRED = ("study_id", "patient_id", "modality", "split", "image")
KNOWN = (*REQUIRED, "report", "report_path", "language", "translation", "series")
WRITTEN = ("report", "report_path")
MEASURES = ("label:", "mask:")  # how the columns begin of what measures
BOXES = "boxes:"
Kind = Callable[[int], bool]  # of a file, by its mode: the tests of the module stat
IMAGE = (stat.S_ISREG, stat.S_ISDIR)

T = TypeVar("T")


class ManifestError(TableError):
    """What is wrong with a manifest: every problem in ``problems``, each naming its row and study."""


class _Row:
    """One row being read: gives values and collects what is wrong with them."""

    def __init__(self, row: Row, paths: ListedPaths, problems: list[str]) -> None:
        self.paths, self.problems = paths, problems
        self.values = {name: given(text) if _may_lack(name) else text for name, text in row.values.items()}
        self.name = f"row {row.number} (study {self.values['study_id'] or 'without id'})"

    def problem(self, text: str) -> None:
        self.problems.append(f"{self.name}: {text}")

    def text(self, column: str) -> str:
        value = self.values[column]
        if not value:
            self.problem(f"{column} is empty")
        return value

    def identifier(self, column: str) -> str:
        value = self.text(column)
        if shortened(value):
            self.problem(f"{column} {value!r} is a number that a spreadsheet shortened; write it out, as text")
        return value

    def choice(self, column: str, read: Callable[[str], T], default: T) -> T:
        value = self.text(column)
        try:
            return read(value) if value else default
        except ValueError as error:
            self.problem(str(error))
            return default

    def path(self, column: str, value: str, check: bool, kinds: Sequence[Kind] = (stat.S_ISREG,)) -> Path:
        """``value`` under the root; what leads out of it is not even looked at. ``kinds``: what may stand there."""
        try:
            found = self.paths.find(value) if check else self.paths.joined(value)
            if not check or any(kind(os.stat(found).st_mode) for kind in kinds):
                return found
            self.problem(
                f"{column} {value[:80]!r} is {'neither a file nor a folder' if len(kinds) > 1 else 'not a file'}"
            )
        except PathError as error:
            self.problem(f"{column} {error}")
        return self.paths.root

    def report(self) -> Report:
        inline, path = plain(self.values.get("report", "")), self.values.get("report_path", "")
        if inline and path:
            self.problem("both report and report_path are given")
        if not inline and not path and not self.measures():
            self.problem("neither report nor report_path is given, and no label or mask either")
        if path and not inline:
            inline = self.report_of_file(path)
        return written_report(inline, self.language(), self.values.get("translation", ""))

    def report_of_file(self, path: str) -> str:
        before = len(self.problems)
        file = self.path("report_path", path, check=True)
        if len(self.problems) > before:
            return ""
        try:
            text = given(_read_text(file).strip())
        except TextError as error:
            self.problem(f"report_path {path[:80]!r}: {error.reason}")
            return ""
        if not text:
            self.problem(f"the report in {path[:80]!r} is empty")
        return text

    def language(self) -> str:
        try:
            return read_language(self.values.get("language", ""))
        except ValueError as error:
            self.problem(str(error))
            return ""

    def measures(self) -> bool:
        """Whether the row has a label or a mask."""
        return any(value and column.startswith(MEASURES) for column, value in self.values.items())

    def labels(self) -> dict[str, bool | None]:
        labels: dict[str, bool | None] = {}
        for column, value in self.values.items():
            if column.startswith("label:"):
                try:
                    labels[column.removeprefix("label:")] = read_label(value)
                except ValueError as error:
                    self.problem(f"{column} {error}")
        return labels

    def mask(self, column: str, check: bool) -> Mask:
        value = self.values[column]
        if value.startswith(BOXES):
            try:
                return Mask(boxes=tuple(_box(text) for text in value.removeprefix(BOXES).split(";")))
            except ValueError:
                self.problem(f"{column} {value[:80]!r}: expected {BOXES}left,top,width,height in pixels; more with ';'")
                return Mask(self.paths.root)  # a stand-in: there is a problem, so no study comes of it
        name, mark, number = value.rpartition("#")
        if not mark or not number.isdigit():
            return Mask(self.path(column, value, check))
        return Mask(self.path(column, name, check), int(number))

    def study(self, check_files: bool) -> Study:
        masks = [column for column, value in self.values.items() if value and column.startswith("mask:")]
        image = self.text("image")
        return Study(
            study_id=self.identifier("study_id"),
            patient_id=self.identifier("patient_id"),
            modality=self.choice("modality", read_modality, Modality.DX),
            image=self.path("image", image, check_files, IMAGE) if image else self.paths.root,
            report=self.report(),
            split=self.choice("split", read_split, Split.TRAIN),
            labels=self.labels(),
            masks={column.removeprefix("mask:"): self.mask(column, check_files) for column in masks},
            series=self.values.get("series", ""),
        )


def read_manifest(path: str | Path, root: str | Path | None = None, check_files: bool = True) -> list[Study]:
    """The studies of a manifest, in its order, with paths joined to ``root`` (default: the manifest's folder).

    Raises:
        ManifestError: a column is missing, or rows are wrong; all problems are collected and each names its row.
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
            studies.append(_Row(row, paths, problems).study(check_files))
    except ManifestError:
        raise
    except TableError as error:
        raise ManifestError(path, [*error.problems, *problems]) from error
    first: dict[str, int] = {}
    for number, study in zip(numbers, studies, strict=True):
        if study.study_id and (known := first.setdefault(study.study_id, number)) != number:
            problems.append(f"row {number} (study {study.study_id}): duplicate study_id, first in row {known}")
    problems += [
        f"row {numbers[here]}: {describe(studies[here], studies[there])}" for here, there in crossings(studies)
    ]
    if not studies:
        problems.append("no studies: the table has no rows")
    if problems:
        raise ManifestError(path, problems)
    return studies


def _wrong_columns(header: Sequence[str]) -> list[str]:
    wrong = [missing(column, header, KNOWN) for column in REQUIRED if column not in header]
    if not set(WRITTEN) & set(header) and not any(column.startswith(MEASURES) for column in header):
        others = [name for name in header if name not in KNOWN]
        wrong.append(f"column 'report' or 'report_path' is missing{hint('report', others, header)}")
    looked_for = [column for column in KNOWN if column not in REQUIRED and (not wrong or column not in WRITTEN)]
    return wrong + misspelt(header, looked_for)


def write_manifest(studies: Iterable[Study], path: str | Path, root: str | Path | None = None) -> None:
    """Write ``studies`` as CSV or Parquet by suffix, paths relative to ``root`` (default: its folder); atomic."""
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"{path}: a manifest is written as .csv or .parquet")
    studies = list(studies)
    findings = list(dict.fromkeys(finding for study in studies for finding in study.labels))
    masked = list(dict.fromkeys(finding for study in studies for finding in study.masks))
    optional = {"translation": lambda study: study.report.translation, "series": lambda study: study.series}
    given = [name for name, value in optional.items() if any(map(value, studies))]
    columns = [
        *REQUIRED,
        "report",
        "language",
        *given,
        *(f"label:{f}" for f in findings),
        *(f"mask:{f}" for f in masked),
    ]
    root = os.path.abspath(root or path.parent)
    rows = []
    for study in studies:
        row = {"study_id": study.study_id, "patient_id": study.patient_id, "modality": study.modality.value}
        row |= {"split": study.split.value, "image": _relative(study.image, root)}
        row |= {"report": study.report.text, "language": study.report.language}
        row |= {name: optional[name](study) for name in given}
        row |= {f"label:{f}": {True: "1", False: "0", None: ""}[study.labels.get(f)] for f in findings}
        row |= {f"mask:{f}": _mask_text(study.masks[f], root) if f in study.masks else "" for f in masked}
        _check_text(row)
        rows.append(row)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({column: [row[column] for row in rows] for column in columns}), temporary)
    else:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(rows)
        temporary.write_bytes(text.getvalue().encode("utf-8"))
    os.replace(temporary, path)


def _check_text(row: Mapping[str, str]) -> None:
    """That every cell can be read back."""
    for column, text in row.items():
        if "\0" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
            what = f"{column} {text[:80]!r}"
            raise ValueError(f"study {row['study_id']!r}: {what} holds a NUL, or bytes that are no text in UTF-8")


def _relative(path: Path, root: str) -> str:
    relative = os.path.relpath(path, root).replace(os.sep, "/")
    if relative.startswith("../"):
        raise ValueError(f"{path} lies outside {root}; a manifest stands at or above the files it lists, or has a root")
    return relative


def _mask_text(mask: Mask, root: str) -> str:
    if mask.path is None:
        return BOXES + ";".join(",".join(f"{side:g}" for side in box) for box in mask.boxes)
    return _relative(mask.path, root) + ("" if mask.value is None else f"#{mask.value}")


def _box(text: str) -> tuple[float, float, float, float]:
    left, top, width, height = (float(side) for side in text.split(","))
    if not (0 < width < math.inf and 0 < height < math.inf and math.isfinite(left + top)):
        raise ValueError(text)
    return left, top, width, height


def _may_lack(column: str) -> bool:
    """Whether ``NA`` in a column means that there is nothing; an id may be called so."""
    return column in KNOWN[len(REQUIRED) :] or column.startswith(MEASURES)
