"""The space's measures where the answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import svdvals
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from unimedi.metrics.space import (
    centroid_gap,
    effective_rank,
    linear_cka,
    modality_probe,
    neighbour_agreement,
    paired_cosines,
    silhouettes,
)


def test_probe_tells_two_poles_and_not_one_cloud() -> None:
    draws = np.random.default_rng(0)
    modality, patients = np.repeat([0, 1], 60), np.tile(np.arange(60), 2)
    cloud = draws.normal(size=(120, 8))
    assert 0.3 < modality_probe(cloud, modality, patients).mean() < 0.7
    assert modality_probe(cloud + 8.0 * modality[:, None], modality, patients).mean() == 1.0
    with pytest.raises(ValueError, match="5 patients of each modality, got 2"):
        modality_probe(cloud[:4], np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]))


def test_probe_never_sees_the_patient_it_is_asked_about() -> None:
    # The only signal is which patient it is: within a patient both modalities are the same point.
    draws = np.random.default_rng(1)
    points = np.repeat(draws.normal(size=(40, 30)), 2, axis=0)
    correct = modality_probe(points, np.tile([0, 1], 40), np.repeat(np.arange(40), 2))
    assert correct.mean() == pytest.approx(0.5)


def test_probe_is_scikit_learns_on_folds_of_patients() -> None:
    draws = np.random.default_rng(2)
    modality, patients = np.repeat([0, 1], [50, 30]), draws.integers(0, 25, 80)
    points = draws.normal(size=(80, 6)) + 0.5 * modality[:, None]
    steps = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=200))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    said = cross_val_predict(steps, points, modality, groups=patients, cv=folds)
    assert (modality_probe(points, modality, patients) == (said == modality)).all()


@given(st.integers(2, 7), st.integers(0, 10_000))
def test_cosines_gap_and_rank_equal_the_libraries(studies: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    first, second = (draws.normal(size=(studies, 4)).astype(np.float32) for _ in range(2))
    first[-1] = first[0]  # equal points
    similarity = cosine_similarity(first.astype(np.float64), second.astype(np.float64))
    paired, unpaired = paired_cosines(first, second)
    for i in range(studies):
        assert paired[i] == pytest.approx(similarity[i, i], abs=1e-9)
        assert unpaired[i] == pytest.approx(np.mean(np.delete(similarity[i], i)), abs=1e-9)
    units = [part / np.linalg.norm(part.astype(np.float64), axis=1)[:, None] for part in (first, second)]
    slow = sum((a - b) ** 2 for a, b in zip(*(unit.mean(axis=0) for unit in units), strict=True)) ** 0.5
    assert centroid_gap(first, second) == pytest.approx(slow, abs=1e-9)
    assert effective_rank(second) == pytest.approx(np.exp(entropy(svdvals(second.astype(np.float64)))), abs=1e-9)


def test_gap_and_rank_at_their_ends() -> None:
    east = np.tile([[1.0, 0.0]], (6, 1))
    assert centroid_gap(east, east) == pytest.approx(0)
    assert centroid_gap(east, -east) == pytest.approx(2)
    assert effective_rank(east) == pytest.approx(1)
    assert effective_rank(np.outer(np.arange(6.0), [3.0, 4.0])) == pytest.approx(1)
    assert effective_rank(np.concatenate([np.eye(4), -np.eye(4)])) == pytest.approx(4)


def test_silhouette_equals_the_definition() -> None:
    draws = np.random.default_rng(3)
    points, groups = draws.normal(size=(9, 4)), np.array([0, 0, 0, 1, 1, 1, 2, 2, 7])
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    distance = 1 - unit @ unit.T
    for i, value in enumerate(silhouettes(points, groups)):
        means = {g: np.mean([distance[i, j] for j in range(9) if groups[j] == g and j != i]) for g in {0, 1, 2}}
        if groups[i] == 7:
            assert value == 0  # alone
            continue
        means[7] = distance[i, 8]
        own = means.pop(int(groups[i]))
        other = min(means.values())
        assert value == pytest.approx((other - own) / max(own, other), abs=1e-9)
    with pytest.raises(ValueError, match="at least two groups"):
        silhouettes(points, np.zeros(9, dtype=np.int64))


def test_cka_is_one_for_a_turned_copy_and_equals_the_kernel_formula() -> None:
    draws = np.random.default_rng(4)
    first, second = draws.normal(size=(12, 5)), draws.normal(size=(12, 3))
    turn = np.linalg.qr(draws.normal(size=(5, 5)))[0]
    assert linear_cka(first, 3 * first @ turn + 1.0) == pytest.approx(1)
    assert np.isnan(linear_cka(np.ones((4, 2)), second[:4]))
    centre = np.eye(12) - 1 / 12
    for _ in range(20):
        first, second = draws.normal(size=(12, 5)), draws.normal(size=(12, 3))
        ours, other = (centre @ part @ part.T @ centre for part in (first, second))
        hsic = np.trace(ours @ other) / np.sqrt(np.trace(ours @ ours) * np.trace(other @ other))
        assert linear_cka(first, second) == pytest.approx(float(hsic), abs=1e-9)


@given(st.integers(1, 7), st.integers(0, 10_000))
def test_agreement_equals_a_loop_with_ties_and_excluded(k: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    similarity = draws.choice([0.0, 0.5, 1.0, -np.inf], (4, 7))
    groups, candidates = draws.integers(0, 2, 4), draws.integers(0, 2, 7)
    for row, share in enumerate(neighbour_agreement(similarity, groups, candidates, k)):
        right = [candidates[j] == groups[row] for j in range(7)]
        counted = [j for j in range(7) if similarity[row, j] > -np.inf]
        nearest = sorted(counted, key=lambda j: (-similarity[row, j], right[j]))[:k]
        expected = np.mean([right[j] for j in nearest]) if len(counted) >= k else np.nan
        assert share == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_agreement_counts_the_nearest_and_knows_too_few() -> None:
    similarity = np.array([[0.9, 0.8, 0.1, 0.0], [0.9, 0.9, 0.9, -np.inf], [0.5, -np.inf, -np.inf, -np.inf]])
    share = neighbour_agreement(similarity, np.array([0, 1, 0]), np.array([0, 1, 1, 0]), 2)
    assert share[0] == 0.5
    assert share[1] == 0.5  # of three ties the wrong one stands first
    assert np.isnan(share[2])
