"""PadChest: frontal images with Spanish reports, which are published as stems without accents, and 174 findings."""

from collections import Counter
from pathlib import Path

from unimedi.cohort.cell_values import date_or_none
from unimedi.cohort.sources.collections.listing import find, first_there, python_list, rows, skip_unlisted, snake
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Modality

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
FRONTAL = ("PA", "AP", "AP_horizontal")
LEAST = 50  # images with a finding: with fewer it is no label column


def padchest(root: Path) -> SourceCohort:
    """The table in the root; images in folders named by their zip (``0`` to ``54``), or all in one ``images``."""
    cohort = SourceCohort(root)
    listed = list(rows(find(root, TABLE), "ImageID", "ImageDir", "PatientID", "Projection", "Report", "Labels"))
    found = {row["ImageID"]: _labels(row["Labels"]) for row in listed}
    counts = Counter(label for labels in found.values() for label in labels or ())
    columns = sorted(label for label, count in counts.items() if count >= min(LEAST, len(listed)))
    images: set[Path] = set()
    for row in listed:
        name, labels = row["ImageID"], found[row["ImageID"]]
        image = first_there(root / row["ImageDir"] / name, root / "images" / name)
        images.add(image)
        if row["Projection"] not in FRONTAL:
            cohort.skip(name, f"projection {row['Projection'] or 'not stated'}: not frontal")
        elif not image.is_file():  # an empty cell would be the folder
            cohort.skip(name, "no image")
        elif labels is None or "exclude" in labels:
            cohort.skip(name, "labelled exclude, or labels that are no list")
        else:
            known = {column: column in labels for column in columns if column != "exclude"}
            cohort.add(
                name,
                image,
                Modality.DX,
                row["Report"],
                study_id=name.removesuffix(".png"),
                patient_id=row["PatientID"],
                language="es",
                labels=known,
                date=date_or_none(row.get("StudyDate_DICOM", "")),
            )
    skip_unlisted(cohort, root, images, ".png")
    cohort.studies = assign_splits(cohort.studies)
    return cohort


def _labels(text: str) -> set[str] | None:
    """The findings of an image; none where the cell is empty, None where it is no list."""
    names = python_list(text) if text else []
    return None if names is None else {snake(name) for name in names} - {""}
