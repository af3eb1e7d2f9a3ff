"""Slice selection on one run: which selectors there are here, on the volumes whose lesions are masked."""

import numpy as np

from unimedi.inputs.store import Store
from unimedi.representation.table import EmbeddingTable
from unimedi.transfer.metrics import Figure, NotComputable, PatientBootstrap
from unimedi.transfer.references import NORMAL_VOLUMES, intensity_scores, prior_scores
from unimedi.transfer.slice_eval import LesionExtent, lesion_extent, slice_figures
from unimedi.transfer.task import EvaluationOptions, Outcome, View, spread


def selection_figures(
    view: View,
    store: Store,
    untrained: EmbeddingTable,
    grid: tuple[int, int, int],
    options: EvaluationOptions,
    outcome: Outcome,
) -> dict[str, Figure]:
    """``slice_selection/…`` of every selector. ``grid`` is the model's T_3D grid (depth, height, width)."""
    if view.table.slice_scores is None or untrained.slice_scores is None:
        raise NotComputable("the model gives no slice scores")
    extent = lesion_extent(store, view.indices, options.focal)
    rows = np.flatnonzero(extent.planes.any(axis=1))
    if rows.size == 0:
        raise NotComputable(f"no volume of this split has a mask of {', '.join(options.focal)}")
    focal = LesionExtent(extent.planes[rows], {name: planes[rows] for name, planes in extent.by_finding.items()})
    scores = {
        "attentive": view.table.slice_scores[rows].astype(np.float64),
        "untrained": untrained.slice_scores[rows].astype(np.float64),
    }
    train = store.select(split="train", ndim=3)
    indices = [view.indices[row] for row in rows]
    if train:
        reference = spread(train, NORMAL_VOLUMES, options.seed)
        scores["intensity"] = intensity_scores(store, reference, indices, grid)
    else:
        outcome.notes.append("slice selection, intensity: no training volume to learn what is usual from")
    try:
        scores["prior"] = _prior(store, grid[0], len(rows), options, outcome)
    except NotComputable as reason:
        outcome.notes.append(f"slice selection, prior: {reason}")
    outcome.slab_scores, outcome.lesion_planes = scores, focal.planes
    outcome.lesion_rows = rows.tolist()
    bootstrap = PatientBootstrap([view.patients[row] for row in rows], options.resamples, options.seed)
    return slice_figures(scores, focal, bootstrap, options.seed)


def _prior(store: Store, slabs: int, volumes: int, options: EvaluationOptions, outcome: Outcome) -> np.ndarray:
    try:
        return prior_scores(store, store.select(split="train", ndim=3), slabs, volumes, options.focal)
    except NotComputable:
        scores = prior_scores(store, store.select(split="validation", ndim=3), slabs, volumes, options.focal)
        outcome.notes.append("slice selection, prior: from the validation split, as no training volume has a mask")
        return scores
