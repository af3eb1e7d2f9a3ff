"""MIMIC-CXR (PhysioNet), as JPEG or as DICOM: a row a frontal image, the official split, the last section of a name."""

from pathlib import Path

from unimedi.cohort.cell_values import date_or_none
from unimedi.cohort.reports.report import last_of_each
from unimedi.cohort.sources.collections.listing import find, rows, skip_unlisted, snake
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.study import Modality, Split
from unimedi.files.text_file import TextError, read_text

SPLITS = {"train": Split.TRAIN, "validate": Split.VALIDATION, "test": Split.TEST}
FRONTAL = ("PA", "AP")
VALUES = {"1.0": True, "0.0": False}  # -1.0 is uncertain, empty not mentioned: both unknown
KEYS = ("subject_id", "study_id")


def mimic_cxr_jpg(root: Path) -> SourceCohort:
    """MIMIC-CXR-JPG 2.0.0 or 2.1.0, its CSV files in the root, the reports of MIMIC-CXR unpacked beside the images."""
    return _cohort(root, ".jpg")


def mimic_cxr(root: Path) -> SourceCohort:
    """MIMIC-CXR as DICOM, with the split, metadata and label tables of MIMIC-CXR-JPG copied into the root."""
    return _cohort(root, ".dcm")


def _cohort(root: Path, suffix: str) -> SourceCohort:
    cohort = SourceCohort(root)
    table = rows(find(root, "mimic-cxr-2.0.0-split.csv"), "dicom_id", "split")
    split = {row["dicom_id"]: SPLITS.get(row["split"]) for row in table}
    table = rows(find(root, "mimic-cxr-2.0.0-chexpert.csv"), *KEYS)
    labels = {
        row["study_id"]: {snake(name): VALUES.get(value) for name, value in row.items() if name not in KEYS}
        for row in table
    }
    images = find(root, "files")
    reports = next(path for path in (root / "mimic-cxr-reports" / "files", images) if path.is_dir())
    listed: set[Path] = set()
    for row in rows(find(root, "mimic-cxr-2.0.0-metadata.csv"), "dicom_id", *KEYS, "ViewPosition"):
        subject, study, name = row["subject_id"], row["study_id"], row["dicom_id"]
        about = f"s{study}/{name}"
        folder = Path(f"p{subject[:2]}") / f"p{subject}"
        image, report = images / folder / f"s{study}" / f"{name}{suffix}", reports / folder / f"s{study}.txt"
        listed.add(image)
        if row["ViewPosition"] not in FRONTAL:
            cohort.skip(about, f"view {row['ViewPosition'] or 'not stated'}: not frontal")
        elif (where := split.get(name)) is None:
            cohort.skip(about, "in no split")
        else:
            cohort.add(
                about,
                image,
                Modality.DX,
                _report(report),
                study_id=f"s{study}-{name}",
                patient_id=subject,
                language="en",
                split=where,
                labels=labels.get(study),
                date=date_or_none(row.get("StudyDate", "")),  # shifted, into 2100 to 2200: right within a patient
            )
    skip_unlisted(cohort, images, listed, suffix)
    return cohort


def _report(file: Path) -> str | Path:
    """The last section of each name; the file itself where it is no text, so that its study is left out as such."""
    try:
        return last_of_each(read_text(file))
    except (TextError, OSError):
        return file
