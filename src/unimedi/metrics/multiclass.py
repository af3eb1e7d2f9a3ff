"""Classes of which a study has exactly one: how often the highest score is that of its own class."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, average_estimates, mean_estimate
from unimedi.metrics.checks import NotComputable, known_and_positive, refuse_not_finite

Columns = Mapping[str, Float[ndarray, "studies"]]


def choice_figures(prefix: str, scores: Columns, labels: Columns, bootstrap: PatientBootstrap) -> dict[str, Estimate]:
    """``<prefix>/choice_acc``, the share of studies whose own class scores highest, and ``…/choice_balanced_acc``, the
    mean of that share over the classes.

    ``labels`` are 1, 0 or NaN; studies that have not exactly one of the classes, or of which one is not known, are left
    out. A tie is no answer. Raises NotComputable where fewer than two classes are left, ValueError on a score that is
    not finite and on any other label.
    """
    names = list(scores)
    score = np.stack([scores[name] for name in names], axis=1)
    refuse_not_finite(score, "scores")
    known, there = (
        np.stack(part, axis=1) for part in zip(*(known_and_positive(labels[name], name) for name in names), strict=True)
    )
    kept = known.all(axis=1) & (there.sum(axis=1) == 1)
    own = np.where(kept, there.argmax(axis=1), -1)
    if len({*own[kept].tolist()}) < 2:
        raise NotComputable(f"no two of {', '.join(names)} are ever a study's only class")
    others = np.where(np.arange(len(names)) == own[:, None], -np.inf, score).max(axis=1)
    right = np.where(kept, np.take_along_axis(score, np.maximum(own, 0)[:, None], axis=1)[:, 0] > others, np.nan)
    recalls = [np.where(own == number, right, np.nan) for number in range(len(names)) if (own == number).any()]
    return {
        f"{prefix}/choice_acc": mean_estimate(right, bootstrap),
        f"{prefix}/choice_balanced_acc": average_estimates(
            [mean_estimate(r, bootstrap) for r in recalls], int(kept.sum())
        ),
    }
