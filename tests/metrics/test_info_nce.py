"""InfoNCE as a measure is L_vl as it is trained, and ln n where nothing is known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unimedi.errors import InputError
from unimedi.metrics.info_nce import info_nce
from unimedi.objectives.contrastive import contrastive_loss


@given(st.integers(0, 99), st.lists(st.integers(0, 3), min_size=2, max_size=9))
def test_it_is_the_loss_that_is_trained(seed: int, keys: list[int]) -> None:
    draws = torch.Generator().manual_seed(seed)
    images, reports = torch.randn(2, len(keys), 5, generator=draws, dtype=torch.float64)
    scale, same = torch.tensor(3.0, dtype=torch.float64), np.equal.outer(keys, keys)
    trained = contrastive_loss(images, reports, torch.tensor(keys), scale)
    assert info_nce((3 * images @ reports.T).numpy(), same) == pytest.approx(float(trained), rel=1e-6)


def test_where_nothing_is_known_it_is_the_logarithm_of_how_many_there_are() -> None:
    assert info_nce(np.zeros((7, 7)), np.eye(7, dtype=bool)) == pytest.approx(math.log(7))


def test_a_nan_is_no_figure() -> None:
    with pytest.raises(InputError, match="expected finite similarities, got nan for image number 1"):
        info_nce(np.array([[0.0, 1.0], [np.nan, 0.0]]), np.eye(2, dtype=bool))
