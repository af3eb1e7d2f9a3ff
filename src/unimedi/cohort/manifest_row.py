"""One row of a manifest as a study; what is wrong with it is collected, so that all of a manifest is told at once."""

import datetime
import math
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from unimedi.cohort.cell_values import read_date, read_label, read_language, read_modality, read_split, without_missing
from unimedi.cohort.patient_id import is_shortened_number
from unimedi.cohort.reports.report import written_report
from unimedi.cohort.study import Mask, Modality, Report, Split, Study
from unimedi.errors import InputError
from unimedi.files.listed_path import ListedPaths, PathError
from unimedi.files.markup import plain
from unimedi.files.table_file import Row
from unimedi.files.text_file import TextError

REQUIRED = ("study_id", "patient_id", "modality", "split", "image")
WRITTEN = ("report", "report_path")
OPTIONAL = (*WRITTEN, "language", "translation", "series", "study_date")
MEASURES = ("label:", "mask:")  # how the columns begin of what measures
BOXES = "boxes:"
ModeTest = Callable[[int], bool]  # of the module stat: whether a mode is a file's, or a folder's
IMAGE = (stat.S_ISREG, stat.S_ISDIR)

T = TypeVar("T")


class ManifestRow:
    """One row being read: gives values and collects what is wrong with them. ``read_text`` reads a report's file."""

    def __init__(self, row: Row, paths: ListedPaths, read_text: Callable[[Path], str], problems: list[str]) -> None:
        self.paths, self.read_text, self.problems = paths, read_text, problems
        self.values = {name: without_missing(text) if _may_lack(name) else text for name, text in row.values.items()}
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
        if is_shortened_number(value):
            self.problem(f"{column} {value!r} is a number that a spreadsheet shortened; write it out, as text")
        return value

    def choice(self, column: str, read: Callable[[str], T], default: T) -> T:
        value = self.text(column)
        try:
            return read(value) if value else default
        except ValueError as error:
            self.problem(str(error))
            return default

    def path(self, column: str, value: str, check: bool, allowed: Sequence[ModeTest] = (stat.S_ISREG,)) -> Path:
        """``value`` under the root; what leads out of it is not even looked at. ``allowed``: what may stand there."""
        try:
            found = self.paths.find(value) if check else self.paths.joined(value)
            if not check or any(is_one(found.stat().st_mode) for is_one in allowed):
                return found
            self.problem(
                f"{column} {value[:80]!r} is {'neither a file nor a folder' if len(allowed) > 1 else 'not a file'}"
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
            text = without_missing(self.read_text(file).strip())
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

    def date(self) -> datetime.date | None:
        try:
            return read_date(self.values.get("study_date", ""))
        except ValueError as error:
            self.problem(f"study_date: {error}")
            return None

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
            date=self.date(),
        )


def _box(text: str) -> tuple[float, float, float, float]:
    left, top, width, height = (float(side) for side in text.split(","))
    if not (0 < width < math.inf and 0 < height < math.inf and math.isfinite(left + top)):
        raise InputError(text)
    return left, top, width, height


def _may_lack(column: str) -> bool:
    """Whether ``NA`` in a column means that there is nothing; an id may be called so."""
    return column in OPTIONAL or column.startswith(MEASURES)
