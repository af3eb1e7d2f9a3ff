"""CheXpert v1.0 and v1.0-small: frontal images, 14 labels, no reports; uncertain counts as the five-label task says."""

import hashlib
from pathlib import Path

from unimedi.cohort.sources.collections.listing import find, rows, skip_unlisted, snake
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


def chexpert(root: Path) -> SourceCohort:
    """``train.csv`` and ``valid.csv`` with the images of ``train`` and ``valid``, or of the four batches that v1.0 is
    given out in; ``valid`` is the test split, as the collection's own test labels were long hidden, and validation
    patients are drawn from training.

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
            image = next((path for path in places if inner and path.is_file()), None)
            _add(cohort, part, inner or row["Path"], image, row)
        for folder in folders:
            skip_unlisted(cohort, folder, listed, ".jpg")
    return cohort


def _add(cohort: SourceCohort, part: str, inner: str, image: Path | None, row: dict[str, str]) -> None:
    what = f"{part}/{inner}"
    if row["Frontal/Lateral"] != "Frontal":
        return cohort.skip(what, "not frontal")
    if image is None:
        return cohort.skip(what, "no image")
    labels: dict[str, bool | None] = {}
    for column, value in ((column, value) for column, value in row.items() if column not in ABOUT):
        if value not in (*VALUES, "-1.0"):
            raise SourceError(f"{part}.csv, {inner}: {column} is {value!r}, expected 1.0, 0.0, -1.0 or empty")
        labels[snake(column)] = VALUES[value] if value in VALUES else UNCERTAIN.get(snake(column))
    return cohort.add(
        what,
        image,
        Modality.DX,
        None,
        study_id=study_name(part, inner),
        patient_id=inner.partition("/")[0],
        split=drawn(part, inner),
        labels=labels,
    )


def study_name(part: str, inner: str) -> str:
    """``train_patient00001_study1_view1_frontal``, the same in every layout."""
    return "_".join((part, *Path(inner).with_suffix("").parts))


def drawn(part: str, inner: str) -> Split:
    """The split of a file of ``train`` or ``valid``; its first folder is the patient."""
    if part == "valid":
        return Split.TEST
    digest = hashlib.sha256(inner.partition("/")[0].encode()).digest()
    return Split.VALIDATION if int.from_bytes(digest[:8], "big") / 2**64 < HELD_OUT else Split.TRAIN
