"""The public collections by name; each is one file beside this one and knows its layout, labels and official split."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.split import check_splits
from unimedi.errors import nearest


@dataclass(frozen=True, slots=True)
class Collection:
    """``name`` as the command has it; ``source``: module and function that read it; ``about``: a line for people."""

    name: str
    source: str
    about: str


COLLECTIONS = (
    Collection("mimic-cxr-jpg", "mimic_cxr.mimic_cxr_jpg", "MIMIC-CXR-JPG: X-rays with English reports"),
    Collection("mimic-cxr", "mimic_cxr.mimic_cxr", "MIMIC-CXR as DICOM: X-rays with English reports"),
    Collection("chexpert", "chexpert.chexpert", "CheXpert: X-rays with 14 labels"),
    Collection("chexpert-plus", "chexpert.chexpert_plus", "CheXpert Plus: X-rays with English reports and 14 labels"),
    Collection("padchest", "padchest.padchest", "PadChest: X-rays with Spanish reports and labels"),
    Collection("openi", "openi.openi", "OpenI, Indiana University: X-rays with English reports"),
    Collection("rsna-pneumonia", "rsna_pneumonia.rsna_pneumonia", "RSNA Pneumonia: X-rays with boxes"),
    Collection("covidx", "covidx.covidx", "COVIDx: X-rays of COVID-19, pneumonia or neither"),
    Collection("bimcv-covid19", "bimcv.bimcv_covid19", "BIMCV-COVID19: X-rays and CTs with Spanish reports"),
    Collection("bimcv-r", "bimcv.bimcv_r", "BIMCV-R: CTs with Spanish reports, translated"),
    Collection("ct-rate", "ct_rate.ct_rate", "CT-RATE: CTs with English reports and 18 labels"),
    Collection("radchestct", "radchestct.radchestct", "RAD-ChestCT: CTs with 84 labels"),
    Collection("cc-ccii", "cc_ccii.cc_ccii", "CC-CCII: CTs of COVID-19, pneumonia or neither"),
    Collection("ricord", "ricord.ricord", "RICORD 1A, 1B and 1C: CTs and X-rays of COVID-19"),
    Collection("luna16", "luna16.luna16", "LUNA16: CTs with nodules or without"),
    Collection("msd", "msd.msd", "Medical Segmentation Decathlon: CTs with organs and lesions as masks"),
    Collection("btcv", "btcv.btcv", "BTCV: CTs with 13 organs as masks"),
    Collection("amos", "amos.amos", "AMOS: CTs with 15 organs as masks"),
)


def read_collection(name: str, root: Path) -> SourceCohort:
    """Read a public collection.

    Args:
        name: one of ``COLLECTIONS``.
        root: the folder that it was unpacked into.

    Returns:
        The studies, and what was left out.

    Raises:
        SourceError: an unknown name, another layout than the collection's, or no study at all.
        SplitError: a patient stands in two of the collection's own splits.
    """
    known = {collection.name: collection for collection in COLLECTIONS}
    if name not in known:
        raise SourceError(f"unknown collection {name!r}{nearest(name, known)}; known are {', '.join(known)}")
    module, function = known[name].source.split(".")
    reader = import_module(f"{__package__}.{module}")
    cohort: SourceCohort = getattr(reader, function)(root)
    if not cohort.studies:
        raise SourceError(f"no study of {name} under {root}: {cohort.complaint() or 'it lists none'}")
    check_splits(cohort.studies)
    return cohort
