"""CheXpert Plus: CheXpert's frontal images with their English reports and, where they were unpacked, 14 labels."""

import json
from pathlib import Path

from unimedi.cohort.sources.collections.chexpert import drawn, study_name
from unimedi.cohort.sources.collections.listing import find, rows, skip_unlisted, snake
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.study import Modality

TABLE = "df_chexpert_plus_240401.csv"
IMAGES = ("PNG/PNG", "PNG", "PNGs")  # the archives hold a folder of their own name
LABELS = ("chexbert_labels/impression_fixed.json", "CheXpert_Labels/impression_fixed.json", "impression_fixed.json")
SECTIONS = ("clinical_history", "history", "comparison", "findings", "impression")
VALUES = {1.0: True, 0.0: False}  # -1.0 is uncertain, null not mentioned: both unknown


def chexpert_plus(root: Path) -> SourceCohort:
    """The table with the PNG images of ``train`` and ``valid``; the split is ``chexpert``'s, patient by patient.

    Raises:
        SourceError: the table or the images are missing, or the labels are no lines of JSON.
    """
    cohort, listed = SourceCohort(root), set[Path]()
    table = find(root, TABLE)
    images = find(root, *(f"{place}/train" for place in IMAGES), "train").parent
    labels = _labels(root)
    for row in rows(table, "path_to_image", "frontal_lateral", *(f"section_{name}" for name in SECTIONS)):
        name = row["path_to_image"]
        part, _, inner = name.partition("/")
        image = images / Path(name).with_suffix(".png")  # the table names JPEG files, the collection holds PNG
        listed.add(image)
        if row["frontal_lateral"] != "Frontal":
            cohort.skip(name, "not frontal")
        elif part not in ("train", "valid") or not image.is_file():
            cohort.skip(name, "no image")
        else:
            cohort.add(
                name,
                image,
                Modality.DX,
                _headed(row),
                study_id=study_name(part, inner),
                patient_id=inner.partition("/")[0],
                language="en",
                split=drawn(part, inner),
                labels=labels.get(name),
            )
    for part in ("train", "valid"):
        skip_unlisted(cohort, images / part, listed, ".png")
    return cohort


def _labels(root: Path) -> dict[str, dict[str, bool | None]]:
    """Labels by image, of the impression; none where they were not unpacked."""
    path = next((root / name for name in LABELS if (root / name).is_file()), None)
    found: dict[str, dict[str, bool | None]] = {}
    for number, line in enumerate(path.open(encoding="utf-8") if path else (), start=1):
        try:
            values = json.loads(line)
            name = values.pop("path_to_image")
            found[name] = {snake(label): VALUES.get(value) for label, value in values.items()}
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise SourceError(f"{path}, line {number}: expected an image with its labels, got {line[:80]!r}") from error
    return found


def _headed(row: dict[str, str]) -> str:
    """The sections under headings; empty where neither findings nor an impression was written."""
    if not row["section_findings"] and not row["section_impression"]:
        return ""
    texts = {name: row[f"section_{name}"] for name in SECTIONS}
    return "\n".join(f"{name.replace('_', ' ').upper()}: {text}" for name, text in texts.items() if text)
