"""The space's measures where the answer is known."""

import numpy as np
import pytest

from unimedi.representation.space import centroid_gap, effective_rank, modality_probe, paired_cosines


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
