"""Recall, precision and chance against slow loops, with duplicates of reports and ties."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.metrics.recall import (
    chance_of_hit,
    first_right_rank,
    precision_at_k,
    report_groups,
    same_group,
)


def slow_rank(similarity: np.ndarray, right: np.ndarray) -> list[float]:
    ranks = []
    for row, marks in zip(similarity, right, strict=True):
        # A wrong candidate stands in front of a right one that is no better than it.
        order = sorted(range(len(row)), key=lambda j: (-row[j], marks[j]))
        place = next((number for number, j in enumerate(order, 1) if marks[j]), None)
        ranks.append(float("inf") if place is None else float(place))
    return ranks


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(1, 7), st.integers(0, 10_000))
def test_rank_and_precision_equal_a_loop(queries: int, candidates: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    similarity = draws.integers(0, 4, (queries, candidates)).astype(np.float64)  # few values: many ties
    right = same_group(draws.integers(0, 3, queries), draws.integers(0, 3, candidates))
    assert first_right_rank(similarity, right).tolist() == slow_rank(similarity, right)
    for k in range(1, candidates + 1):
        expected = []
        for row, marks in zip(similarity, right, strict=True):
            order = sorted(range(candidates), key=lambda j: (-row[j], marks[j]))[:k]
            expected.append(sum(marks[j] for j in order) / k)
        np.testing.assert_allclose(precision_at_k(similarity, right, k), expected, atol=1e-12)


@settings(max_examples=40)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_chance_equals_counting_every_draw(candidates: int, seed: int) -> None:
    right = np.random.default_rng(seed).random((3, candidates)) < 0.4
    for k in range(1, candidates + 1):
        draws = list(itertools.combinations(range(candidates), k))
        slow = np.mean([any(row[j] for j in draw) for row in right for draw in draws])
        assert chance_of_hit(right, k) == pytest.approx(slow, abs=1e-9)
    assert chance_of_hit(np.eye(400, dtype=bool), 10) == pytest.approx(0.025)
    assert chance_of_hit(np.eye(4, dtype=bool), 10) == 1.0


def test_duplicates_of_a_report_are_one_group() -> None:
    groups = report_groups(["No acute  findings.", "no acute findings", "Nódulo derecho.", "A mass."])
    assert groups.tolist() == [0, 0, 1, 2]


def test_duplicate_counts_as_right_and_collapse_scores_nothing() -> None:
    groups = np.array([0, 0, 1])
    similarity = np.array([[0.1, 0.9, 0.5], [0.9, 0.1, 0.5], [0.2, 0.2, 0.1]])
    assert first_right_rank(similarity, same_group(groups, groups)).tolist() == [1, 1, 3]
    assert (first_right_rank(np.zeros((4, 4)), np.eye(4, dtype=bool)) == 4).all()


def test_nan_names_the_query() -> None:
    similarity = np.zeros((3, 3))
    similarity[2, 1] = np.nan
    with pytest.raises(ValueError, match="query 2"):
        first_right_rank(similarity, np.eye(3, dtype=bool))
