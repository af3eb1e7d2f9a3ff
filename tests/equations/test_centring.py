"""The running mean and the gradient behind it, by loops: any number of rows a step learns, and one as well as many."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unimedi.model.projection import Projection, RunningMean
from unimedi.pretraining.gradient_centring import GradientCentring

KEEP = 0.9  # the momentum of the means


def batches(*sizes: int) -> list[Tensor]:
    draws = torch.Generator().manual_seed(0)
    return [torch.randn(rows, 3, generator=draws, dtype=torch.float64) + 2.0 for rows in sizes]


def exponential_mean(means: list[Tensor]) -> Tensor:
    """Of the batches so far, the last one first: weights .1, .09, .081, … over their sum; 0 of none."""
    total, weights = torch.zeros(3, dtype=torch.float64), 0.0
    for age, mean in enumerate(reversed(means)):
        total = total + (1 - KEEP) * KEEP**age * mean
        weights += (1 - KEEP) * KEEP**age
    return total / weights if means else total


@pytest.mark.parametrize("sizes", [(4, 5, 3), (1, 1, 1, 1), (2, 1, 6, 1)])
def test_features_lose_the_mean_so_far_and_a_lone_row_that_of_the_batches_before(
    sizes: tuple[int, ...],
) -> None:
    centring, seen = RunningMean(3).double().train(), list[Tensor]()
    for rows in batches(*sizes):
        seen.append(torch.stack([rows[:, d].sum() / len(rows) for d in range(3)]))
        expected = rows - exponential_mean(seen if len(rows) > 1 else seen[:-1])
        torch.testing.assert_close(centring(rows), expected)
    torch.testing.assert_close(centring.eval()(rows), rows - exponential_mean(seen))


@pytest.mark.parametrize("sizes", [(4, 5, 3), (1, 1, 1, 1), (2, 1, 6, 1)])
def test_each_row_loses_the_mean_gradient_of_all_and_of_the_steps_before(
    sizes: tuple[int, ...],
) -> None:
    common, means = GradientCentring(3).double(), list[Tensor]()
    for gradients in batches(*sizes):
        features = torch.zeros_like(gradients, requires_grad=True)
        (common(features * 1.0) * gradients).sum().backward()
        before = exponential_mean(means)
        for i, own in enumerate(gradients):
            rows = [*gradients, before]
            expected = own - sum(rows[1:], start=rows[0]) / len(rows)
            assert features.grad is not None
            torch.testing.assert_close(features.grad[i], expected)
        means.append(gradients.mean(0))


def test_with_many_rows_it_is_the_gradient_behind_a_batch_norm() -> None:
    """Which takes off the mean over n rows; here it is over n + 1."""
    (gradients,) = batches(500)
    features = torch.zeros_like(gradients, requires_grad=True)
    (GradientCentring(3).double()(features * 1.0) * gradients).sum().backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad, gradients - gradients.mean(0), atol=0.01, rtol=0)


def test_a_shift_of_all_rows_is_not_learnt_in_the_long_run() -> None:
    """A gradient that is the same at every step, one row a step: what is left of it is what the first steps did not
    know yet. With the gradient left as it is every step would push."""
    common, push = GradientCentring(3).double(), torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    left = []
    for _ in range(40):
        features = torch.zeros_like(push, requires_grad=True)
        (common(features * 1.0) * push).sum().backward()
        assert features.grad is not None
        left.append(float(features.grad.norm()))
    assert left[0] > 1
    assert max(left[1:]) < 1e-12


def test_one_row_a_step_estimates_what_many_rows_give() -> None:
    """Covariance of inputs and gradients, what moves the weights: 20,000 single rows against all of them at once. A row
    alone gives n/(n + 1) of it, a half, in its direction."""
    draws = torch.Generator().manual_seed(1)
    inputs = torch.randn(20_000, 2, generator=draws, dtype=torch.float64) + 1.0
    mixed = torch.tensor([[1.0, 0.0, 0.5], [0.0, -1.0, 0.5]], dtype=torch.float64)
    gradients = inputs @ mixed + torch.randn(20_000, 3, generator=draws, dtype=torch.float64) + 2.0
    expected = (inputs - inputs.mean(0)).T @ (gradients - gradients.mean(0)) / len(inputs)
    common, total = GradientCentring(3).double(), torch.zeros(2, 3, dtype=torch.float64)
    for row, gradient in zip(inputs, gradients, strict=True):
        total += torch.outer(row, common.without_common(gradient[None])[0])
    torch.testing.assert_close(2 * total / len(inputs), expected, atol=0.05, rtol=0)
    torch.testing.assert_close(expected, mixed, atol=0.05, rtol=0)  # the spread of the inputs is 1


def test_the_first_row_of_all_is_a_direction_and_not_the_rounding_of_nothing() -> None:
    projection = Projection(4, 3, "running_mean", 1).train()
    row = torch.randn(1, 4, generator=torch.Generator().manual_seed(2))
    embedding = projection(row)
    torch.testing.assert_close(embedding, F.normalize(projection.linear(row), dim=-1))
    embedding.sum().backward()
    assert projection.linear.weight.grad is not None
    assert float(projection.linear.weight.grad.norm()) < 1e3
