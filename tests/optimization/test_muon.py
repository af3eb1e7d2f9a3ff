"""Muon in the weights' precision: against torch's own, against an SVD, and batched as one by one."""

import pytest
import torch
from torch import nn

from unimedi.optimization.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8, 24), (2, 24, 8)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    found = orthogonalised(matrices)
    assert found.shape == matrices.shape
    for one, ours in zip(matrices.double(), found.double(), strict=True):
        left, _, right = torch.linalg.svd(one, full_matrices=False)
        values = (left.T @ ours @ right.T).diagonal()
        assert values.min() > 0.3
        assert values.max() < 1.3
        torch.testing.assert_close(left @ values.diag() @ right, ours, atol=1e-4, rtol=0)  # the same singular vectors


def test_a_batch_is_its_matrices_one_by_one() -> None:
    torch.manual_seed(1)
    matrices = torch.randn(4, 6, 10)
    alone = torch.cat([orthogonalised(one[None]) for one in matrices])
    torch.testing.assert_close(orthogonalised(matrices), alone, atol=1e-6, rtol=0)


def test_a_gradient_of_zeros_moves_nothing() -> None:
    assert not orthogonalised(torch.zeros(2, 4, 6)).any()


def moved(optimizer_class: type[torch.optim.Optimizer], dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """Matrices of three shapes after five steps."""
    torch.manual_seed(2)
    weights = [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in ((8, 8), (8, 24), (24, 8), (8, 8))]
    unused = nn.Parameter(torch.ones(8, 8, dtype=dtype))
    optimizer = optimizer_class([*weights, unused], lr=0.05, weight_decay=0.1, momentum=0.9)  # type: ignore[call-arg]
    for _ in range(5):
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        optimizer.step()
    assert torch.equal(unused, torch.ones(8, 8, dtype=dtype))  # without a gradient: not even decayed
    return [weight.detach() for weight in weights]


def test_it_is_torchs_muon_without_the_cast_to_bf16() -> None:
    for ours, theirs in zip(moved(Muon), moved(torch.optim.Muon), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0)  # five steps of 0.05 with bf16's three digits
        assert (ours - theirs).norm() < 0.02 * theirs.norm()


def test_it_works_in_the_precision_of_the_weights() -> None:
    double = moved(Muon, torch.float64)
    assert all(weight.dtype == torch.float64 for weight in double)
    weight = nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.eye(4)
    optimizer = Muon([weight], lr=0.1)
    optimizer.step()
    assert optimizer.state[weight]["momentum_buffer"].dtype == torch.float32


def test_no_product_is_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[torch.dtype] = set()

    class Watching(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen.update(value.dtype for value in args if isinstance(value, torch.Tensor))
            return function(*args, **(kwargs or {}))

    with Watching():
        moved(Muon)
    assert seen == {torch.float32}
