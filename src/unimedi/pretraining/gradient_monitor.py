"""How much gradient reached each branch of the model, and each kind of image by each loss: figures for the log.

A branch that learns nothing is silent: the losses of the others fall. :func:`unimedi.pretraining.monitors.unmoved`
judges the figures.
"""

from functools import partial

import torch
from torch import Tensor, nn

from unimedi.model.unimedi import UniMediModel

PREFIX = "gradient/"


class GradientMonitor:
    """Collects norms in one or more backward passes; ``report`` hands them out and begins anew."""

    def __init__(self) -> None:
        self.norms: dict[str, Tensor] = {}
        self.expected: set[str] = set()

    def expect(self, *branches: str) -> None:
        """These take part in the step: where no gradient comes back to them that is a 0, not nothing."""
        self.expected |= {*branches}

    def watch(self, name: str, states: Tensor) -> None:
        """Remember the norm of the gradient that comes back to ``states``; 0 where none does."""
        self.norms.setdefault(name, torch.zeros((), device=states.device))
        if states.requires_grad:
            states.register_hook(partial(self._add, name))

    @torch.no_grad()
    def _add(self, name: str, gradient: Tensor) -> None:
        self.norms[name] = self.norms[name] + gradient.float().norm()

    def report(self, model: UniMediModel) -> dict[str, Tensor]:
        """The norms of what was watched, and over the parameters of each expected branch that is not frozen."""
        norms, expected = self.norms, self.expected
        self.norms, self.expected = {}, set()
        branches: dict[str, nn.Module] = {
            "T_2D": model.vision.embed_2d,
            "T_3D": model.vision.embed_3d,
            "E_v": model.vision.layers,
            "E_l": model.text,
            "image_projection": model.image_projection,
            "text_projection": model.text_projection,
        }
        for name in branches.keys() & expected:
            learning = [p for p in branches[name].parameters() if p.requires_grad]
            gradients = [p.grad for p in learning if p.grad is not None]
            if learning:
                norms[name] = torch.nn.utils.get_total_norm(gradients or [torch.zeros_like(learning[0])])
        return {PREFIX + name: norm for name, norm in norms.items()}
