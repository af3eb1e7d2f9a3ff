"""What decays and what does not; AdamW is AdamW."""

import pytest
import torch
from torch import nn

from unimedi.optimization.optimizer import adamw, muon, names_of, parameter_groups, set_learning_rate


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


def trained(steps: int, optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    for step in range(steps):
        set_learning_rate(optimizer, 0.01)
        torch.manual_seed(step)
        model(torch.randn(5, 4)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


class Stacked(nn.Module):
    """An embedding and two layers in a ModuleList: as an encoder is built."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.layers = nn.Linear(4, 4), nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        rows = self.first(rows)
        for layer in self.layers:
            rows = rows + layer(rows).tanh()
        return rows


def test_muon_takes_the_stacked_matrices_and_adamw_the_rest() -> None:
    model = Stacked()
    optimizer = muon(model, 0.01, 0.1)
    names = [names_of(model, group["params"]) for group in optimizer.param_groups]
    assert names == [["first.weight"], ["first.bias", "layers.0.bias", "layers.1.bias"],
                     ["layers.0.weight", "layers.1.weight"]]  # fmt: skip
    set_learning_rate(optimizer, 0.001)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.001, 0.001, 0.02])


def test_two_optimisers_in_one_resume_bit_for_bit() -> None:
    whole, stopped = Stacked(), Stacked()
    trained(6, muon(whole, 0.01, 0.1), whole)
    first = muon(stopped, 0.01, 0.1)
    trained(3, first, stopped)
    resumed = Stacked()
    resumed.load_state_dict(stopped.state_dict())
    second = muon(resumed, 0.01, 0.1)
    second.load_state_dict(first.state_dict())
    for step in range(3, 6):
        set_learning_rate(second, 0.01)
        torch.manual_seed(step)
        resumed(torch.randn(5, 4)).square().sum().backward()
        second.step()
        second.zero_grad()
    for mine, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(mine, theirs)
