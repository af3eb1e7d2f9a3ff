"""v and s_i against the paper's two formulas in loops; top-k with a gap against an exhaustive greedy."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.model.slice_selection import (
    BLIND_SELECTORS,
    planes_within,
    select_slices,
    slab_centres,
    slice_scores,
    token_scores,
)


def test_scores_equal_the_loops() -> None:
    batch, layers, heads, grid = 2, 3, 4, (5, 2, 3)
    attention = torch.rand(batch, layers, heads, 30, dtype=torch.float64)
    scores, tokens = slice_scores(attention, grid), token_scores(attention)
    for b in range(batch):
        v = [
            sum(float(attention[b, layer, h, p]) for layer in range(layers) for h in range(heads)) / (heads * layers)
            for p in range(30)
        ]
        assert tokens[b].tolist() == pytest.approx(v, rel=1e-12)
        for i in range(5):
            assert float(scores[b, i]) == pytest.approx(sum(v[i * 6 + j] for j in range(6)) / 6, rel=1e-12)


def test_pooling_by_the_peak_of_each_head() -> None:
    attention = torch.rand(1, 2, 3, 12, dtype=torch.float64)
    scores = slice_scores(attention, (3, 2, 2), "head_max")[0].tolist()
    for slab in range(3):
        peaks = [
            max(float(attention[0, layer, head, 4 * slab + token]) for token in range(4))
            for layer in range(2)
            for head in range(3)
        ]
        assert scores[slab] == pytest.approx(sum(peaks) / 6, rel=1e-12)


def test_pooling_by_peak_and_by_the_top_tenth() -> None:
    attention = torch.rand(1, 1, 1, 40)
    slabs = attention.reshape(2, 20)
    assert slice_scores(attention, (2, 4, 5), "max")[0].tolist() == slabs.amax(1).tolist()
    top = slice_scores(attention, (2, 4, 5), "top_mean")[0]
    torch.testing.assert_close(top, slabs.sort(dim=1, descending=True).values[:, :2].mean(1))


@pytest.mark.parametrize(("layers", "read"), [(4, 2), (2, 0), (1, 0)])
def test_pooling_of_the_last_layer_but_one(layers: int, read: int) -> None:
    attention = torch.rand(2, layers, 3, 12, dtype=torch.float64)
    scores = slice_scores(attention, (3, 2, 2), "penultimate")
    torch.testing.assert_close(scores, attention[:, read].mean(1).reshape(2, 3, 4).mean(2))


def test_a_grid_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="has 30 tokens, the attention has 20"):
        slice_scores(torch.rand(1, 1, 1, 20), (5, 2, 3))


def slow_selection(scores: list[float], k: int) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < k:
        rest = [i for i in range(len(scores)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: (scores[i], -i)))
    return sorted(chosen)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9), st.data())
def test_selection_takes_the_best_and_of_equal_ones_the_lower(values: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    chosen = select_slices(torch.tensor([values], dtype=torch.float32), k)[0].tolist()
    assert chosen == slow_selection([float(v) for v in values], k)


@pytest.mark.parametrize("k", [0, 5])
def test_more_slices_than_slabs_is_an_error(k: int) -> None:
    with pytest.raises(ValueError, match="between 1 and the 4 slabs"):
        select_slices(torch.zeros(1, 4), k)


@pytest.mark.parametrize("name", sorted(BLIND_SELECTORS))
def test_blind_selectors_give_distinct_slabs_in_order(name: str) -> None:
    for slabs in (4, 8):
        for k in range(1, slabs + 1):
            chosen = BLIND_SELECTORS[name](3, slabs, k, torch.Generator().manual_seed(k))
            assert chosen.shape == (3, k)
            for row in chosen.tolist():
                assert sorted(set(row)) == row
                assert 0 <= min(row) <= max(row) < slabs


def test_planes_stay_in_their_slab() -> None:
    slabs = torch.tensor([[0, 3, 7]])
    assert slab_centres(slabs, 8, 64).tolist() == [[4, 28, 60]]
    for offset in (0.0, 0.5, 0.999):
        planes = planes_within(slabs, 8, 64, torch.full((1, 3), offset))
        assert (planes // 8).tolist() == slabs.tolist()


def test_scoring_each_slice_alone_would_be_degenerate() -> None:
    """Why one softmax must run over all slices' tokens: alone, every slice scores exactly 1/N (docs/paper.md, 3.1)."""
    alone = torch.randn(6, 12, 3, 10).softmax(-1)  # six slices, each with a softmax of its own
    torch.testing.assert_close(token_scores(alone).mean(1), torch.full((6,), 0.1))
