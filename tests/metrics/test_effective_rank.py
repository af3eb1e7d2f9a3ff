"""The effective rank counts directions: by the entropy, slowly, and where it is known."""

import math

import numpy as np
import pytest
import torch

from unimedi.metrics import space
from unimedi.metrics.effective_rank import effective_rank


@pytest.mark.parametrize(
    ("rank", "matrix"),
    [(1, torch.ones(5, 4)), (4, torch.eye(4)), (2, torch.tensor([[3.0, 0.0], [0.0, -3.0]])), (1, torch.zeros(3, 2))],
)
def test_directions_are_counted(rank: int, matrix: torch.Tensor) -> None:
    assert float(effective_rank(matrix)) == pytest.approx(rank, rel=1e-3)


def test_it_is_exp_of_the_entropy_of_the_shares() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 4))
    values = [math.sqrt(value) for value in np.linalg.eigvalsh(rows.T @ rows)]
    slow = math.exp(-sum(value / sum(values) * math.log(value / sum(values)) for value in values))
    assert float(effective_rank(torch.from_numpy(rows))) == pytest.approx(slow, abs=1e-9)
    assert space.effective_rank(rows) == pytest.approx(slow, abs=1e-9)


def test_a_collapsed_model_is_one_direction_whatever_its_rounding() -> None:
    draws = torch.Generator().manual_seed(0)
    collapsed = torch.ones(64, 16) + 1e-6 * torch.randn(64, 16, generator=draws)
    assert float(effective_rank(collapsed)) < 1.01
    assert space.effective_rank(collapsed.numpy()) < 1.01


def test_half_precision_is_computed_in_full() -> None:
    matrix = torch.randn(8, 4, generator=torch.Generator().manual_seed(1)).bfloat16()
    assert float(effective_rank(matrix)) == float(effective_rank(matrix.float()))
