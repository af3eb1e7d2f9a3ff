"""Classes of which a study has exactly one: how often the highest score is that of its own class."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from unimedi.metrics.bootstrap import PatientBootstrap, average_estimates, mean_estimate
from unimedi.metrics.checks import NotComputable, only_class, refuse_not_finite
from unimedi.metrics.measurement import Measurements, named

Columns = Mapping[str, Float[ndarray, "studies"]]


def multiclass_measurements(scores: Columns, labels: Columns, bootstrap: PatientBootstrap) -> Measurements:
    """How often a study's own class has the highest score.

    Args:
        scores: class → a score a study. A tie with another class counts as wrong.
        labels: class → 1, 0 or NaN. Studies that do not have exactly one of the classes, or of which one is not known,
            are left out.

    Returns:
        ``multiclass_accuracy``, the share of studies, and ``multiclass_balanced_accuracy``, the mean of that share over
        the classes.

    Raises:
        NotComputable: fewer than two classes are left.
        InputError: a score is not finite, or a label is neither 1, 0 nor NaN.
    """
    names = list(scores)
    score = np.stack([scores[name] for name in names], axis=1)
    refuse_not_finite(score, "scores")
    own, _ = only_class({name: labels[name] for name in names})
    kept = own >= 0
    if len({*own[kept].tolist()}) < 2:
        raise NotComputable(f"no two of {', '.join(names)} are ever a study's only class")
    others = np.where(np.arange(len(names)) == own[:, None], -np.inf, score).max(axis=1)
    right = np.where(kept, np.take_along_axis(score, np.maximum(own, 0)[:, None], axis=1)[:, 0] > others, np.nan)
    recalls = [np.where(own == number, right, np.nan) for number in range(len(names)) if (own == number).any()]
    balanced = average_estimates([mean_estimate(recall, bootstrap) for recall in recalls], int(kept.sum()))
    return Measurements(
        [
            named(mean_estimate(right, bootstrap), metric="multiclass_accuracy"),
            named(balanced, metric="multiclass_balanced_accuracy"),
        ]
    )
