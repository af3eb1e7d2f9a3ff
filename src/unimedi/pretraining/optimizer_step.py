"""One update of the weights: micro-batches, backward, clipping, optimiser, teacher; or none, where a figure is NaN."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from unimedi.optimization.optimizer import set_learning_rate


class OptimizerStep:
    """Joins module, optimiser and engine. Holds no state of its own: everything that changes is in those two."""

    def __init__(
        self,
        fabric: Fabric,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        seed: int,
        grad_accum_steps: int,
        max_grad_norm: float,
    ) -> None:
        self.module: Any = module  # with gradients() and after_step(step), as Pretraining has them
        self.fabric, self.seed = fabric, seed
        self.grad_accum_steps, self.max_grad_norm = grad_accum_steps, max_grad_norm
        self.wrapped, self.optimizer = fabric.setup(_Forward(module), optimizer)
        module.train()

    def update(self, batches: Iterator[Any], step: int, learning_rate: float) -> dict[str, Any]:
        """Take ``grad_accum_steps`` batches and move the weights once; returns figures for the log, equal on all ranks.

        Where the loss or the gradient is not finite nothing moves: weights, moments, teacher and running means stay
        as they were, and the record says ``skipped``.
        """
        torch.manual_seed(step_seed(self.seed, step, self.fabric.global_rank))
        set_learning_rate(self.optimizer, learning_rate)
        buffers = [buffer.clone() for buffer in self.module.buffers()]
        logs: list[dict[str, Tensor]] = []
        for micro in range(self.grad_accum_steps):
            batch = next(batches).to(self.fabric.device)
            with self.fabric.no_backward_sync(self.wrapped, enabled=micro + 1 < self.grad_accum_steps):
                loss, figures = self.wrapped(lambda batch=batch: batch, step, micro, self.fabric.global_rank)
                self.fabric.backward(loss / self.grad_accum_steps)
            logs.append({**figures, "loss": loss.detach()})
        logs.append(self.module.gradients())
        norm = self.fabric.clip_gradients(
            self.wrapped, self.optimizer, max_norm=self.max_grad_norm, error_if_nonfinite=False
        )
        record: dict[str, Any] = {**self._mean(logs), "gradient_norm": float(torch.as_tensor(norm))}
        if all(math.isfinite(value) for value in record.values()):
            self.optimizer.step()
            self.module.after_step(step)
        else:
            record = {key: value if math.isfinite(value) else None for key, value in record.items()}
            record["skipped"] = True
            for buffer, before in zip(self.module.buffers(), buffers, strict=True):
                buffer.copy_(before)
        self.optimizer.zero_grad(set_to_none=True)
        return record

    def _mean(self, logs: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
        """Over the micro-batches and then over the ranks; equal on all ranks to the last bit."""
        keys = sorted(set().union(*logs))
        rows = [torch.stack([figures[key].float() for figures in logs if key in figures]).mean() for key in keys]
        means = torch.stack(rows)
        if self.fabric.world_size > 1:
            means = torch.as_tensor(self.fabric.all_reduce(means, reduce_op="mean"))
        return dict(zip(keys, means.tolist(), strict=True))


class _Forward(nn.Module):
    """What Fabric and DDP wrap. They look for tensors inside what goes in and comes out, and stumble over our frozen
    dataclasses: the batch comes in a closure, the losses leave as a plain tuple."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(
        self, batch: Callable[[], Any], step: int, micro_step: int, rank: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        output = self.module(batch(), step, micro_step, rank)
        return output.loss, output.logs


def step_seed(seed: int, step: int, rank: int) -> int:
    """A 63-bit seed for torch's global generator: neighbouring steps and ranks share nothing."""
    digest = hashlib.blake2b(f"{seed}/{step}/{rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
