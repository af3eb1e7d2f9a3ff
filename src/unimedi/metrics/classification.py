"""Measures of a yes-or-no decision about a finding: average precision, accuracy, F1, calibration error.

Every statistic is written once, for weighted studies and all rows of weights together: a row of ones gives the value,
the rows of :class:`PatientBootstrap` its resamples. Equal to scikit-learn's and torchmetrics' functions of these names.
"""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.metrics import roc_curve

from unimedi.errors import InputError
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, average_estimates, interval
from unimedi.metrics.checks import STUDY_NUMBER, NotComputable, known_and_positive, refuse_not_finite
from unimedi.metrics.measurement import Measurements, with_findings

Weights = Float[ndarray, "rows studies"]
Statistic = Float[ndarray, "rows"]  # NaN in rows where it is not defined (one class only, nothing drawn)

BINS = 10  # of the expected calibration error: equal widths of probability
NO_CHOICE = 0.5  # the threshold where there are no validation studies to choose it on


def average_precision(
    weights: Weights, scores: Float[ndarray, "studies"], present: Bool[ndarray, "studies"]
) -> Statistic:
    """Sum over thresholds of (gain in recall) * precision; studies of equal score pass the threshold together.

    Raises InputError on a score that is not finite.
    """
    refuse_not_finite(scores, "scores")
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # the last of each run of equal scores
    right = np.cumsum(weights[:, order] * present[order], axis=1)[:, ends]
    taken = np.cumsum(weights[:, order], axis=1)[:, ends]
    gain = np.diff(right, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore"):
        precision = np.where(taken > 0, right / np.where(taken > 0, taken, 1.0), 0.0)
        return np.asarray((gain * precision).sum(axis=1) / (weights @ present.astype(np.float64)))


def at_threshold(
    weights: Weights, positive: Bool[ndarray, "studies"], present: Bool[ndarray, "studies"]
) -> dict[str, Statistic]:
    """``acc``, ``balanced_acc`` (mean of sensitivity and specificity) and ``f1`` of a decision."""
    hit, missed, alarm, clear = (
        weights @ (called & truly).astype(np.float64)
        for called, truly in ((positive, present), (~positive, present), (positive, ~present), (~positive, ~present))
    )
    with np.errstate(invalid="ignore"):
        return {
            "acc": (hit + clear) / weights.sum(axis=1),
            "balanced_acc": (hit / (hit + missed) + clear / (alarm + clear)) / 2,
            "f1": 2 * hit / (2 * hit + missed + alarm),
        }


def calibration_error(
    weights: Weights, probability: Float[ndarray, "studies"], present: Bool[ndarray, "studies"]
) -> Statistic:
    """Expected calibration error: mean over studies of |mean probability - share present| of the study's bin.

    Guo et al. 2017, equation 3, for the probability of the finding (not of the more likely answer), 10 equal bins.
    Raises InputError on a probability that is none.
    """
    refuse_not_finite(probability, "probabilities")
    if (outside := (probability < 0) | (probability > 1)).any():
        row = int(outside.argmax())
        raise InputError(f"expected probabilities from 0 to 1, got {probability[row]:g} for {STUDY_NUMBER(row)}")
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    excess = (probability - present)[:, None] * (bins[:, None] == np.arange(BINS))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(weights @ excess).sum(axis=1) / weights.sum(axis=1))


def best_threshold(scores: Float[ndarray, "studies"], present: Bool[ndarray, "studies"]) -> float:
    """The score from which on to say "present" for the highest balanced accuracy (Youden's J), the highest of equals.

    Not the largest F1: of a weak score that calls every study positive. NaN where there is one class only. Raises
    InputError on a score that is not finite.
    """
    refuse_not_finite(scores, "scores")
    if not 0 < present.sum() < present.size:
        return math.nan
    false_alarms, hits, thresholds = roc_curve(present, scores, drop_intermediate=False)
    return float(thresholds[1:][np.argmax((hits - false_alarms)[1:])])  # the first calls nothing positive


def decision_measurements(
    scores: Mapping[str, Float[ndarray, "studies"]],
    probabilities: Mapping[str, Float[ndarray, "studies"]],
    labels: Mapping[str, Float[ndarray, "studies"]],
    thresholds: Mapping[str, float],
    bootstrap: PatientBootstrap,
) -> Measurements:
    """``ap``, ``acc``, ``balanced_acc``, ``f1``, ``ece`` and ``prevalence``: the mean over findings, and of each.

    Args:
        scores: finding → what average precision ranks (log-odds).
        probabilities: finding → what all else is computed from; in the order of the scores, up to ties.
        labels: finding → 1, 0 or NaN (unknown: left out).
        thresholds: finding → the probability from which on it is called present.
        bootstrap: resamples of the patients of these studies.

    Returns:
        Measurements with ``metric`` and ``finding``. Findings of one class are left out. ``prevalence`` is the average
        precision that chance gives.

    Raises:
        NotComputable: no finding has both classes.
        InputError: a score or a threshold is not finite, a probability is outside 0 to 1, a label is no label.
    """
    by_metric: dict[str, dict[str, Estimate]] = {}
    for finding, score in scores.items():
        known, positive = known_and_positive(labels[finding], finding)
        present = positive[known]
        if not 0 < present.sum() < present.size:
            continue
        if not math.isfinite(thresholds[finding]):
            raise InputError(f"{finding}: expected a finite threshold, got {thresholds[finding]}")
        weights = np.concatenate([np.ones((1, present.size)), bootstrap.weights[:, known]])
        probability = probabilities[finding][known]
        for metric, values in _statistics(weights, score[known], probability, present, thresholds[finding]).items():
            resampled = values[1:]
            estimate = Estimate(float(values[0]), *interval(resampled), n=int(present.size), resampled=resampled)
            by_metric.setdefault(metric, {})[finding] = estimate
    if not by_metric:
        raise NotComputable("no finding has both classes in this split")
    studies = bootstrap.weights.shape[1]
    parts = [
        with_findings(metric, average_estimates([*estimates.values()], studies), estimates)
        for metric, estimates in by_metric.items()
    ]
    return Measurements(row for part in parts for row in part.values())


def _statistics(
    weights: Weights,
    score: Float[ndarray, "studies"],
    probability: Float[ndarray, "studies"],
    present: Bool[ndarray, "studies"],
    threshold: float,
) -> dict[str, Statistic]:
    with np.errstate(invalid="ignore"):
        prevalence = weights @ present.astype(np.float64) / weights.sum(axis=1)
    return {
        "ap": average_precision(weights, score, present),
        **at_threshold(weights, probability >= threshold, present),
        "ece": calibration_error(weights, probability, present),
        "prevalence": prevalence,
    }
