"""Augmentation: drawn first, applied after; never a flip; a report keeps whole sentences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.inputs.augment import Augmentation, apply, draw, draw_sentences
from unimedi.inputs.batch_recipe import AugmentationRange


def test_a_shift_moves_the_content_and_repeats_the_edge() -> None:
    stored = np.arange(12, dtype=np.int16).reshape(3, 4)
    moved = apply(stored, Augmentation((1, -1), 1.0, 0.0))
    for row in range(3):
        for column in range(4):
            assert moved[row, column] == stored[max(row - 1, 0), min(column + 1, 3)]


def test_gain_and_offset_keep_the_darkest_value_as_the_origin() -> None:
    stored = np.array([[-1000, 0, 500]], dtype=np.int16)
    assert apply(stored, Augmentation((0, 0), 1.1, 10.0)).tolist() == [[-990, 110, 660]]


def test_nothing_drawn_changes_nothing() -> None:
    stored = np.random.default_rng(0).integers(-1000, 1000, (4, 5, 6)).astype(np.int16)
    assert np.array_equal(apply(stored, Augmentation((0, 0, 0), 1.0, 0.0)), stored)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_left_stays_left(seed: int) -> None:
    """A bright spot on the left of the array is still on the left: no draw mirrors an image."""
    stored = np.zeros((40, 40), dtype=np.int16)
    stored[18:22, 8:12] = 1000
    moved = apply(stored, draw(AugmentationRange(0.2, 0.3, 50.0), stored.shape, np.random.default_rng(seed)))
    assert moved[:, :20].astype(int).sum() > moved[:, 20:].astype(int).sum()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["One.", "Two is here.", "Three!"]), min_size=1, max_size=6), st.integers(0, 99))
def test_sentences_survive_whole(sentences: list[str], seed: int) -> None:
    kept = draw_sentences(" ".join(sentences), 0.5, np.random.default_rng(seed))
    assert kept
    left = list(sentences)
    while kept:
        sentence = next(s for s in left if kept.startswith(s))
        left.remove(sentence)
        kept = kept[len(sentence) :].lstrip()


@pytest.mark.parametrize("report", ["A. B. C.", ""])
def test_keep_one_leaves_the_report(report: str) -> None:
    assert draw_sentences(report, 1.0, np.random.default_rng(0)) == report
