"""Muon (Jordan et al. 2024) in the precision of the weights, all matrices of one shape in one product.

torch's Muon casts every gradient to bfloat16, whatever the weights are. A CPU without bfloat16 products needs longer
for that than for the rest of a training step (docs/performance.md).
"""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

# a, b, c of x -> ax + bx^3 + cx^5: steep at 0, and then within 0.7 .. 1.2 of 1 after five rounds (Jordan et al. 2024).
COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
ROUNDS: Final = 5
EPSILON: Final = 1e-7


def orthogonalised(matrices: Float[Tensor, "n rows columns"]) -> Float[Tensor, "n rows columns"]:
    """Each matrix U S V^T near U V^T by Newton-Schulz: its singular values come to lie between about 0.7 and 1.2."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=EPSILON)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Muon):
    """torch's Muon with another ``step``; its options and its state (``momentum_buffer``) are the same."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Move every matrix that has a gradient; a learning rate is for matrices of unit spectral norm."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes[weight.shape].append(weight)
            for shape, weights in shapes.items():
                gradients = [weight.grad for weight in weights if weight.grad is not None]
                moments = [self._moment(weight) for weight in weights]
                torch._foreach_lerp_(moments, gradients, 1 - group["momentum"])
                ahead = torch._foreach_lerp(gradients, moments, group["momentum"])  # Nesterov
                updates = orthogonalised(torch.stack(ahead)).unbind()
                torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(weights, updates, alpha=-group["lr"] * math.sqrt(max(1.0, shape[0] / shape[1])))
        return loss

    def _moment(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        moment: Tensor = state["momentum_buffer"]
        return moment
