"""Slice selection on one run: which selectors there are here, on the volumes whose lesions are masked."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from unimedi.inputs.store import Store
from unimedi.representation.table import EmbeddingTable
from unimedi.transfer.metrics import Figure, NotComputable, PatientBootstrap
from unimedi.transfer.references import NORMAL_VOLUMES, intensity_scores, prior_scores
from unimedi.transfer.slices.figures import slice_figures
from unimedi.transfer.slices.lesions import connected_lesions
from unimedi.transfer.slices.outcome import LesionExtent, lesion_extent
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
    rows, focal = focal_volumes(store, view.indices, options.focal)
    indices = [view.indices[row] for row in rows]
    scores = {
        "attentive": view.table.slice_scores[rows].astype(np.float64),
        "untrained": untrained.slice_scores[rows].astype(np.float64),
        **modelless_scores(store, indices, grid, options, outcome.notes),
    }
    outcome.slab_scores, outcome.lesion_planes = scores, focal.planes
    outcome.lesion_rows = rows
    bootstrap = PatientBootstrap([view.patients[row] for row in rows], options.resamples, options.seed)
    lesions = connected_lesions(store, indices, options.focal)
    return slice_figures(scores, focal, lesions, bootstrap, options.seed)


def focal_volumes(store: Store, indices: Sequence[int], focal: Sequence[str]) -> tuple[list[int], LesionExtent]:
    """Which of the volumes have a focal lesion in their mask (their places in ``indices``), and where it lies.

    Raises NotComputable where none has.
    """
    extent = lesion_extent(store, indices, focal)
    rows = np.flatnonzero(extent.planes.any(axis=1))
    if rows.size == 0:
        raise NotComputable(f"no volume of this split has a mask of {', '.join(focal)}")
    return rows.tolist(), extent.of(rows)


def modelless_scores(
    store: Store, indices: Sequence[int], grid: tuple[int, int, int], options: EvaluationOptions, notes: list[str]
) -> dict[str, Float[ndarray, "volumes slabs"]]:
    """``intensity`` and ``prior``, which learn from the store without a network; a note where one cannot."""
    scores = {}
    train = store.select(split="train", ndim=3)
    if train:
        reference = spread(train, NORMAL_VOLUMES, options.seed)
        scores["intensity"] = intensity_scores(store, reference, indices, grid)
    else:
        notes.append("slice selection, intensity: no training volume to learn what is usual from")
    try:
        scores["prior"] = _prior(store, grid[0], indices, options, notes)
    except NotComputable as reason:
        notes.append(f"slice selection, prior: {reason}")
    return scores


def _prior(
    store: Store, slabs: int, tested: Sequence[int], options: EvaluationOptions, notes: list[str]
) -> Float[ndarray, "volumes slabs"]:
    known = set(tested)
    for split in ("train", "validation"):
        learnt = [i for i in store.select(split=split, ndim=3) if i not in known]
        try:
            scores = prior_scores(store, learnt, slabs, len(tested), options.focal)
        except NotComputable:
            continue
        if split == "validation":
            notes.append("slice selection, prior: from the validation split, as no training volume has a mask")
        return scores
    raise NotComputable("no training volume has a mask of a focal lesion, and no validation volume that is not tested")
