"""The space's measures where the answer is known."""

import numpy as np
import pytest

from unimedi.representation.space import (
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


def test_paired_and_unpaired_cosines_equal_a_loop() -> None:
    draws = np.random.default_rng(2)
    first, second = draws.normal(size=(5, 4)), draws.normal(size=(5, 4))

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    paired, unpaired = paired_cosines(first, second)
    for i in range(5):
        assert paired[i] == pytest.approx(cosine(first[i], second[i]))
        assert unpaired[i] == pytest.approx(np.mean([cosine(first[i], second[j]) for j in range(5) if j != i]))


def test_gap_and_rank_at_their_ends() -> None:
    east = np.tile([[1.0, 0.0]], (6, 1))
    assert centroid_gap(east, east) == pytest.approx(0)
    assert centroid_gap(east, -east) == pytest.approx(2)
    assert effective_rank(east) == 0
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
    centre = np.eye(12) - 1 / 12
    ours, other = (centre @ part @ part.T @ centre for part in (first, second))
    hsic = np.trace(ours @ other) / np.sqrt(np.trace(ours @ ours) * np.trace(other @ other))
    assert linear_cka(first, second) == pytest.approx(float(hsic), abs=1e-9)
    assert np.isnan(linear_cka(np.ones((4, 2)), second[:4]))


def test_agreement_counts_the_nearest_and_knows_too_few() -> None:
    similarity = np.array([[0.9, 0.8, 0.1, 0.0], [0.9, 0.9, 0.9, -np.inf], [0.5, -np.inf, -np.inf, -np.inf]])
    share = neighbour_agreement(similarity, np.array([0, 1, 0]), np.array([0, 1, 1, 0]), 2)
    assert share[0] == 0.5
    assert share[1] == 0.5  # of three ties the wrong one stands first
    assert np.isnan(share[2])
