"""RAD-ChestCT: chest CTs as NumPy archives with 84 findings by place, no reports."""

from pathlib import Path

from unimedi.cohort.sources.collections.listing import find, first_there, rows, snake
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.study import Modality, Split

TABLE = "img{}_Abnormality_and_Location_Labels.csv"
PARTS = {"train": Split.TRAIN, "valid": Split.VALIDATION, "test": Split.TEST}
SCAN = "NoteAcc_DEID"


def radchestct(root: Path) -> SourceCohort:
    """Three tables with a column ``finding*place`` each, and ``trn00001.npz``, ``val...``, ``tst...`` in the root or in
    ``images``. A finding is present where it is at any place."""
    cohort = SourceCohort(root)
    for part, split in PARTS.items():
        for row in rows(find(root, TABLE.format(part)), SCAN):
            name = row.pop(SCAN)
            image = first_there(root / f"{name}.npz", root / "images" / f"{name}.npz")
            # The patient is not told, and the official split is by patient: the scan stands for the patient.
            cohort.add(name, image, Modality.CT, None, name, name, split=split, labels=_labels(row))
    return cohort


def _labels(row: dict[str, str]) -> dict[str, bool | None]:
    labels: dict[str, bool | None] = {}
    for column, value in row.items():
        finding, star, _ = column.partition("*")
        if star:
            labels[snake(finding)] = bool(labels.get(snake(finding))) or value in ("1", "1.0")
    return labels
