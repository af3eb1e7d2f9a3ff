"""CT-RATE: chest CTs with English reports and 18 labels; of several reconstructions of a scan one is taken."""

import datetime
import re
from pathlib import Path

from unimedi.cohort.cell_values import date_or_none
from unimedi.cohort.sources.collections.listing import find, headed, rows, snake
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.study import Modality, Split

NAME = re.compile(r"((train|valid)_\d+)_[a-z]+_\d+\.nii\.gz")
# Reports, labels, the list of what is no chest, and what DICOM headers said, by the folder of the images.
TABLES = {
    "train": ("train_reports.csv", "train_predicted_labels.csv", "no_chest_train.txt", "train_metadata.csv"),
    "valid": ("validation_reports.csv", "valid_predicted_labels.csv", "no_chest_valid.txt", "validation_metadata.csv"),
}
SECTIONS = {
    "clinical information": "ClinicalInformation_EN",
    "technique": "Technique_EN",
    "findings": "Findings_EN",
    "impression": "Impressions_EN",
}
LABEL = {"1": True, "0": False, "1.0": True, "0.0": False}
HELD_OUT = 0.05  # share of the training patients that validate: 1,000 of 20,000, about as many as the official 1,304


def ct_rate(root: Path) -> SourceCohort:
    """``dataset/train_fixed`` and ``dataset/valid_fixed`` with the tables beside them; ``dataset`` may be the root.

    ``valid`` is the test split, as published figures are of it. Volumes of ``train`` and ``valid`` as they were first
    published are left out: Hounsfield units and geometry of theirs stand in a table only.
    """
    base = root / "dataset" if (root / "dataset").is_dir() else root
    cohort = SourceCohort(root)
    reports = base / "radiology_text_reports"
    parts = [part for part in TABLES if (reports / TABLES[part][0]).is_file()]
    for part in parts or ["train"]:  # one of them is enough; without any, find says what is missing
        _read_part(cohort, base, part, find(reports, TABLES[part][0]))
    cohort.draw_validation(HELD_OUT)
    return cohort


def _read_part(cohort: SourceCohort, base: Path, part: str, reports: Path) -> None:
    _, labels, no_chest, headers = TABLES[part]
    table = rows(find(base / "multi_abnormality_labels", labels), "VolumeName")
    known = {row.pop("VolumeName"): {snake(name): LABEL.get(value) for name, value in row.items()} for row in table}
    other = _names(base / "metadata" / no_chest)
    dates = _dates(base / "metadata" / headers)
    taken: set[str] = set()
    for row in rows(reports, "VolumeName", *SECTIONS.values()):
        name = row["VolumeName"]
        found = NAME.fullmatch(name)
        if not found:
            cohort.skip(name, "a name that is not train_1_a_1.nii.gz or the like")
            continue
        scan = name.rpartition("_")[0]
        image = base / f"{part}_fixed" / found[1] / scan / name
        if reason := _reason(image, base / part / found[1] / scan / name, name in other, scan in taken):
            cohort.skip(name, reason)
            continue
        before = len(cohort.studies)
        split = Split.TEST if part == "valid" else Split.TRAIN
        about, date = known.get(name, {}), dates.get(name)
        cohort.add(name, image, Modality.CT, _text(row), scan, found[1], "en", split, about, date=date)
        taken |= {scan} if len(cohort.studies) > before else set()


def _reason(image: Path, original: Path, other: bool, taken: bool) -> str:
    """Why a volume is none of the cohort; empty where it is."""
    if other:
        return "not a chest CT, by the collection's own list"
    if taken:
        return "another reconstruction of a scan that is taken"
    if original.is_file() and not image.is_file():
        return "only the uncorrected volume, without Hounsfield units"
    return ""


def _text(row: dict[str, str]) -> str:
    """The report with headings; ``Not given.`` is no section."""
    given = {name: row[column] for name, column in SECTIONS.items()}
    return headed({name: text for name, text in given.items() if text.rstrip(".").lower() != "not given"})


def _dates(path: Path) -> dict[str, datetime.date | None]:
    """The day of each volume; none where there is no table."""
    table = rows(path, "VolumeName") if path.is_file() else ()
    return {row["VolumeName"]: date_or_none(row.get("StudyDate", "")) for row in table}


def _names(path: Path) -> set[str]:
    """The names of a list of volumes, one a line, with or without folders; none where there is no list."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {line.strip().rpartition("/")[2] for line in lines if line.strip()}
