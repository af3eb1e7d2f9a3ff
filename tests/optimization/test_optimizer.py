"""What decays and what does not; AdamW is AdamW."""

import pytest
import torch
from torch import nn

from unimedi.optimization.optimizer import adamw, names_of, parameter_groups, set_learning_rate


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.stem = nn.Conv3d(1, 4, 2)
        self.norm = nn.LayerNorm(4)
        self.linear = nn.Linear(4, 4)
        self.positions = nn.Parameter(torch.zeros(3, 4))
        self.temperature = nn.Parameter(torch.tensor(2.0))
        self.frozen = nn.Linear(4, 4)
        self.frozen.requires_grad_(False)
        self.tied = self.linear


def test_only_matrices_and_kernels_decay() -> None:
    module = Small()
    decayed, others = parameter_groups(module, 0.05)
    assert decayed["weight_decay"] == 0.05
    assert others["weight_decay"] == 0.0
    assert names_of(module, decayed["params"]) == ["stem.weight", "linear.weight"]
    assert sorted(names_of(module, others["params"])) == [
        "linear.bias", "norm.bias", "norm.weight", "positions", "stem.bias", "temperature", "words.weight",
    ]  # fmt: skip


def test_one_step_is_the_formula_of_adamw() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(3, 2).double()
    before, bias = linear.weight.detach().clone(), linear.bias.detach().clone()
    optimizer = adamw(linear, 0.1, 0.5, (0.9, 0.99))
    set_learning_rate(optimizer, 0.01)
    linear(torch.ones(1, 3).double()).pow(2).sum().backward()
    optimizer.step()
    for row in range(2):
        for column in range(3):
            gradient = linear.weight.grad[row, column].item()
            # After one step the bias-corrected moments are g and g²: the move is lr · sign(g), less lr · decay · w.
            moved = before[row, column] * (1 - 0.01 * 0.5) - 0.01 * gradient / (abs(gradient) + 1e-8)
            assert linear.weight[row, column].item() == pytest.approx(moved.item(), rel=1e-9)
        gradient = linear.bias.grad[row].item()
        assert linear.bias[row].item() == pytest.approx(bias[row].item() - 0.01 * gradient / (abs(gradient) + 1e-8))


def test_nothing_to_optimise_is_said() -> None:
    with pytest.raises(ValueError, match="nothing to optimise"):
        adamw(nn.Linear(2, 2).requires_grad_(False), 1e-3, 0.0)
