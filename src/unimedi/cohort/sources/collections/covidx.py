"""COVIDx CXR (Kaggle, version 6): COVID-19, pneumonia or neither, by the label files V9A; no reports."""

from pathlib import Path

from unimedi.cohort.sources.collections.listing import find, skip_unlisted
from unimedi.cohort.sources.file_names import PICTURES
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.study import Modality, Split

CLASSES = {"normal": "normal", "pneumonia": "pneumonia", "COVID-19": "covid_19"}
# Sources whose patients go by the names that rsna-pneumonia, ricord and bimcv-covid19 know them by, so that leakage
# between these and COVIDx is found. The others number patients anew.
NAMED = ("rsna", "ricord", "bimcv")


def covidx(root: Path) -> SourceCohort:
    """``train_COVIDx9A.txt`` and ``test_COVIDx9A.txt`` with the folders ``train`` and ``test``; a fifth of the training
    patients validate. A line is: patient, file, class, source.

    Raises:
        SourceError: the label files are the ones of two classes ("COVIDx6", "positive" and "negative").
    """
    cohort = SourceCohort(root)
    for split in ("train", "test"):
        table, listed = find(root, f"{split}_COVIDx9A.txt"), set[Path]()
        for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            if len(words) != 4 or words[2] not in CLASSES:
                raise SourceError(
                    f"{table}, line {number}: expected patient, file, one of {', '.join(CLASSES)}, and a source, got "
                    f"{line[:80]!r}; the three classes are those of the label files V9A"
                )
            patient, file, label, source = words
            image = root / split / Path(file).name
            listed.add(image)
            labels = {name: name == CLASSES[label] for name in CLASSES.values()}
            cohort.add(
                f"{split}/{file}",
                image,
                Modality.DX,
                None,
                patient_id=patient if source in NAMED else f"{source}-{patient}",
                split=Split.TEST if split == "test" else Split.TRAIN,
                labels=labels,
            )
        skip_unlisted(cohort, root / split, listed, *PICTURES)
    cohort.draw_validation(0.2)
    return cohort
