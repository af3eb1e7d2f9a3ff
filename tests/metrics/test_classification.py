"""Every statistic equals scikit-learn's or torchmetrics' function of its name, in every resample."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)
from torchmetrics.functional.classification import binary_calibration_error

from unimedi.metrics.auroc import column_aurocs, macro_auroc
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.classification import (
    BINS,
    at_threshold,
    average_precision,
    best_threshold,
    calibration_error,
    decision_measurements,
)


def tied(studies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with many ties, and labels of both classes."""
    draws = np.random.default_rng(seed)
    present = draws.random(studies) < 0.4
    present[:2] = [True, False]
    return draws.integers(0, 7, studies) / 6.5, present


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10_000))
def test_every_row_of_weights_equals_the_library_on_repeated_studies(studies: int, seed: int) -> None:
    scores, present = tied(studies, seed)
    weights = np.concatenate([np.ones((1, studies)), PatientBootstrap(list(map(str, range(studies))), 5, seed).weights])
    precision, error = average_precision(weights, scores, present), calibration_error(weights, scores, present)
    decided = at_threshold(weights, scores >= 0.5, present)
    for row, times in enumerate(weights.astype(int)):
        score, label = np.repeat(scores, times), np.repeat(present, times)
        called = score >= 0.5
        assert decided["acc"][row] == pytest.approx(accuracy_score(label, called), abs=1e-9)
        expected = binary_calibration_error(torch.from_numpy(score), torch.from_numpy(label).long(), n_bins=BINS)
        assert error[row] == pytest.approx(float(expected), abs=1e-6)  # torchmetrics sums in float32
        assert decided["f1"][row] == pytest.approx(f1_score(label, called, zero_division=np.nan), abs=1e-9, nan_ok=True)
        if 0 < label.sum() < len(label):
            assert precision[row] == pytest.approx(average_precision_score(label, score), abs=1e-9)
            assert decided["balanced_acc"][row] == pytest.approx(balanced_accuracy_score(label, called), abs=1e-9)


@given(
    st.lists(st.tuples(st.sampled_from([0, 0.05, 0.1, 0.26, 0.3, 0.75, 0.9, 1.0]), st.booleans(), st.integers(0, 3)))
)
def test_calibration_error_equals_a_loop_over_bins(rows: list[tuple[float, bool, int]]) -> None:
    probability, present, times = (np.array([row[i] for row in rows]) for i in range(3))
    repeated = [(p, label) for p, label, count in rows for _ in range(count)]
    slow = 0.0
    for low in range(BINS):
        here = [(p, label) for p, label in repeated if min(int(p * BINS), BINS - 1) == low]
        if here:
            gap = sum(p for p, _ in here) / len(here) - sum(label for _, label in here) / len(here)
            slow += len(here) / len(repeated) * abs(float(gap))
    weights = times[None].astype(np.float64)
    (error,) = calibration_error(weights, probability.astype(np.float64), present.astype(bool))
    assert error == pytest.approx(slow if repeated else math.nan, abs=1e-9, nan_ok=True)


@settings(max_examples=25)
@given(st.integers(4, 30), st.integers(0, 10_000))
def test_figures_are_scikit_learns_on_what_is_known(studies: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    labels = {name: draws.choice([0.0, 1.0, np.nan], studies) for name in "abc"} | {"sure": np.arange(studies) % 2.0}
    scores = {name: draws.integers(0, 7, studies) / 6.5 for name in labels}
    bootstrap = PatientBootstrap([f"p{i // 2}" for i in range(studies)], 7, seed)
    figures = decision_measurements(scores, scores, labels, dict.fromkeys(labels, 0.5), bootstrap)
    areas = macro_auroc(scores, labels, bootstrap)
    expected: dict[str, list[float]] = {}
    for name, label in labels.items():
        known = ~np.isnan(label)
        truly, score = label[known] == 1, scores[name][known]
        if not 0 < truly.sum() < truly.size:
            assert f"ap/{name}" not in figures
            continue
        slow = {
            "auroc": roc_auc_score(truly, score),
            "ap": average_precision_score(truly, score),
            "acc": accuracy_score(truly, score >= 0.5),
            "balanced_acc": balanced_accuracy_score(truly, score >= 0.5),
            "prevalence": truly.mean(),
        }
        for metric, value in slow.items():
            figure = areas.by_finding[name] if metric == "auroc" else figures[f"{metric}/{name}"]
            assert (figure.value, figure.n) == (pytest.approx(value, abs=1e-9), truly.size)
            expected.setdefault(metric, []).append(float(value))
    for metric, values in expected.items():
        figure = areas.mean if metric == "auroc" else figures[f"{metric}"]
        assert figure.value == pytest.approx(np.mean(values), abs=1e-9)


def test_one_class_has_no_average_precision_and_no_balanced_accuracy() -> None:
    weights, scores = np.ones((1, 3)), np.array([0.1, 0.9, 0.5])
    assert math.isnan(average_precision(weights, scores, np.zeros(3, bool))[0])
    assert math.isnan(at_threshold(weights, scores > 0.4, np.ones(3, bool))["balanced_acc"][0])


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 25), st.integers(0, 10_000))
def test_no_threshold_has_a_higher_balanced_accuracy(studies: int, seed: int) -> None:
    scores, present = tied(studies, seed)
    best = best_threshold(scores, present)
    assert best in scores
    reached = balanced_accuracy_score(present, scores >= best)
    assert reached == pytest.approx(max(balanced_accuracy_score(present, scores >= t) for t in scores))
    assert math.isnan(best_threshold(scores, np.ones(studies, bool)))


@given(st.integers(2, 40), st.integers(0, 10_000))
def test_column_aurocs_equal_scikit_learn_with_ties(studies: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    scores, present = draws.integers(0, 5, (studies, 6)).astype(np.float64), tied(studies, seed)[1]
    expected = [roc_auc_score(present, column) for column in scores.T]
    np.testing.assert_allclose(column_aurocs(scores, present), expected, atol=1e-9)


def test_figures_leave_out_one_class_and_unknown_labels_and_average_the_rest() -> None:
    labels = {
        "seen": np.array([1.0, 0, 1, 0, np.nan, np.nan]),
        "always": np.ones(6),
        "other": np.array([0.0, 0, 0, 1, 1, 1]),
    }
    scores = {name: np.array([0.9, 0.1, 0.8, 0.3, 0.6, 0.2]) for name in labels}
    bootstrap = PatientBootstrap(list("abcdef"), resamples=30, seed=0)
    figures = decision_measurements(scores, scores, labels, dict.fromkeys(labels, 0.5), bootstrap)
    assert {row.finding for row in figures.values()} == {"", "seen", "other"}
    assert (figures["acc/seen"].value, figures["acc/seen"].n) == (1.0, 4)
    assert figures["f1"].value == pytest.approx((1 + figures["f1/other"].value) / 2)
    assert figures["prevalence/other"].value == 0.5
    assert figures["ap"].low <= figures["ap"].value <= figures["ap"].high
    with pytest.raises(NotComputable, match="both classes"):
        decision_measurements({"always": scores["always"]}, scores, labels, {"always": 0.5}, bootstrap)
