"""The public collections by name; each is one file beside this one and knows its layout, labels and official split."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from unimedi.cohort.sources.scan import FolderCohort, FolderError
from unimedi.cohort.split import check_splits


@dataclass(frozen=True, slots=True)
class Collection:
    """``name`` as the command has it; ``source``: module and function that read it."""

    name: str
    source: str
    about: str


COLLECTIONS = (
    Collection("mimic-cxr-jpg", "mimic_cxr.mimic_cxr_jpg", "MIMIC-CXR-JPG: X-rays with English reports"),
    Collection("mimic-cxr", "mimic_cxr.mimic_cxr", "MIMIC-CXR as DICOM: X-rays with English reports"),
    Collection("chexpert", "chexpert.chexpert", "CheXpert: X-rays with 14 labels"),
    Collection("padchest", "padchest.padchest", "PadChest: X-rays with Spanish reports and labels"),
    Collection("openi", "openi.openi", "OpenI, Indiana University: X-rays with English reports"),
    Collection("rsna-pneumonia", "rsna_pneumonia.rsna_pneumonia", "RSNA Pneumonia: X-rays with boxes"),
    Collection("covidx", "covidx.covidx", "COVIDx: X-rays of COVID-19, pneumonia or neither"),
)


def read_collection(name: str, root: Path) -> FolderCohort:
    """The studies of a collection that was unpacked into ``root``, and what was left out.

    Raises:
        FolderError: an unknown name, another layout than the collection's, or no study at all.
        SplitError: a patient stands in two of the collection's own splits.
    """
    known = {collection.name: collection for collection in COLLECTIONS}
    if name not in known:
        raise FolderError(f"unknown collection {name!r}; known are {', '.join(known)}")
    module, function = known[name].source.split(".")
    read: Callable[[Path], FolderCohort] = getattr(import_module(f"unimedi.cohort.sources.{module}"), function)
    cohort = read(root)
    if not cohort.studies:
        raise FolderError(f"no study of {name} under {root}: {cohort.complaint() or 'it lists none'}")
    check_splits(cohort.studies)
    return cohort
