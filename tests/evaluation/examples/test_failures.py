"""The gallery of failures holds what is furthest from the truth: against the slow way of looking through everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from tests.reporting.test_zero_shot import view
from unimedi.evaluation.examples.failures import worst_calls, worst_planes, worst_ranks
from unimedi.evaluation.result import SliceResults, ZeroShotPredictions


def test_worst_calls_are_wrong_confident_and_of_different_studies() -> None:
    seen = view({"mass": [0, 1, 0, np.nan], "nodule": [0, 1, 1, 0]})
    said = {"mass": np.array([0.9, 0.1, 0.2, 0.99]), "nodule": np.array([0.8, 0.7, 0.45, 0.3])}
    verdicts = ZeroShotPredictions(
        "xray", {name: logit(one) for name, one in said.items()}, {"mass": 0.5, "nodule": 0.4}
    )
    # Study 0 is wrong twice (.9, .8); 1 misses the mass; 2 is right on both (.45 is above the threshold); 3: not known.
    assert worst_calls(seen, verdicts, missed=False) == [(0, "mass", pytest.approx(0.9))]
    assert worst_calls(seen, verdicts, missed=True) == [(1, "mass", pytest.approx(0.1))]


def test_worst_calls_of_a_strong_scale_are_told_apart() -> None:
    seen = view({"mass": [0, 0, 1, 0]})
    verdicts = ZeroShotPredictions("xray", {"mass": np.array([50.0, 60.0, 70.0, 55.0])}, {"mass": 0.5})
    assert [row for row, *_ in worst_calls(seen, verdicts, missed=False)] == [1, 3, 0]


@given(st.integers(0, 10_000))
def test_worst_ranks_are_those_of_a_sorted_list(seed: int) -> None:
    draws = np.random.default_rng(seed)
    similarity = draws.permutation(35).reshape(5, 7).astype(float)
    groups = draws.integers(0, 3, 7)
    right = groups[None, :] == draws.integers(0, 3, 5)[:, None]
    slow = []
    for query in range(5):
        order = sorted(range(7), key=lambda answer: -similarity[query, answer])
        ranks = [place + 1 for place, answer in enumerate(order) if right[query, answer]]
        if ranks and ranks[0] > 1:
            slow.append((query, ranks[0], order[0]))
    slow.sort(key=lambda miss: -miss[1])
    # A query without any right answer has no rank to tell of.
    assert worst_ranks(similarity, right) == slow


def test_worst_planes_are_sorted_by_millimetres_and_leave_hits_out() -> None:
    planes = np.zeros((3, 8), dtype=bool)
    planes[0, 7] = planes[1, 2] = planes[2, 5] = True
    scores = np.zeros((3, 4))
    scores[:, 1] = 1  # planes 2 and 3: the middle one is 3
    outcome = SliceResults([0, 1, 2], planes, scores)
    # 4 planes of 1 mm, 1 of 9 mm, 2 of 1 mm.
    assert worst_planes(outcome, [1.0, 9.0, 1.0]) == [(1, 3, 2, 9.0), (0, 3, 7, 4.0), (2, 3, 5, 2.0)]
    planes[1, 3] = True
    assert [place for place, *_ in worst_planes(outcome, [1.0] * 3)] == [0, 2]
