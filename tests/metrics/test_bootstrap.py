"""AUROC and the bootstrap against counting pairs and repeating patients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from unimedi.metrics.auroc import auroc, macro_auroc, resampled_auroc
from unimedi.metrics.bootstrap import (
    Estimate,
    PatientBootstrap,
    average_estimates,
    interval,
    mean_estimate,
    paired_difference,
)
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import mean_over_seeds, with_findings


def pair_counting(scores: list[float], present: list[bool]) -> float:
    wins, pairs = 0.0, 0
    for score, label in zip(scores, present, strict=True):
        for other, other_label in zip(scores, present, strict=True):
            if label and not other_label:
                pairs += 1
                wins += 1.0 if score > other else 0.5 if score == other else 0.0
    return wins / pairs if pairs else math.nan


def repeated(values: np.ndarray, weights: np.ndarray) -> list[float]:
    return [value for value, times in zip(values.tolist(), weights.tolist(), strict=True) for _ in range(int(times))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decimals", [1, 12])  # with many ties, and with none
def test_auroc_is_scikit_learns_to_the_last_bit(decimals: int, dtype: type) -> None:
    draws = np.random.default_rng(decimals)
    for studies in (2, 3, 5, 40, 400):
        for _ in range(20):
            present = np.arange(studies) < draws.integers(1, studies)
            scores = np.round(draws.standard_normal(studies) + present, decimals).astype(dtype)
            assert auroc(scores, present) == roc_auc_score(present, scores)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000))
def test_auroc_of_every_resample_equals_counting_pairs(studies: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    scores = draws.integers(0, 4, studies).astype(np.float64)  # few values: many ties
    present = draws.random(studies) < 0.5
    bootstrap = PatientBootstrap([f"p{i // 2}" for i in range(studies)], resamples=8, seed=seed)
    fast = resampled_auroc(bootstrap, scores, present)
    for weights, value in zip(bootstrap.weights, fast, strict=True):
        slow = pair_counting(repeated(scores, weights), [bool(p) for p in repeated(present, weights)])
        assert value == pytest.approx(slow, abs=1e-9, nan_ok=True)
    assert auroc(scores, present) == pytest.approx(
        pair_counting(scores.tolist(), present.tolist()), abs=1e-9, nan_ok=True
    )


def test_point_value_is_scikit_learns() -> None:
    draws = np.random.default_rng(1)
    scores, present = draws.normal(size=200), draws.random(200) < 0.2
    assert auroc(scores, present) == roc_auc_score(present, scores)


def test_a_patient_is_drawn_whole_and_as_often_as_there_are_patients() -> None:
    patients = ["a", "b", "a", "c", "b", "a"]
    weights = PatientBootstrap(patients, resamples=200, seed=3).weights
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] == weights[:, 5]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()


def test_means_equal_a_loop_and_leave_nan_out() -> None:
    values = np.array([1.0, np.nan, 0.0, 1.0])
    bootstrap = PatientBootstrap(["a", "b", "c", "d"], resamples=30, seed=0)
    for weights, mean in zip(bootstrap.weights, bootstrap.means(values), strict=True):
        kept = [v for v in repeated(values, weights) if not math.isnan(v)]
        assert mean == pytest.approx(sum(kept) / len(kept) if kept else math.nan, nan_ok=True)
    figure = mean_estimate(values, bootstrap)
    assert (figure.value, figure.n) == (pytest.approx(2 / 3), 3)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draws, covered = np.random.default_rng(0), 0
    patients = [str(i) for i in range(80)]
    bootstrap = PatientBootstrap(patients, resamples=400, seed=0)
    for _ in range(200):
        figure = mean_estimate((draws.random(80) < 0.3).astype(np.float64), bootstrap)
        covered += figure.low <= 0.3 <= figure.high
    assert 0.88 <= covered / 200 <= 0.99


def test_same_seed_same_resamples() -> None:
    patients = ["a", "b", "c"]
    first, second, other = (PatientBootstrap(patients, 50, seed).weights for seed in (1, 1, 2))
    assert (first == second).all()
    assert not (first == other).all()


def test_macro_leaves_out_findings_of_one_class_and_unknown_labels() -> None:
    bootstrap = PatientBootstrap(list("abcdef"), resamples=20, seed=0)
    labels = {
        "seen": np.array([1.0, 0, 1, 0, np.nan, np.nan]),
        "always": np.ones(6),
        "other": np.array([0.0, 0, 0, 1, 1, 1]),
    }
    scores = {name: np.array([0.9, 0.1, 0.8, 0.3, 0.6, 0.2]) for name in labels}
    result = macro_auroc(scores, labels, bootstrap)
    assert set(result.by_finding) == {"seen", "other"}
    assert result.by_finding["seen"] == Estimate(1.0, 1.0, 1.0, 4)
    assert result.mean.value == pytest.approx((1.0 + result.by_finding["other"].value) / 2)
    with pytest.raises(NotComputable, match="both classes"):
        macro_auroc({"always": scores["always"]}, labels, bootstrap)


def test_difference_is_paired() -> None:
    draws = np.random.default_rng(0)
    labels = {"x": (draws.random(60) < 0.5).astype(np.float64)}
    scores = labels["x"] + draws.normal(size=60)
    bootstrap = PatientBootstrap([str(i) for i in range(60)], 100, 0)
    ours, same = (macro_auroc({"x": scores}, labels, bootstrap) for _ in range(2))
    assert paired_difference(ours.mean, same.mean) == Estimate(0.0, 0.0, 0.0, 60)


def test_a_mean_of_figures_is_that_of_values_and_of_every_resample() -> None:
    draws = np.random.default_rng(0)
    bootstrap = PatientBootstrap([str(i) for i in range(12)], 40, 0)
    rare = np.array([0.9, 0.1] + [np.nan] * 10)  # some resamples hold neither: they have the other figure alone
    columns = [draws.random(12), rare]
    figures = [mean_estimate(column, bootstrap) for column in columns]
    mean = average_estimates(figures)
    assert mean.value == pytest.approx(np.mean([np.nanmean(column) for column in columns]))
    assert (mean.n, average_estimates(figures, n=20).n) == (12, 20)
    assert mean.resampled is not None
    for row, weights in enumerate(bootstrap.weights):
        kept = [[v for v in repeated(column, weights) if not math.isnan(v)] for column in columns]
        assert mean.resampled[row] == pytest.approx(np.mean([np.mean(part) for part in kept if part]))
    assert (mean.low, mean.high) == interval(mean.resampled)
    assert average_estimates([*figures, Estimate(math.nan, resampled=np.full(40, np.nan))]) == mean
    assert math.isnan(average_estimates([*figures, Estimate(0.5)]).low)
    assert math.isnan(average_estimates([]).value)


def test_a_mean_over_seeds_keeps_the_interval_of_every_finding() -> None:
    draws = np.random.default_rng(0)
    labels = {name: (draws.random(60) < 0.5).astype(np.float64) for name in "xy"}
    bootstrap = PatientBootstrap([str(i) for i in range(60)], 100, 0)
    runs = [
        macro_auroc({name: values + draws.normal(size=60) for name, values in labels.items()}, labels, bootstrap)
        for _ in range(3)
    ]
    mean = mean_over_seeds([with_findings("auroc", run.mean, run.by_finding) for run in runs])
    for name in "xy":
        one = mean[f"auroc/{name}"]
        assert one.low < one.value < one.high
        assert one.value == pytest.approx(np.mean([run.by_finding[name].value for run in runs]))
        assert one.resampled == pytest.approx(np.mean([run.by_finding[name].resampled for run in runs], axis=0))
    assert mean["auroc"].value == pytest.approx(np.mean([run.mean.value for run in runs]))


def test_nan_score_is_an_error_that_names_the_study() -> None:
    with pytest.raises(ValueError, match="study number 1"):
        auroc(np.array([0.0, np.nan]), np.array([True, False]))
