"""What do few labels bring? ``python examples/few_labels.py MODEL STORE OUT [STUDIES] [STEPS]``.

Fine-tunes the model on STUDIES labelled training studies (default: 100) of each kind of image in a prepared STORE,
beside the same network from random weights, and prints the mean AUROC of both on the test studies, with 95 % intervals
by patient. The classifiers stay in OUT: ``unimedi predict FILES --model OUT/ct --out table.csv``.
"""

import sys
from pathlib import Path

from unimedi.adaptation.fine_tune import fine_tune
from unimedi.adaptation.settings import FineTuneSettings
from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Split
from unimedi.inputs.store import Store
from unimedi.metrics.formatting import with_interval


def main(folder: str, data: str, out: str, studies: str = "100", steps: str = "300") -> None:
    there = [study for study in Store.open(data).studies if study.split is Split.TRAIN and study.labels]
    for kind in ImageKind:
        labelled = sum(study.modality.ndim == kind.ndim for study in there)
        if not labelled:
            continue
        share = min(1.0, int(studies) / labelled)
        settings = FineTuneSettings(kinds=(kind.value,), fractions=(share,), seeds=(0,), steps=int(steps))
        kept = Path(out) / kind.value
        kept.mkdir(parents=True, exist_ok=True)
        found = fine_tune(Path(folder), Path(data), settings, out=kept)
        for mean in found.select(metric="auroc", finding="", minus="").values():
            print(f"{kind.value}, {mean.method or 'this model'}: AUROC {with_interval(mean)}")


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
