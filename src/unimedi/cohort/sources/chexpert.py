"""CheXpert v1.0 and v1.0-small: frontal images, 14 labels, no reports; uncertain counts as the five-label task says."""

import hashlib
from pathlib import Path

from unimedi.cohort.sources.listing import find, rows, snake
from unimedi.cohort.sources.scan import FolderCohort
from unimedi.cohort.study import Modality, Split

ABOUT = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")
# What an uncertain mention (-1) counts as, where the task of five labels says; unknown for the others.
UNCERTAIN = {
    "atelectasis": True,
    "edema": True,
    "pleural_effusion": True,
    "cardiomegaly": False,
    "consolidation": False,
}
HELD_OUT = 0.025  # share of the training patients that validate: some 5,000 of 191,000 images, as others hold out


def chexpert(root: Path) -> FolderCohort:
    """``train.csv`` and ``valid.csv`` with the images of the folders ``train`` and ``valid``; ``valid`` is the test
    split, as the collection's own test labels were long hidden, and validation patients are drawn from training."""
    root = next((path for path in (root, *sorted(root.glob("CheXpert-v1.0*"))) if (path / "train.csv").is_file()), root)
    cohort = FolderCohort(root)
    for table in ("train", "valid"):
        for row in rows(find(root, f"{table}.csv"), *ABOUT):
            inner = Path(*Path(row["Path"]).parts[1:])  # the table's paths begin with the collection's own folder
            patient = next((part for part in inner.parts if part.startswith("patient")), "")
            if row["Frontal/Lateral"] != "Frontal":
                cohort.skip(str(inner), "not frontal")
            elif not patient or not (root / inner).is_file():
                cohort.skip(str(inner), "no image")
            else:
                split = Split.TEST if table == "valid" else _drawn(patient)
                labels = {snake(name): _known(snake(name), value) for name, value in row.items() if name not in ABOUT}
                cohort.add(str(inner), root / inner, Modality.DX, None, patient_id=patient, split=split, labels=labels)
    return cohort


def _known(name: str, value: str) -> bool | None:
    """Not mentioned counts as absent."""
    return UNCERTAIN.get(name) if value == "-1.0" else value == "1.0"


def _drawn(patient: str) -> Split:
    place = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") / 2**64
    return Split.VALIDATION if place < HELD_OUT else Split.TRAIN
