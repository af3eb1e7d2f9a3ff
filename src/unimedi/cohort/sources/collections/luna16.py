"""LUNA16: 888 chest CTs of LIDC-IDRI in ten subsets, nodules of at least 3 mm as points, no reports."""

from pathlib import Path

from unimedi.cohort.sources.collections.listing import find, rows
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.study import Modality, Split

SUBSETS = 10
VALIDATION, TEST = (7,), (8, 9)  # ours; the subsets are folds of a cross-validation
CANDIDATES = ("candidates_V2.csv", "candidates.csv")  # these list the scans without a nodule too


def luna16(root: Path) -> SourceCohort:
    """``subset0`` to ``subset9`` with ``*.mhd`` and ``*.raw``; ``annotations.csv`` beside them or in ``CSVFILES``."""
    table = find(root, "annotations.csv", "CSVFILES/annotations.csv")
    positive = {row["seriesuid"] for row in rows(table, "seriesuid", "diameter_mm")}
    listed = dict.fromkeys(sorted(positive))
    for candidates in (path for path in (table.parent / name for name in CANDIDATES) if path.is_file()):
        listed |= {row["seriesuid"]: None for row in rows(candidates, "seriesuid")}
    cohort = SourceCohort(root)
    seen = set()
    for subset in range(SUBSETS):
        for image in sorted((root / f"subset{subset}").glob("*.mhd")):
            seen.add(image.stem)
            _add(cohort, image, subset, image.stem in positive)
    for name in listed:
        if name not in seen:
            cohort.skip(name, "no image")
    return cohort


def _add(cohort: SourceCohort, image: Path, subset: int, nodule: bool) -> None:
    name = image.stem
    if not any(image.with_suffix(suffix).is_file() for suffix in (".raw", ".zraw")):
        return cohort.skip(name, "no voxels: the .raw file beside the .mhd is missing")
    split = Split.TEST if subset in TEST else Split.VALIDATION if subset in VALIDATION else Split.TRAIN
    # The patient is not told: the series stands for the patient.
    return cohort.add(name, image, Modality.CT, None, name, name, split=split, labels={"nodule": nodule})
