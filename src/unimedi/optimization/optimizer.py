"""The optimiser of the whole project: AdamW, or Muon for the transformers' matrices with AdamW for the rest.

From scratch on two cores every step counts: Muon took the same encoder as far in half the steps (docs/log.md).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from unimedi.errors import InputError
from unimedi.optimization.muon import Muon

_DECAYED = (nn.Linear, nn.Bilinear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
MUON_RATE = 20.0  # Muon's updates have unit spectral norm: 0.02 where AdamW has 0.001
MUON_MOMENTUM = 0.95


def parameter_groups(
    module: nn.Module, weight_decay: float, leave_out: Iterable[nn.Parameter] = ()
) -> list[dict[str, Any]]:
    """Two groups over the parameters that learn: those that decay and those that do not, in order of definition.

    Only the ``weight`` of a linear layer or of a convolution decays. Everything else is a scale, an offset or a table
    (biases, norms, embeddings, positions, [CLS], [MASK], the temperature): pulling those to zero says nothing about
    complexity, and it would drag the temperature to 1.
    """
    left_out = {id(p) for p in leave_out}
    learning = [p for p in module.parameters() if p.requires_grad and id(p) not in left_out]
    matrices = {id(m.weight) for m in module.modules() if isinstance(m, _DECAYED)}
    decayed = [p for p in learning if id(p) in matrices]
    others = [p for p in learning if id(p) not in matrices]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def transformer_matrices(module: nn.Module) -> list[nn.Parameter]:
    """The weights of the linear layers inside a stack of layers (a ModuleList): what Muon is for."""
    stacks = [stack for stack in module.modules() if isinstance(stack, nn.ModuleList)]
    inside = {id(m.weight) for stack in stacks for m in stack.modules() if isinstance(m, nn.Linear)}
    return [p for p in module.parameters() if id(p) in inside and p.requires_grad]


def adamw(
    module: nn.Module, learning_rate: float, weight_decay: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) over ``parameter_groups``, all tensors of a group in one kernel."""
    groups = parameter_groups(module, weight_decay)
    if not groups:
        raise InputError("no parameter of the module requires a gradient: there is nothing to optimise")
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=True)


def muon(
    module: nn.Module, learning_rate: float, weight_decay: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.Optimizer:
    """Muon (Jordan et al. 2024) for ``transformer_matrices`` at ``MUON_RATE`` times the rate, AdamW for the rest."""
    matrices = transformer_matrices(module)
    if not matrices:
        return adamw(module, learning_rate, weight_decay, betas)
    for_matrices = Muon(
        [{"params": matrices, "rate": MUON_RATE}],
        lr=MUON_RATE * learning_rate,
        weight_decay=weight_decay,
        momentum=MUON_MOMENTUM,
    )
    rest = parameter_groups(module, weight_decay, leave_out=matrices)
    return CombinedOptimizer([torch.optim.AdamW(rest, lr=learning_rate, betas=betas, fused=True), for_matrices])


OPTIMIZERS = {"adamw": adamw, "muon": muon}


class CombinedOptimizer(torch.optim.Optimizer):
    """Several optimisers as one: shared groups and state, so that a checkpoint or an engine sees a single optimiser."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        start = 0
        for part in self.parts:
            part.state = self.state
            part.param_groups = self.param_groups[start : start + len(part.param_groups)]
            start += len(part.param_groups)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss: Tensor | None = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """The schedule is a function of the step; the optimiser only ever holds today's value."""
    for group in optimizer.param_groups:
        group["lr"] = value * group.get("rate", 1.0)


def names_of(module: nn.Module, parameters: Iterable[nn.Parameter]) -> list[str]:
    """The names that ``module`` gives to ``parameters``, in their order."""
    names = {id(p): name for name, p in module.named_parameters()}
    return [names[id(p)] for p in parameters]
