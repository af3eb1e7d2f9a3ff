"""The probe finds what is linear, takes its strength from validation, and draws its subsets with positives in them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from unimedi.adaptation.subset import stratified_subset
from unimedi.evaluation.probes.linear import Features, _logistic, fit_and_score, probe_scores
from unimedi.metrics.auroc import auroc


def world(count: int, seed: int, dim: int = 12) -> Features:
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(count, dim))
    noise = draws.normal(size=count)
    return Features(x, {"linear": (x[:, 0] + 0.3 * noise > 0.5) * 1.0, "nothing": (noise > 0.8) * 1.0})


def areas(count: int, seeds: tuple[int, ...]) -> dict[str, float]:
    """The mean AUROC over the seeds' probes on ``count`` of 200 studies."""
    test = world(300, 2)
    runs = probe_scores(world(200, 0), world(100, 1), test, count, seeds)
    assert len(runs) == (len(seeds) if count < 200 else 1)
    return {
        name: float(np.mean([auroc(run[name], values == 1) for run in runs])) for name, values in test.labels.items()
    }


def test_linear_finding_is_learnt_and_noise_is_not() -> None:
    whole, few = areas(200, (0, 1)), areas(20, (0, 1, 2))
    assert whole["linear"] > 0.95
    assert 0.35 < whole["nothing"] < 0.65
    assert few["linear"] < whole["linear"]


def test_more_features_than_studies_gives_scikit_learns_solution() -> None:
    draws = np.random.default_rng(0)
    x, y = draws.normal(size=(15, 40)), (np.arange(15) % 2) * 1.0
    expected = LogisticRegression(C=0.1, solver="lbfgs", max_iter=5000, tol=1e-10).fit(x, y)
    weights, bias = _logistic(x, y, 0.1)
    np.testing.assert_allclose(weights, expected.coef_[0], atol=1e-4)
    assert bias == pytest.approx(expected.intercept_[0], abs=1e-4)


def test_a_finding_of_one_class_scores_nothing_and_unknown_labels_are_left_out() -> None:
    train = world(60, 0)
    train.labels["never"] = np.zeros(60)  # type: ignore[index]
    train.labels["linear"][:20] = np.nan
    validation, test = world(40, 1), world(30, 2)
    for part, count in ((validation, 40), (test, 30)):
        part.labels["never"] = np.zeros(count)  # type: ignore[index]
    scores = fit_and_score(train, validation, test)
    assert scores["never"] == pytest.approx(np.full(30, np.log(0.5 / 60.5)))
    assert np.isfinite(scores["linear"]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 200), st.integers(0, 1000))
def test_subset_has_its_size_and_keeps_positives(total: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    labels = {name: (draws.random(total) < share) * 1.0 for name, share in (("rare", 0.1), ("common", 0.4))}
    count = max(8, total // 5)
    chosen = stratified_subset(labels, count, seed)
    assert len(chosen) == len(set(chosen.tolist())) == count
    assert (chosen == stratified_subset(labels, count, seed)).all()
    for values in labels.values():
        assert (values[chosen] == 1).sum() >= min(2, (values == 1).sum())


def test_whole_set_is_taken_as_it_is() -> None:
    assert stratified_subset({"x": np.zeros(5)}, 9, 0).tolist() == pytest.approx([0, 1, 2, 3, 4])
