"""How much gradient reached each branch of the model, and each kind of image by each loss: figures for the log.

A branch that learns nothing is silent: the losses of the others fall. :func:`unimedi.pretraining.monitors.unmoved`
judges the figures.
"""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn

PREFIX = "gradient/"


class GradientMonitor:
    """Collects norms in one or more backward passes; ``report`` hands them out and begins anew."""

    def __init__(self) -> None:
        self.felt: dict[str, Tensor] = {}
        self.expected: set[str] = set()

    def expect(self, *branches: str) -> None:
        """These take part in the step: where no gradient comes back to them that is a 0, not nothing."""
        self.expected |= {*branches}

    def watch(self, name: str, states: Tensor) -> None:
        """Remember the norm of the gradient that comes back to ``states``; 0 where none does."""
        self.felt.setdefault(name, torch.zeros((), device=states.device))
        if states.requires_grad:
            states.register_hook(partial(self._feel, name))

    @torch.no_grad()
    def _feel(self, name: str, gradient: Tensor) -> None:
        self.felt[name] = self.felt[name] + gradient.float().norm()

    def report(self, branches: Iterable[tuple[str, nn.Module]]) -> dict[str, Tensor]:
        """The norms of what was watched, and over the parameters of each expected branch that is not frozen."""
        norms, expected = self.felt, self.expected
        self.felt, self.expected = {}, set()
        for name, module in branches:
            learning = [p for p in module.parameters() if p.requires_grad]
            if name in expected and learning:
                gradients = [p.grad for p in learning if p.grad is not None]
                norms[name] = torch.nn.utils.get_total_norm(gradients or [torch.zeros_like(learning[0])])
        return {PREFIX + name: norm for name, norm in norms.items()}
