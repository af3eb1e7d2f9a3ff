"""Masks hide exactly their share, and depend on nothing but the generator."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.pretraining.masking import random_mask


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
def test_hides_the_share_in_every_row(n: int, patches: int, ratio: float, seed: int) -> None:
    mask = random_mask(n, patches, ratio, torch.Generator().manual_seed(seed))
    assert mask.sum(1).tolist() == [round(ratio * patches)] * n
    assert torch.equal(mask, random_mask(n, patches, ratio, torch.Generator().manual_seed(seed)))


def test_rows_are_masked_independently() -> None:
    mask = random_mask(50, 64, 0.75, torch.Generator().manual_seed(0))
    assert len({tuple(row.tolist()) for row in mask}) == 50
