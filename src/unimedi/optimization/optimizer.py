"""AdamW as every part of the project builds it: weight decay on matrices and kernels, nowhere else."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

_DECAYED = (nn.Linear, nn.Bilinear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups over the parameters that learn: those that decay and those that do not, in order of definition.

    Only the ``weight`` of a linear layer or of a convolution decays. Everything else is a scale, an offset or a table
    (biases, norms, embeddings, positions, [CLS], [MASK], the temperature): pulling those to zero says nothing about
    complexity, and it would drag the temperature to 1.
    """
    learning = {name: p for name, p in module.named_parameters() if p.requires_grad}
    matrices = {id(m.weight) for m in module.modules() if isinstance(m, _DECAYED)}
    decayed = [p for p in learning.values() if id(p) in matrices]
    others = [p for p in learning.values() if id(p) not in matrices]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def adamw(
    module: nn.Module, learning_rate: float, weight_decay: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) over ``parameter_groups``, all tensors of a group in one kernel."""
    groups = parameter_groups(module, weight_decay)
    if not groups:
        raise ValueError("no parameter of the module requires a gradient: there is nothing to optimise")
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """The schedule is a function of the step; the optimiser only ever holds today's value."""
    for group in optimizer.param_groups:
        group["lr"] = value


def names_of(module: nn.Module, parameters: Iterable[nn.Parameter]) -> list[str]:
    """The names that ``module`` gives to ``parameters``, in their order."""
    names = {id(p): name for name, p in module.named_parameters()}
    return [names[id(p)] for p in parameters]
