"""The choice between classes against scikit-learn, with studies that are no question and ties that are no answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.multiclass import multiclass_measurements

NAMES = ("normal", "pneumonia", "covid_19")


def world(seed: int, count: int = 40) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    draws = np.random.default_rng(seed)
    own = np.concatenate([[0, 1], draws.integers(0, 3, count - 2)])
    scores = {name: draws.normal(size=count) + (own == number) for number, name in enumerate(NAMES)}
    labels = {name: (own == number) * 1.0 for number, name in enumerate(NAMES)}
    return scores, labels, own


def bootstrap(count: int) -> PatientBootstrap:
    return PatientBootstrap([f"p{i // 2}" for i in range(count)], 30, 0)


@given(st.integers(0, 10_000))
def test_equal_to_scikit_learn(seed: int) -> None:
    scores, labels, own = world(seed)
    figures = multiclass_measurements(scores, labels, bootstrap(40))
    said = np.stack(list(scores.values()), axis=1).argmax(axis=1)
    assert figures["multiclass_accuracy"].value == pytest.approx(accuracy_score(own, said), abs=1e-9)
    there = np.isin(said, own)  # scikit-learn warns of an answer that is never right
    if there.all():
        assert figures["multiclass_balanced_accuracy"].value == pytest.approx(
            balanced_accuracy_score(own, said), abs=1e-9
        )
    for row, weights in enumerate(bootstrap(40).weights.astype(int)):
        truly, called = np.repeat(own, weights), np.repeat(said, weights)
        slow = {"accuracy": accuracy_score(truly, called)}
        if np.isin(called, truly).all():
            slow["balanced_accuracy"] = balanced_accuracy_score(truly, called)
        for name, value in slow.items():
            resampled = figures[f"multiclass_{name}"].resampled
            assert resampled is not None
            assert resampled[row] == pytest.approx(value, abs=1e-9)


def test_several_none_or_unknown_classes_are_no_question_and_a_tie_is_no_answer() -> None:
    labels = {
        "a": np.array([1.0, 0.0, 1.0, 0.0, 1.0, 1.0]),
        "b": np.array([0.0, 1.0, 1.0, 0.0, np.nan, 0.0]),
    }
    scores = {"a": np.array([2.0, 0.0, 9.0, 9.0, 9.0, 1.0]), "b": np.array([1.0, 5.0, 0.0, 0.0, 0.0, 1.0])}
    figures = multiclass_measurements(scores, labels, bootstrap(6))
    assert figures["multiclass_accuracy"].n == 3
    assert figures["multiclass_accuracy"].value == pytest.approx(2 / 3)
    assert figures["multiclass_balanced_accuracy"].value == pytest.approx((1 / 2 + 1) / 2)


def test_one_class_is_no_choice() -> None:
    labels = {"a": np.ones(4), "b": np.zeros(4)}
    with pytest.raises(NotComputable, match="no two of a, b"):
        multiclass_measurements(labels, labels, bootstrap(4))
