"""BTCV (Beyond the Cranial Vault): abdominal CTs with thirteen organs as one label image, no reports."""

from pathlib import Path

from unimedi.cohort.sources.collections.label_images import add_segmented_ct
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.study import Split

ORGANS = (  # in the order of their values, from 1
    *("spleen", "right_kidney", "left_kidney", "gallbladder", "esophagus", "liver", "stomach", "aorta"),
    *("inferior_vena_cava", "portal_and_splenic_veins", "pancreas", "right_adrenal_gland", "left_adrenal_gland"),
)
CASES = (*range(1, 11), *range(21, 41))  # the thirty that have labels; 11 to 20 do not exist
TEST = range(35, 41)  # the six that published figures are of
VALIDATION = range(31, 35)  # ours


def btcv(root: Path) -> SourceCohort:
    """``Training/img/img0001.nii.gz`` with ``label/label0001.nii.gz``, in the root, ``RawData`` or ``Abdomen/RawData``.

    Raises:
        SourceError: no folder ``Training/img``.
    """
    places = (root, root / "RawData", root / "Abdomen" / "RawData")
    base = next((place for place in places if (place / "Training" / "img").is_dir()), None)
    if base is None:
        raise SourceError(f"{root} has no RawData/Training/img: is it the folder that RawData.zip was unpacked into?")
    cohort = SourceCohort(root)
    for case in CASES:
        image, label = (base / "Training" / part / f"{part}{case:04d}.nii.gz" for part in ("img", "label"))
        split = Split.TEST if case in TEST else Split.VALIDATION if case in VALIDATION else Split.TRAIN
        organs = dict(enumerate(ORGANS, start=1))
        add_segmented_ct(cohort, f"img{case:04d}", image, label, organs, split, name=f"btcv-{case:04d}")
    for image in sorted((base / "Testing" / "img").glob("img*.nii.gz")):
        cohort.skip(image.name.removesuffix(".nii.gz"), "no public label: a test image of the challenge")
    return cohort
