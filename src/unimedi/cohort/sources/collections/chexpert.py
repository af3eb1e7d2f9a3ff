"""CheXpert v1.0 and v1.0-small: frontal images with 14 labels; CheXpert Plus: the same images with English reports."""

import hashlib
import json
from pathlib import Path

from unimedi.cohort.sources.collections.listing import find, first_there, headed, rows, skip_unlisted, snake
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.study import Modality, Split

ABOUT = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")
VALUES = {"1.0": True, "0.0": False, "": False}  # not mentioned counts as absent; -1.0 is uncertain
# What an uncertain mention counts as, where the task of five labels says; unknown for the others.
UNCERTAIN = {
    "atelectasis": True,
    "edema": True,
    "pleural_effusion": True,
    "cardiomegaly": False,
    "consolidation": False,
}
HELD_OUT = 0.025  # share of the training patients that validate: some 5,000 of 191,000 images, as others hold out

PLUS_TABLE = "df_chexpert_plus_240401.csv"
PLUS_IMAGES = ("PNG/PNG", "PNG", "PNGs")  # the archives hold a folder of their own name
PLUS_LABELS = (
    "chexbert_labels/impression_fixed.json",
    "CheXpert_Labels/impression_fixed.json",
    "impression_fixed.json",
)
PLUS_VALUES = {1.0: True, 0.0: False}  # -1.0 is uncertain, null not mentioned: both unknown
SECTIONS = ("clinical_history", "history", "comparison", "findings", "impression")


def chexpert(root: Path) -> SourceCohort:
    """``train.csv`` and ``valid.csv`` with the images of ``train`` and ``valid``, or of the four batches that v1.0 is
    given out in; ``valid`` is the test split, as the collection's own test labels were long hidden, and validation
    patients are drawn from training. There are no reports.

    Raises:
        SourceError: a table is missing, or holds a label that is none.
    """
    tables = next(
        (path for path in (root, *sorted(root.glob("CheXpert-v1.0*"))) if (path / "train.csv").is_file()), root
    )
    batches = sorted(root.glob("CheXpert-v1.0 batch * (train *)"))
    cohort, listed = SourceCohort(root), set[Path]()
    for part, folders in (("train", [tables / "train", *batches]), ("valid", [tables / "valid"])):
        for row in rows(find(tables, f"{part}.csv"), *ABOUT):
            inner = row["Path"].partition(f"{part}/")[2]  # behind the collection's own folder and train/ or valid/
            places = [folder / inner for folder in folders]
            listed |= set(places)
            if row["Frontal/Lateral"] != "Frontal":
                cohort.skip(f"{part}/{inner or row['Path']}", "not frontal")
            elif not inner:
                cohort.skip(f"{part}/{row['Path']}", "no image")
            else:
                _add(cohort, part, inner, first_there(*places), None, _labels(part, inner, row))
        for folder in folders:
            skip_unlisted(cohort, folder, listed, ".jpg")
    return cohort


def chexpert_plus(root: Path) -> SourceCohort:
    """The table of CheXpert Plus with the PNG images of ``train`` and ``valid``, and the labels where they were
    unpacked; the split is ``chexpert``'s, patient by patient.

    Raises:
        SourceError: the table or the images are missing, or the labels are no lines of JSON.
    """
    cohort, listed = SourceCohort(root), set[Path]()
    table = find(root, PLUS_TABLE)
    images = find(root, *(f"{place}/train" for place in PLUS_IMAGES), "train").parent
    labels = _plus_labels(root)
    for row in rows(table, "path_to_image", "frontal_lateral", *(f"section_{name}" for name in SECTIONS)):
        name = row["path_to_image"]
        part, _, inner = name.partition("/")
        image = images / Path(name).with_suffix(".png")  # the table names JPEG files, the collection holds PNG
        listed.add(image)
        if row["frontal_lateral"] != "Frontal":
            cohort.skip(name, "not frontal")
        elif part not in ("train", "valid"):
            cohort.skip(name, "no image")
        else:
            report = headed({section: row[f"section_{section}"] for section in SECTIONS})
            _add(cohort, part, inner, image, report, labels.get(name, {}))
    for part in ("train", "valid"):
        skip_unlisted(cohort, images / part, listed, ".png")
    return cohort


def _add(
    cohort: SourceCohort, part: str, inner: str, image: Path, report: str | None, labels: dict[str, bool | None]
) -> None:
    """Add ``part/inner`` (``train/patient00001/study1/view1_frontal.jpg``): its id is the same in every layout."""
    patient = inner.partition("/")[0]
    cohort.add(
        f"{part}/{inner}",
        image,
        Modality.DX,
        report,
        study_id="_".join((part, *Path(inner).with_suffix("").parts)),
        patient_id=patient,
        language="en",
        split=Split.TEST if part == "valid" else drawn_split(patient),
        labels=labels,
    )


def drawn_split(patient: str) -> Split:
    """Whether a patient of ``train`` trains or validates, by a hash of the id."""
    digest = hashlib.sha256(patient.encode()).digest()
    return Split.VALIDATION if int.from_bytes(digest[:8], "big") / 2**64 < HELD_OUT else Split.TRAIN


def _labels(part: str, inner: str, row: dict[str, str]) -> dict[str, bool | None]:
    labels: dict[str, bool | None] = {}
    for column in (column for column in row if column not in ABOUT):
        value, finding = row[column], snake(column)
        if value not in (*VALUES, "-1.0"):
            raise SourceError(f"{part}.csv, {inner}: {column} is {value!r}, expected 1.0, 0.0, -1.0 or empty")
        labels[finding] = VALUES[value] if value in VALUES else UNCERTAIN.get(finding)
    return labels


def _plus_labels(root: Path) -> dict[str, dict[str, bool | None]]:
    """Labels by image, of the impression; none where they were not unpacked."""
    path = next((root / name for name in PLUS_LABELS if (root / name).is_file()), None)
    found: dict[str, dict[str, bool | None]] = {}
    for number, line in enumerate(path.open(encoding="utf-8") if path else (), start=1):
        try:
            values = json.loads(line)
            name = values.pop("path_to_image")
            found[name] = {snake(label): PLUS_VALUES.get(value) for label, value in values.items()}
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise SourceError(f"{path}, line {number}: expected an image with its labels, got {line[:80]!r}") from error
    return found
