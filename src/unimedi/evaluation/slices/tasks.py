"""Slice selection on one run, as ``unimedi evaluate`` has it: on the volumes whose focal lesions are masked."""

import numpy as np

from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.result import SliceResults, TaskResult
from unimedi.evaluation.slices.baselines import baseline_scores
from unimedi.evaluation.slices.distractors import distractor_measurements
from unimedi.evaluation.slices.lesions import affected_volumes, connected_lesions
from unimedi.evaluation.slices.measurements import EvalSpec, slice_measurements
from unimedi.evaluation.split import EvalSplit
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.representation.table import EmbeddingTable

SPEC = EvalSpec(
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
    """``slice_selection/…`` of every selector; where a store has masks of distractors, what is shown of these.

    ``grid`` is the model's T_3D grid (depth, height, width).
    """
    if split.table.slice_scores is None or untrained.slice_scores is None:
        raise NotComputable("the model gives no slice scores")
    rows, lesions = affected_volumes(connected_lesions(store, split.indices, options.focal), options.focal)
    indices = [split.indices[row] for row in rows]
    baselines, notes = baseline_scores(store, indices, grid, options.focal, options.seed)
    scores = {
        "attentive": split.table.slice_scores[rows].astype(np.float64),
        "untrained": untrained.slice_scores[rows].astype(np.float64),
        **baselines,
    }
    bootstrap = PatientBootstrap([split.patients[row] for row in rows], options.resamples, options.seed)
    found = slice_measurements(scores, lesions, bootstrap, SPEC)
    found |= distractor_measurements(store, indices, scores, lesions, bootstrap)
    return TaskResult(found, notes, slices=SliceResults(rows, lesions.planes(), scores["attentive"]))
