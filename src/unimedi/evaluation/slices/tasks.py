"""Slice selection on one run, as ``unimedi evaluate`` has it: on the volumes whose focal lesions are masked."""

import numpy as np

from unimedi.evaluation.slices.baselines import baseline_scores
from unimedi.evaluation.slices.lesions import affected_volumes, connected_lesions
from unimedi.evaluation.slices.measurements import EvalSpec, slice_measurements
from unimedi.evaluation.task import EvaluationOptions, Outcome, View
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurements
from unimedi.representation.table import EmbeddingTable

SPEC = EvalSpec(
    budgets=(1, 2, 4),
    measures=("hit", "slab_hit", "coverage", "depth_error_mm"),
    compared=("hit",),
    by_group=(1,),
    planes=False,
)


def selection_figures(
    view: View,
    store: Store,
    untrained: EmbeddingTable,
    grid: tuple[int, int, int],
    options: EvaluationOptions,
    outcome: Outcome,
) -> Measurements:
    """``slice_selection/…`` of every selector. ``grid`` is the model's T_3D grid (depth, height, width)."""
    if view.table.slice_scores is None or untrained.slice_scores is None:
        raise NotComputable("the model gives no slice scores")
    rows, lesions = affected_volumes(connected_lesions(store, view.indices, options.focal), options.focal)
    indices = [view.indices[row] for row in rows]
    baselines, notes = baseline_scores(store, indices, grid, options.focal, options.seed)
    outcome.notes += notes
    scores = {
        "attentive": view.table.slice_scores[rows].astype(np.float64),
        "untrained": untrained.slice_scores[rows].astype(np.float64),
        **baselines,
    }
    outcome.slab_scores, outcome.lesion_planes = scores["attentive"], lesions.planes()
    outcome.lesion_rows = rows
    bootstrap = PatientBootstrap([view.patients[row] for row in rows], options.resamples, options.seed)
    return slice_measurements(scores, lesions, bootstrap, SPEC)
