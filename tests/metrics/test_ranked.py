"""Precision@k and nDCG@k against loops over the written-out lists, of the whole and of every resample."""

import math

import numpy as np
import pytest

from unimedi.errors import InputError
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.ranked import ndcg_estimate, precision_estimate


def written_out(ranking: list[int], counts: list[int]) -> list[int]:
    return [study for study in ranking for _ in range(counts[study])]


def slow_precision(ranking: list[int], relevant: list[bool], counts: list[int], k: int) -> float:
    return sum(relevant[study] for study in written_out(ranking, counts)[:k]) / k


def slow_ndcg(ranking: list[int], relevant: list[bool], counts: list[int], k: int) -> float:
    gained = sum(
        1 / math.log2(place + 1)
        for place, study in enumerate(written_out(ranking, counts)[:k], start=1)
        if relevant[study]
    )
    there = sum(count for count, right in zip(counts, relevant, strict=True) if right)
    possible = sum(1 / math.log2(place + 1) for place in range(1, min(there, k) + 1))
    return gained / possible if possible else math.nan


@pytest.mark.parametrize(("fast", "slow"), [(precision_estimate, slow_precision), (ndcg_estimate, slow_ndcg)])
def test_values_and_resamples_are_those_of_loops(fast: object, slow: object) -> None:
    draws = np.random.default_rng(0)
    for share, hits, k in ((0.5, 30, 10), (0.1, 30, 5), (0.3, 4, 10), (1.0, 12, 3), (0.3, 0, 5)):
        relevant = draws.random(30) < share
        ranking = draws.permutation(30)[:hits]
        bootstrap = PatientBootstrap([f"p{number // 2}" for number in range(30)], 40, 1)
        found = fast(ranking, relevant, bootstrap, k)  # type: ignore[operator]
        plain = (ranking.tolist(), relevant.tolist())
        assert found.value == pytest.approx(slow(*plain, [1] * 30, k), nan_ok=True)  # type: ignore[operator]
        expected = [slow(*plain, row, k) for row in bootstrap.weights.astype(int).tolist()]  # type: ignore[operator]
        np.testing.assert_allclose(found.resampled, expected)


def test_a_perfect_list_has_one_and_a_study_twice_is_refused() -> None:
    relevant = np.array([True] * 5 + [False] * 20)
    bootstrap = PatientBootstrap([str(number) for number in range(25)], 10)
    perfect = np.arange(25)
    assert ndcg_estimate(perfect, relevant, bootstrap).value == pytest.approx(1)
    assert precision_estimate(perfect, relevant, bootstrap).value == 0.5
    assert ndcg_estimate(perfect[::-1], relevant, bootstrap, 20).value == 0
    with pytest.raises(InputError, match="each study once"):
        ndcg_estimate(np.array([1, 1]), relevant, bootstrap)
