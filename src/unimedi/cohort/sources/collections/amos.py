"""AMOS (AMOS22): abdominal CTs and MRs with fifteen organs as one label image, no reports."""

from pathlib import Path

from unimedi.cohort.sources.collections.label_images import add_segmented_ct, listed_file, read_dataset_json
from unimedi.cohort.sources.collections.listing import find
from unimedi.cohort.sources.file_names import stem
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.study import Split

ORGANS = (  # in the order of their values, from 1
    *("spleen", "right_kidney", "left_kidney", "gallbladder", "esophagus", "liver", "stomach", "aorta"),
    *("inferior_vena_cava", "pancreas", "right_adrenal_gland", "left_adrenal_gland", "duodenum", "bladder"),
    "prostate_or_uterus",
)
FIRST_MR = 500  # amos_0500 and above are MRs
PARTS = {"training": Split.TRAIN, "validation": Split.TEST, "test": None}  # whose labels are public


def amos(root: Path) -> SourceCohort:
    """``dataset.json`` with ``imagesTr``, ``labelsTr``, ``imagesVa``, ``labelsVa``; ``amos22`` may stand between.

    The 100 CTs of ``imagesVa`` are the test split; a tenth of the training CTs validate.

    Raises:
        SourceError: no ``dataset.json``, or one of another kind.
    """
    inner = root / "amos22" if (root / "amos22").is_dir() else root
    content = read_dataset_json(find(inner, "dataset.json"), training=list, validation=list)
    cohort = SourceCohort(root)
    for part, split in PARTS.items():
        for entry in content.get(part, []):
            _add(cohort, listed_file(inner, entry), split)
    cohort.draw_validation(0.1)
    return cohort


def _add(cohort: SourceCohort, image: Path, split: Split | None) -> None:
    label = image.parents[1] / image.parent.name.replace("images", "labels") / image.name
    study = stem(image.name)
    number = study.removeprefix("amos_")
    if not number.isdigit():
        return cohort.skip(study, "a name without its number, which tells CT from MR")
    if int(number) >= FIRST_MR:
        return cohort.skip(study, "MR is not read yet")
    if split is None:
        return cohort.skip(study, "no public label: a test image of the challenge")
    return add_segmented_ct(cohort, study, image, label, dict(enumerate(ORGANS, start=1)), split)
