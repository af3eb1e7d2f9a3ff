"""Slice selection on one run, as ``unimedi evaluate`` has it: on the volumes whose focal lesions are masked."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.result import SliceResults, TaskResult
from unimedi.evaluation.slices.figures import Asked, slice_figures
from unimedi.evaluation.slices.lesions import Lesions, connected_lesions
from unimedi.evaluation.slices.modelless import modelless_scores
from unimedi.evaluation.split import EvalSplit
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurement, Measurements, named
from unimedi.representation.table import EmbeddingTable

ASKED = Asked(
    budgets=(1, 2, 4),
    measures=("hit", "slab_hit", "coverage", "depth_error_mm"),
    compared=("hit",),
    by_group=(1,),
    planes=False,
)


def slice_selection(
    split: EvalSplit,
    store: Store,
    untrained: EmbeddingTable,
    grid: tuple[int, int, int],
    options: EvaluationOptions,
) -> TaskResult:
    """``slice_selection/…`` of every selector. ``grid`` is the model's T_3D grid (depth, height, width)."""
    if split.table.slice_scores is None or untrained.slice_scores is None:
        raise NotComputable("the model gives no slice scores")
    rows, lesions = focal_volumes(store, split.indices, options.focal)
    indices = [split.indices[row] for row in rows]
    notes: list[str] = []
    scores = {
        "attentive": split.table.slice_scores[rows].astype(np.float64),
        "untrained": untrained.slice_scores[rows].astype(np.float64),
        **modelless_scores(store, indices, grid, options, notes),
    }
    bootstrap = PatientBootstrap([split.patients[row] for row in rows], options.resamples, options.seed)
    found = Measurements(_record(key, one) for key, one in slice_figures(scores, lesions, bootstrap, ASKED).items())
    return TaskResult(found, notes, slices=SliceResults(rows, lesions.planes(), scores["attentive"]))


def _record(key: str, estimate: Estimate) -> Measurement:
    task, method, *rest = key.split("/")
    minus = rest.pop(0).removeprefix("minus_") if rest[0].startswith("minus_") else ""
    return named(estimate, task=task, method=method, minus=minus, metric=rest[0], finding="/".join(rest[1:]))


def focal_volumes(store: Store, indices: Sequence[int], focal: Sequence[str]) -> tuple[list[int], Lesions]:
    """Which of the volumes have a focal lesion in their mask (their places in ``indices``), and these lesions.

    Of the lesions, ``volume`` is a place among the volumes found. Raises NotComputable where none has one.
    """
    return with_lesions(connected_lesions(store, indices, focal), focal)


def with_lesions(lesions: Lesions, focal: Sequence[str]) -> tuple[list[int], Lesions]:
    """The same of the lesions of all volumes."""
    rows, places = np.unique(lesions.volume, return_inverse=True)
    if rows.size == 0:
        raise NotComputable(f"no volume of this split has a mask of {', '.join(focal)}")
    return rows.tolist(), replace(lesions, volumes=len(rows), volume=places)
