"""The area under the ROC curve: of a score, of columns of scores, in every resample, and the mean over findings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import rankdata

from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, average_estimates, interval
from unimedi.metrics.checks import NotComputable, known_and_positive, refuse_not_finite


def auroc(scores: Float[ndarray, "studies"], present: Bool[ndarray, "studies"]) -> float:
    """Area under the ROC curve, NaN where only one class is there.

    What scikit-learn's ``roc_auc_score`` gives, to the last bit, without its checks: it is called thousands of times.
    Raises InputError on a score that is not finite.
    """
    refuse_not_finite(scores, "scores")
    if not 0 < present.sum() < len(present):
        return math.nan
    order = np.argsort(scores, kind="stable")[::-1]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # the last of each run of equal scores
    hits = np.cumsum(present[order], dtype=np.float64)[ends]
    alarms = 1.0 + ends - hits
    if len(ends) > 2:  # a point on the line between its neighbours adds nothing
        corner = np.concatenate([[True], (np.diff(alarms, 2) != 0) | (np.diff(hits, 2) != 0), [True]])
        hits, alarms = hits[corner], alarms[corner]
    hits, alarms = (np.concatenate([[0.0], counts]) for counts in (hits, alarms))
    return float(np.trapezoid(hits / hits[-1], alarms / alarms[-1]))


def resampled_auroc(
    bootstrap: PatientBootstrap, scores: Float[ndarray, "studies"], present: Bool[ndarray, "studies"]
) -> Float[ndarray, "resamples"]:
    """The weighted area under the ROC curve in every resample; NaN in those that drew one class only.

    Raises InputError on a score that is not finite.
    """
    refuse_not_finite(scores, "scores")
    order = np.argsort(scores, kind="stable")
    weights, label = bootstrap.weights[:, order], present[order]
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # the first of each run of equal scores
    positive, negative = weights * label, weights * ~label
    if len(starts) < len(label):
        positive, negative = (np.add.reduceat(counts, starts, axis=1) for counts in (positive, negative))
    below = np.cumsum(negative, axis=1)  # wins, and half of the ties
    negative /= 2
    below -= negative
    below *= positive
    with np.errstate(invalid="ignore"):
        return np.asarray(below.sum(axis=1) / (positive.sum(axis=1) * (2 * negative.sum(axis=1))))


def column_aurocs(
    scores: Float[ndarray, "studies columns"], present: Bool[ndarray, "studies"]
) -> Float[ndarray, "columns"]:
    """Area under the ROC curve of every column by mean ranks (Mann and Whitney), ties counted half.

    NaN where there is one class only. Raises InputError on a score that is not finite.
    """
    refuse_not_finite(scores, "scores")
    positives = int(present.sum())
    ranks = rankdata(scores, axis=0)[present].sum(axis=0)
    return np.asarray((ranks - positives * (positives + 1) / 2) / (positives * (present.size - positives) or np.nan))


@dataclass(frozen=True, slots=True)
class MacroAuroc:
    """AUROC of every finding that has both classes, and their unweighted mean."""

    mean: Estimate
    by_finding: dict[str, Estimate]


def macro_auroc(
    scores: Mapping[str, Float[ndarray, "studies"]],
    labels: Mapping[str, Float[ndarray, "studies"]],
    bootstrap: PatientBootstrap,
) -> MacroAuroc:
    """AUROC of each finding, and the unweighted mean over them.

    Args:
        scores: a score a study for each finding, the higher the likelier.
        labels: 1, 0 or NaN (unknown: the study is left out of that finding), for each finding of ``scores``.
        bootstrap: resamples of the patients of these studies.

    Returns:
        The findings of which the known studies have both classes; the others are left out.

    Raises:
        NotComputable: no finding has both classes.
        InputError: a score is not finite, or a label is neither 1, 0 nor NaN.
    """
    by_finding = {}
    for finding, score in scores.items():
        known, positive = known_and_positive(labels[finding], finding)
        present = positive[known]
        if not 0 < present.sum() < present.size:
            continue
        value = auroc(score[known], present)
        resampled = resampled_auroc(bootstrap.of(known), score[known], present)
        by_finding[finding] = Estimate(value, *interval(resampled), n=int(known.sum()), resampled=resampled)
    if not by_finding:
        raise NotComputable("no finding has both classes in this split")
    return MacroAuroc(average_estimates([*by_finding.values()], bootstrap.weights.shape[1]), by_finding)
