"""The manifest: a cohort as a table on disk, one row a study, CSV (UTF-8) or Parquet by suffix.

Columns: ``study_id, patient_id, modality, split, image``, then exactly one of ``report`` (text) and ``report_path`` in
each row, or none of them where the row has a label or a mask; optional ``language`` (detected where empty),
``translation`` (trains in the report's place), ``series`` (its UID, in a folder of several),
``label:<finding>`` (1, 0 or empty) and ``mask:<finding>``: a label image, ``organs.nii.gz#6`` for one value of it, or
``boxes:264,152,213,379;562,152,256,453``. Paths are relative to the manifest's folder and stay inside it. Other columns
are ignored. Rows are counted as a spreadsheet shows them: the header is row 1, the first study row 2.
"""

import csv
import difflib
import io
import math
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from unimedi.cohort.inside import inside
from unimedi.cohort.report import written_report
from unimedi.cohort.split import crossings, describe
from unimedi.cohort.study import Mask, Modality, Report, Split, Study
from unimedi.cohort.text_file import TextError
from unimedi.cohort.text_file import read_text as _read_text

REQUIRED = ("study_id", "patient_id", "modality", "split", "image")
KNOWN = (*REQUIRED, "report", "report_path", "language", "translation", "series")
LABELS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False, "": None}
BOXES = "boxes:"
Kind = Callable[[int], bool]  # of a file, by its mode: the tests of the module stat
IMAGE = (stat.S_ISREG, stat.S_ISDIR)
SHOWN = 20  # problems that an error lists

E = TypeVar("E", Modality, Split)


