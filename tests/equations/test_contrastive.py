"""L_vl against its definition in plain loops, at float64 precision of the oracle."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from unimedi.objectives.contrastive import contrastive_loss, matching_accuracy
from unimedi.objectives.sigmoid import sigmoid_loss


def slow_loss(images: list[list[float]], reports: list[list[float]], keys: list[int], scale: float) -> float:
    """For each row: the mean of -log softmax over its right answers; both directions; their mean."""
    n = len(keys)

    def one_way(queries: list[list[float]], answers: list[list[float]]) -> float:
        total = 0.0
        for i in range(n):
            logits = [scale * sum(a * b for a, b in zip(queries[i], answers[j], strict=True)) for j in range(n)]
            log_sum = math.log(sum(math.exp(x) for x in logits))
            right = [j for j in range(n) if keys[j] == keys[i]]
            total += sum(log_sum - logits[j] for j in right) / len(right)
        return total / n

    return (one_way(images, reports) + one_way(reports, images)) / 2


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=7), st.floats(0.5, 30), st.integers(0, 1000))
def test_equals_the_loops(keys: list[int], scale: float, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    images = normalize(torch.randn(len(keys), 5, generator=draws, dtype=torch.float64), dim=-1)
    reports = normalize(torch.randn(len(keys), 5, generator=draws, dtype=torch.float64), dim=-1)
    loss = contrastive_loss(images, reports, torch.tensor(keys), torch.tensor(scale, dtype=torch.float64))
    expected = slow_loss(images.tolist(), reports.tolist(), keys, scale)
    assert float(loss) == pytest.approx(expected, rel=1e-12)


def test_equals_cross_entropy_where_all_reports_differ() -> None:
    images, reports = normalize(torch.randn(6, 4), dim=-1), normalize(torch.randn(6, 4), dim=-1)
    logits = 5 * images @ reports.T
    expected = sum(torch.nn.functional.cross_entropy(x, torch.arange(6)) for x in (logits, logits.T)) / 2
    assert contrastive_loss(images, reports, torch.arange(6), torch.tensor(5.0)) == pytest.approx(float(expected))


def test_untrained_loss_is_the_log_of_the_batch() -> None:
    same = torch.ones(8, 4) / 2
    assert float(contrastive_loss(same, same, torch.arange(8), torch.tensor(14.0))) == pytest.approx(math.log(8))


def test_accuracy_counts_any_right_report() -> None:
    images = torch.eye(3)
    reports = torch.eye(3)[[1, 0, 2]]  # the first two are swapped
    assert matching_accuracy(images, reports, torch.tensor([0, 1, 2])) == pytest.approx(1 / 3)
    assert matching_accuracy(images, reports, torch.tensor([7, 7, 2])) == 1.0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    st.integers(1, 3),
    st.floats(0.5, 30),
    st.floats(-10, 2),
    st.integers(0, 1000),
)
def test_the_sigmoid_loss_equals_the_loops_in_chunks_too(
    keys: list[int], chunks: int, scale: float, bias: float, seed: int
) -> None:
    """One rank's images against the reports of several."""
    draws = torch.Generator().manual_seed(seed)
    images = normalize(torch.randn(len(keys), 5, generator=draws, dtype=torch.float64), dim=-1)
    reports = normalize(torch.randn(chunks * len(keys), 5, generator=draws, dtype=torch.float64), dim=-1)
    all_keys = [*keys, *torch.randint(0, 4, ((chunks - 1) * len(keys),), generator=draws).tolist()]
    total = 0.0
    for image, key in zip(images.tolist(), keys, strict=True):
        for report, other in zip(reports.tolist(), all_keys, strict=True):
            logit = scale * sum(a * b for a, b in zip(image, report, strict=True)) + bias
            total += math.log(1 + math.exp(-logit if key == other else logit))
    numbers = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (scale, bias))
    images.requires_grad_()
    loss = sigmoid_loss(images, reports, (torch.tensor(keys), torch.tensor(all_keys)), *numbers)
    assert float(loss.detach()) == pytest.approx(total / len(keys), rel=1e-9)
    loss.backward()
    assert images.grad is not None
    assert float(images.grad.norm()) > 0


def test_products_of_unit_vectors_stay_in_fp32_under_autocast() -> None:
    images, reports = (normalize(torch.randn(6, 64), dim=-1) for _ in range(2))
    keys, scale = torch.arange(6), torch.tensor(100.0)
    exact = contrastive_loss(images, reports, keys, scale)
    siglip = sigmoid_loss(images, reports, (keys, keys), scale, torch.tensor(-10.0))
    with torch.autocast("cpu", torch.bfloat16):
        assert contrastive_loss(images, reports, keys, scale) == exact
        assert sigmoid_loss(images, reports, (keys, keys), scale, torch.tensor(-10.0)) == siglip
