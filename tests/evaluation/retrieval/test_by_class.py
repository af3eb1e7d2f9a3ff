"""Class retrieval draws what it says, and refuses with the counts where it cannot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.errors import InputError
from unimedi.evaluation.retrieval.by_class import (
    NO_FINDING,
    TooFewStudies,
    class_precision,
    class_sample,
    commonest_classes,
    exclusive_classes,
)

LABELS = {
    "a": np.array([1.0, 1, 0, 0, 1, 0, np.nan]),
    "b": np.array([0.0, 1, 1, 0, np.nan, 0, 1]),
    "c": np.array([0.0, 0, 0, 1, 0, 0, 0]),
}


def test_exclusive_is_one_class_with_all_others_known_to_be_absent() -> None:
    assert exclusive_classes(LABELS, ("a", "b", "c")).tolist() == [0, -1, 1, 2, -1, -1, -1]
    assert exclusive_classes(LABELS, ("c", "a")).tolist() == [1, 1, -1, 0, 1, -1, -1]
    assert exclusive_classes(LABELS, (NO_FINDING, "c")).tolist() == [-1, -1, -1, 1, -1, 0, -1]
    with pytest.raises(InputError, match="edema"):
        exclusive_classes(LABELS, ("a", "edema"))


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_a_sample_is_balanced_exclusive_and_reproducible(seed: int, per_class: int) -> None:
    values = np.random.default_rng(seed).random((200, 3)) < 0.3
    labels = {name: values[:, i].astype(np.float64) for i, name in enumerate("abc")}
    sample = class_sample(labels, ("a", "c"), per_class, seed)
    assert np.bincount(sample.numbers).tolist() == [per_class, per_class]
    assert len(set(sample.rows.tolist())) == 2 * per_class
    for row, number in zip(sample.rows, sample.numbers, strict=True):
        assert values[row, 0] == (number == 0)
        assert values[row, 2] == (number == 1)
    assert (class_sample(labels, ("a", "c"), per_class, seed).rows == sample.rows).all()


def test_too_few_is_said_with_the_counts_and_shrinks_only_when_asked() -> None:
    values = np.eye(3)[[0, 0, 0, 0, 1, 1, 1, 2, 2]]
    labels = {name: values[:, i] for i, name in enumerate("abc")}
    with pytest.raises(TooFewStudies, match=r"expected 3 studies of each class.*a 4, b 3, c 2"):
        class_sample(labels, ("a", "b", "c"), 3)
    sample = class_sample(labels, ("a", "b", "c"), 3, least=2)
    assert (sample.name, sample.per_class, len(sample.rows)) == ("3x2", 2, 6)
    with pytest.raises(TooFewStudies, match="expected 3 studies"):
        class_sample(labels, ("a", "b", "c"), 200, least=3)
    assert commonest_classes(labels, 2) == ("a", "b")
    with pytest.raises(TooFewStudies, match="at least 4 labelled findings, got 3"):
        commonest_classes(labels, 4)


@given(st.integers(0, 10_000))
def test_precision_equals_counting_the_nearest(seed: int) -> None:
    draws = np.random.default_rng(seed)
    classes = np.repeat(np.eye(3), 10, axis=0)
    sample = class_sample({name: classes[:, i] for i, name in enumerate("abc")}, ("a", "b", "c"), 10)
    queries, answers = (draws.integers(-1, 2, (30, 4)) * 1.0 for _ in range(2))  # few values: many ties
    for k in (1, 5, 10):
        slow = []
        for i in range(30):
            right = sample.numbers == sample.numbers[i]
            nearest = sorted(range(30), key=lambda j: (-float(queries[i] @ answers[j]), right[j]))[:k]
            slow.append(sum(right[j] for j in nearest) / k)
        np.testing.assert_allclose(class_precision(queries, answers, sample, k), slow, atol=1e-12)
    assert class_precision(classes[sample.rows], classes[sample.rows], sample, 10).mean() == 1.0
