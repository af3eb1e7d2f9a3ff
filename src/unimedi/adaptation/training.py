"""The one loop that learns from labels: the supervised reference, fine-tuning, segmentation, the gradient probe."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from unimedi.errors import InputError
from unimedi.optimization.optimizer import set_learning_rate

MAX_GRAD_NORM = 1.0


class DivergedError(InputError):
    """A loss that is not finite; the message names the step."""


def train(
    learner: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss_of: Callable[[int], Tensor],
    rate: Callable[[int], float],
    steps: int,
    check: Callable[[int], bool] | None = None,
) -> None:
    """Update ``learner`` ``steps`` times; gradients are clipped to ``MAX_GRAD_NORM``.

    Args:
        learner: what learns.
        optimiser: of its parameters.
        loss_of: step (from 0) → loss, a scalar.
        rate: step → learning rate.
        steps: the number of updates.
        check: called with the number of updates done after each; training ends where it returns true.

    Raises:
        DivergedError: a loss is NaN or infinite; the weights are those before that step.
    """
    for step in range(steps):
        set_learning_rate(optimiser, rate(step))
        loss = loss_of(step)
        if not math.isfinite(loss.item()):
            raise DivergedError(f"the loss of step {step} is {loss.item()}: lower the learning rate")
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), MAX_GRAD_NORM)
        optimiser.step()
        if check is not None and check(step + 1):
            return


class BestWeights:
    """Remembers the weights of the best value so far (higher is better), and puts them back at the end."""

    def __init__(self, learner: nn.Module) -> None:
        self.learner, self.value, self.when = learner, -math.inf, 0
        self.state: dict[str, Tensor] | None = None

    def offer(self, value: float, done: int) -> None:
        """Remember the present weights if ``value`` is the best; NaN never is."""
        if value > self.value:
            self.value, self.when = value, done
            self.state = {name: tensor.detach().clone() for name, tensor in self.learner.state_dict().items()}

    def restore(self) -> None:
        """Put the best weights back; without any value the present ones stay."""
        if self.state is not None:
            self.learner.load_state_dict(self.state)