class ManifestError(ValueError):
    """What is wrong with a manifest: every problem in ``problems``, each naming its row and study."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{path}: {count}", *problems[:SHOWN], *more]))


class _Row:
    """One row being read: gives values and collects what is wrong with them."""

    def __init__(self, number: int, values: Mapping[str, str], root: Path, problems: list[str]) -> None:
        self.values, self.root, self.problems = values, root, problems
        self.name = f"row {number} (study {values.get('study_id') or 'without id'})"

    def problem(self, text: str) -> None:
        self.problems.append(f"{self.name}: {text}")

    def text(self, column: str) -> str:
        value = self.values.get(column, "")
        if not value:
            self.problem(f"{column} is empty")
        return value

    def choice(self, column: str, options: type[E], default: E) -> E:
        value = self.text(column)
        try:
            return options(value) if value else default
        except ValueError:
            names = [option.value for option in options]
            near = difflib.get_close_matches(value.casefold(), [n.casefold() for n in names], 1, 0.5)
            hint = f"; did you mean {names[[n.casefold() for n in names].index(near[0])]}?" if near else ""
            self.problem(f"unknown {column} {value!r}, expected one of {', '.join(names)}{hint}")
            return default

    def path(self, column: str, value: str, check: bool, kinds: Sequence[Kind] = (stat.S_ISREG,)) -> Path:
        """``value`` under the root; what leads out of it is not even looked at. ``kinds``: what may stand there."""
        full = os.path.join(self.root, value)
        if "\0" in value:
            self.problem(f"{column} {value[:80]!r} holds a NUL character")
        elif os.path.isabs(value) or ".." in value.replace("\\", "/").split("/"):
            self.problem(f"{column} {value[:80]!r} must be a path relative to {self.root}, inside it")
        elif check and value and not _exists(full):
            self.problem(f"{column} {value[:80]!r} does not exist under {self.root}")
        elif check and value and not inside(full, self.root):
            self.problem(f"{column} {value[:80]!r} is a link that leads out of {self.root}, and must stay inside it")
        elif check and value and not any(kind(os.stat(full).st_mode) for kind in kinds):
            what = "neither a file nor a folder" if len(kinds) > 1 else "not a file"
            self.problem(f"{column} {value[:80]!r} is {what}")
        else:
            return Path(full)
        return self.root

    def report(self) -> Report:
        inline, path = self.values.get("report", ""), self.values.get("report_path", "")
        if inline and path:
            self.problem("both report and report_path are given")
        if not inline and not path and not self.measures():
            self.problem("neither report nor report_path is given, and no label or mask either")
        if path and not inline:
            before = len(self.problems)
            file = self.path("report_path", path, check=True)
            if len(self.problems) == before:
                inline = self.words(path, file)
        return written_report(inline, self.values.get("language", ""), self.values.get("translation", ""))

    def words(self, name: str, file: Path) -> str:
        """The text of a report's file."""
        try:
            text = _read_text(file).strip()
        except TextError as error:
            self.problem(f"report_path {name[:80]!r}: {error.reason}")
            return ""
        if not text:
            self.problem(f"the report in {name!r} is empty")
        return text

    def measures(self) -> bool:
        """Whether the row has a label or a mask."""
        return any(value and column.startswith(("label:", "mask:")) for column, value in self.values.items())

    def labels(self) -> dict[str, bool | None]:
        labels: dict[str, bool | None] = {}
        for column, value in self.values.items():
            if column.startswith("label:"):
                if value.casefold() not in LABELS:
                    self.problem(f"{column} is {value!r}, expected 1, 0 or empty")
                labels[column.removeprefix("label:")] = LABELS.get(value.casefold())
        return labels

    def mask(self, column: str, check: bool) -> Mask:
        value = self.values[column]
        if value.startswith(BOXES):
            try:
                return Mask(boxes=tuple(_box(text) for text in value.removeprefix(BOXES).split(";")))
            except ValueError:
                self.problem(f"{column} {value[:80]!r}: expected {BOXES}left,top,width,height in pixels; more with ';'")
                return Mask(self.root)  # a stand-in: there is a problem, so no study comes of it
        name, mark, number = value.rpartition("#")
        if not mark or not number.isdigit():
            return Mask(self.path(column, value, check))
        return Mask(self.path(column, name, check), int(number))

    def study(self, check_files: bool) -> Study:
        masks = [column for column, value in self.values.items() if value and column.startswith("mask:")]
        return Study(
            study_id=self.text("study_id"),
            patient_id=self.text("patient_id"),
            modality=self.choice("modality", Modality, Modality.DX),
            image=self.path("image", self.values["image"], check_files, IMAGE) if self.text("image") else self.root,
            report=self.report(),
            split=self.choice("split", Split, Split.TRAIN),
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
    for number, values in enumerate(_rows(path), start=2):
        studies.append(_Row(number, values, Path(root or path.parent), problems).study(check_files))
    first: dict[str, int] = {}
    for number, study in enumerate(studies, start=2):
        if study.study_id and (known := first.setdefault(study.study_id, number)) != number:
            problems.append(f"row {number} (study {study.study_id}): duplicate study_id, first in row {known}")
    problems += [f"row {here + 2}: {describe(studies[here], studies[there])}" for here, there in crossings(studies)]
    if not studies:
        problems.append("no studies: the table has no rows")
    if problems:
        raise ManifestError(path, problems)
    return studies


def write_manifest(studies: Iterable[Study], path: str | Path, root: str | Path | None = None) -> None:
    """Write ``studies`` as CSV or Parquet by suffix, paths relative to ``root`` (default: its folder); atomic."""
    path = Path(path)
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
        rows.append(row)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if path.suffix == ".parquet":
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


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except (OSError, ValueError):
        return False
    return True


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise ManifestError(path, ["no such file"])
    try:
        header, rows = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except UnicodeDecodeError as error:
        raise ManifestError(
            path, [f"not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"]
        ) from error
    except (csv.Error, OSError) as error:
        raise ManifestError(path, [f"cannot be read: {error}"]) from error
    missing = [f"column {c!r} is missing{_suggestion(c, header)}" for c in REQUIRED if c not in header]
    if not {"report", "report_path"} & set(header) and not any(c.startswith(("label:", "mask:")) for c in header):
        missing.append(f"column 'report' or 'report_path' is missing{_suggestion('report', header)}")
    missing += [problem for c in header if (problem := _misspelt(c))]
    missing += [f"column {c!r} appears twice" for c, times in Counter(header).items() if c and times > 1]
    if missing:
        raise ManifestError(path, missing)
    for number, row in enumerate(rows, start=2):
        if len(row) > len(header):
            text = (
                f"row {number}: {len(row)} values for {len(header)} columns; put quotes around text that holds commas"
            )
            raise ManifestError(path, [text])
        yield {column: value.strip() for column, value in zip(header, row, strict=False)}


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    csv.field_size_limit(1 << 24)  # the default, 128 KiB, is short for a report with its addenda
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [row for row in csv.reader(file, strict=True) if row]
    return ([name.strip() for name in lines[0]], lines[1:]) if lines else ([], [])


def _read_parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    from pyarrow import ArrowInvalid, parquet

    try:
        table = parquet.read_table(path)
    except ArrowInvalid as error:
        raise OSError(str(error)) from error
    columns = [["" if v is None or v != v else str(v) for v in column.to_pylist()] for column in table.columns]
    return list(table.column_names), [list(row) for row in zip(*columns, strict=True)]


def _suggestion(column: str, header: Sequence[str]) -> str:
    near = difflib.get_close_matches(column, [name for name in header if name not in KNOWN], 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; found {', '.join(header) or 'none'}"


def _misspelt(column: str) -> str:
    """Of ``lable:nodule``, which would be left out without a word; columns of other names may stand beside ours."""
    kind, colon, finding = column.partition(":")
    near = difflib.get_close_matches(kind.strip().casefold(), ["label", "mask"], 1)
    if not colon or not near or kind == near[0]:
        return ""
    return f"column {column!r} is not known; did you mean '{near[0]}:{finding}'?"
