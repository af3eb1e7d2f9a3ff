"""RSNA Pneumonia Detection Challenge, stage 2: an image a patient, pneumonia as boxes, no reports."""

from collections import defaultdict
from pathlib import Path

from unimedi.cohort.sources.collections.listing import find, rows, skip_unlisted
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Mask, Modality

Box = tuple[float, float, float, float]
SIDES = ("x", "y", "width", "height")  # pixels from the upper left


def rsna_pneumonia(root: Path) -> SourceCohort:
    """``stage_2_train_labels.csv`` with ``stage_2_train_images/*.dcm``; its test images have no labels and are left
    out.

    Raises:
        SourceError: a table or the images are missing, or pneumonia without four numbers.
    """
    cohort = SourceCohort(root)
    boxes: dict[str, list[Box]] = defaultdict(list)
    present: dict[str, bool] = {}
    for row in rows(find(root, "stage_2_train_labels.csv"), "patientId", *SIDES, "Target"):
        name = row["patientId"]
        present[name] = present.get(name, False) or row["Target"] == "1"
        if row["Target"] == "1":
            boxes[name].append(_box(row))
    classes = {}
    if (root / "stage_2_detailed_class_info.csv").is_file():
        table = rows(root / "stage_2_detailed_class_info.csv", "patientId", "class")
        classes = {row["patientId"]: row["class"] for row in table}
    images = find(root, "stage_2_train_images")
    for name, target in present.items():
        labels = {"pneumonia": target}
        if name in classes:  # neither pneumonia nor normal is a class of its own there
            labels["normal"] = classes[name] == "Normal"
        masks = {"pneumonia": Mask(boxes=tuple(boxes[name]))} if boxes[name] else {}
        cohort.add(name, images / f"{name}.dcm", Modality.DX, None, name, name, labels=labels, masks=masks)
    skip_unlisted(cohort, images, {images / f"{name}.dcm" for name in present}, ".dcm")
    skip_unlisted(cohort, root / "stage_2_test_images", (), ".dcm")
    cohort.studies = assign_splits(cohort.studies, validation=0.15, test=0.15)
    return cohort


def _box(row: dict[str, str]) -> Box:
    try:
        left, top, width, height = (float(row[side]) for side in SIDES)
    except ValueError:
        got = ", ".join(f"{side} {row[side]!r}" for side in SIDES)
        raise SourceError(
            f"patient {row['patientId']}: Target is 1, expected four numbers in pixels, got {got}"
        ) from None
    return left, top, width, height
