"""Which reading of the paper's slice scores finds lesions? ``python benchmarks/selection.py RUN --data STORE``.

Every way to score slabs (`unimedi.model.scoring`) with every pooling over a slab's tokens, on a trained model and the
volumes of one split that have the mask of a focal lesion: hit@1 and AUROC within a volume with intervals by patient,
and seconds a volume. ``text`` knows the report of the study and is no fair rival. Choose on validation, not on test.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from unimedi.evaluation.slices.choices import oracle_scores, slabs_by_score, touched_slabs
from unimedi.evaluation.slices.lesions import FOCAL, affected_volumes, connected_lesions
from unimedi.evaluation.slices.measures import aggregate, within_volume_auroc
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, mean_estimate
from unimedi.metrics.checks import NotComputable
from unimedi.model.scoring import SCORERS
from unimedi.model.slice_selection import SLAB_POOLINGS
from unimedi.representation.embedder import Embedder


@torch.inference_mode()
def scores_of(embedder: Embedder, store: Store, indices: list[int], scorer: str) -> np.ndarray:
    """The scores of all slabs of the volumes ``indices``, float64 (volumes, slabs)."""
    rows = []
    for start in range(0, len(indices), embedder.batch_size):
        batch = indices[start : start + embedder.batch_size]
        fine = torch.from_numpy(np.stack([store.pixels(i) for i in batch])).to(embedder.model.device)
        reports = embedder.texts([store.studies[i].report for i in batch]) if scorer == "text" else None
        texts = None if reports is None else torch.from_numpy(reports).to(fine.device)
        rows.append(SCORERS[scorer](embedder.model, fine, texts).double().cpu())
    return torch.cat(rows).numpy()


def compare(embedder: Embedder, store: Store, split: str) -> list[tuple[str, str, Estimate, Estimate, float]]:
    """Rows of (way, pooling, hit@1, AUROC within a volume, seconds a volume)."""
    volumes = store.select(split=split, image_kind="ct")
    try:
        places, lesions = affected_volumes(connected_lesions(store, volumes), FOCAL)
    except NotComputable as reason:
        raise SystemExit(f"{split}: {reason}") from None
    indices, planes = [volumes[place] for place in places], lesions.planes()
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in indices])
    rows = []
    for scorer in SCORERS:
        for pooling in SLAB_POOLINGS if scorer != "text" else ("mean",):
            embedder.model.config.slab_pooling = pooling
            started = time.perf_counter()
            scores = scores_of(embedder, store, indices, scorer)
            seconds = (time.perf_counter() - started) / len(indices)
            slabs = scores.shape[1]
            found = mean_estimate(aggregate(oracle_scores(planes, slabs), slabs_by_score(scores, 1)), bootstrap)
            auroc = mean_estimate(within_volume_auroc(scores, touched_slabs(planes, slabs)), bootstrap)
            rows.append((scorer, pooling, found, auroc, seconds))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder or a pretrained folder")
    parser.add_argument("--data", type=Path, required=True, help="a store made by `unimedi prepare`")
    parser.add_argument("--split", default="validation", choices=("validation", "test"))
    given = parser.parse_args()
    rows = compare(Embedder.from_pretrained(given.run), Store.open(given.data), given.split)
    print(f"{rows[0][2].n} volumes of {given.split}\n\n| scored by | pooling | hit@1 | AUROC | s/volume |")
    print("|---|---|---|---|---|")
    for scorer, pooling, found, auroc, seconds in rows:
        hit, area = (f"{f.value:.3f} ({f.low:.3f} to {f.high:.3f})" for f in (found, auroc))
        print(f"| {scorer} | {pooling} | {hit} | {area} | {seconds:.3f} |")


if __name__ == "__main__":
    main()
