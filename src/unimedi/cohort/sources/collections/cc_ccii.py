"""CC-CCII: chest CTs as folders of 8-bit pictures, normal, common pneumonia or COVID-19, no reports."""

from pathlib import Path

from unimedi.cohort.sources.collections.listing import find, first_there, rows
from unimedi.cohort.sources.file_names import PICTURES, suffix
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Modality, Split

CLASSES = {"Normal": "normal", "CP": "common_pneumonia", "NCP": "covid_19"}
LISTS = {"train_list.csv": Split.TRAIN, "test_list.csv": Split.TEST}  # of SimCroP
HELD_OUT = 0.1  # share of the training patients that validate


def cc_ccii(root: Path) -> SourceCohort:
    """``unzip_filenames.csv`` with ``NCP/<patient>/<scan>/*.png`` and the like, or ``<scan>.nii.gz`` made of them.

    With SimCroP's ``train_list.csv`` and ``test_list.csv`` in the root theirs is the split, else one by patient.
    """
    lists = {name: root / name for name in LISTS if (root / name).is_file()}
    if len(lists) == 1:
        raise SourceError(f"{root} has {next(iter(lists))} and not the other of {' and '.join(LISTS)}")
    splits = {
        row["img_list"].removesuffix(".nii.gz"): LISTS[n] for n, p in lists.items() for row in rows(p, "img_list")
    }
    cohort = SourceCohort(root)
    for row in rows(find(root, "unzip_filenames.csv"), "label", "patient_id", "scan_id", "n_slice"):
        _add(cohort, row, splits)
    if splits:
        cohort.draw_validation(HELD_OUT)
    else:
        cohort.studies = assign_splits(cohort.studies)
    return cohort


def _add(cohort: SourceCohort, row: dict[str, str], splits: dict[str, Split]) -> None:
    label, patient, scan = row["label"], row["patient_id"], row["scan_id"]
    what = f"{label}/{patient}/{scan}"
    if label not in CLASSES:
        return cohort.skip(what, f"unknown class {label!r}")
    if splits and scan not in splits:
        return cohort.skip(what, "in none of the lists of the split")
    # Some archives unpack into NCP/NCP, and some put all of them under images.
    root, inside = cohort.root, Path(label, patient, scan)
    image = first_there(root / inside, root / label / inside, root / "images" / inside, root / f"{scan}.nii.gz")
    if image.is_dir():
        found = sum(suffix(path.name) in PICTURES for path in image.iterdir())
        if str(found) != row["n_slice"]:
            return cohort.skip(what, "another number of pictures than listed")
    labels = {name: name == CLASSES[label] for name in CLASSES.values()}
    split = splits.get(scan, Split.TRAIN)
    return cohort.add(what, image, Modality.CT, None, scan, patient, split=split, labels=labels)
