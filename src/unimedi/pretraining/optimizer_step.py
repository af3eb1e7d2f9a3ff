"""One update of the weights: micro-batches, backward, clipping, optimiser, teacher; or none, where a figure is NaN."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from unimedi.optimization.optimizer import set_learning_rate


class OptimizerStep:
    """Joins module, optimiser and engine. Holds no state of its own: everything that counts is in those two."""

    def __init__(
        self,
        fabric: Fabric,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        seed: int,
        micro_batches: int,
        max_grad_norm: float,
        cached: bool = False,
    ) -> None:
        # With before_step, gradients, after_step as Pretraining has them; first_pass, cached_gradients if ``cached``.
        self.module: Any = module
        self.waited = 0.0  # seconds for the batches of the last update
        self.fabric, self.seed = fabric, seed
        self.micro_batches, self.max_grad_norm, self.cached = micro_batches, max_grad_norm, cached
        self.wrapped, self.optimizer = fabric.setup(_Forward(module), optimizer)
        module.train()

    def update(self, batches: Iterator[Any], step: int, learning_rate: float) -> dict[str, Any]:
        """Take ``micro_batches`` batches, twice if ``cached``, and move the weights once; returns figures for the log,
        equal on all ranks.

        Where the loss or the gradient is not finite nothing moves: weights, moments, teacher and running means stay
        as they were, and the record says ``skipped``.
        """
        set_learning_rate(self.optimizer, learning_rate)
        self.waited = 0.0
        self.module.before_step()
        buffers = [buffer.clone() for buffer in self.module.buffers()]
        logs: list[dict[str, Tensor]] = []
        for micro, cached in enumerate(self._gradients(batches, step, logs)):
            batch = self._next(batches, step, micro)
            with self.fabric.no_backward_sync(self.wrapped, enabled=micro + 1 < self.micro_batches):
                loss, figures = self.wrapped(lambda given=(batch, cached): given, step, self._part(micro))
                self.fabric.backward(loss / self.micro_batches)
            del batch  # before the next is there: of large volumes each is many megabytes
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

    def _next(self, batches: Iterator[Any], step: int, micro: int) -> Any:
        """The next micro-batch; what the model draws of torch's own generator is the same in both passes over it."""
        torch.manual_seed(step_seed(self.seed, step, self._part(micro)))
        started = time.perf_counter()
        batch = next(batches)
        self.waited += time.perf_counter() - started
        return batch.to(self.fabric.device)

    def _part(self, micro: int) -> int:
        """The number of this rank's micro-batch among those of the step on all ranks (:func:`.micro_batches_of`)."""
        rank, ranks = int(self.fabric.global_rank), int(self.fabric.world_size)
        return micro * ranks + rank

    def _gradients(self, batches: Iterator[Any], step: int, logs: list[dict[str, Tensor]]) -> list[tuple[Any, ...]]:
        """For each micro-batch what its own pass is given: nothing, or its cached gradient."""
        if not self.cached:
            return [()] * self.micro_batches
        first = []
        with self.fabric.autocast():
            for micro in range(self.micro_batches):
                batch = self._next(batches, step, micro)
                seen, figures = self.module.first_pass(batch, step, self._part(micro))
                del batch
                first.append(seen)
                logs.append(figures)
            gradients, figures = self.module.cached_gradients(first)
        logs.append(figures)
        return [(gradient,) for gradient in gradients]

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
    dataclasses: what it is given comes in a closure, the losses leave as a plain tuple."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(
        self, given: Callable[[], tuple[Any, tuple[Any, ...]]], step: int, part: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        batch, cached = given()
        output = self.module(batch, step, part, *cached)
        return output.loss, output.logs


def step_seed(seed: int, step: int, part: int = 0) -> int:
    """A 63-bit seed for torch's global generator: neighbouring steps and their micro-batches share nothing."""
    # The 0 is where the rank once stood: with it a run on one device is what it was.
    digest = hashlib.blake2b(f"{seed}/{step}/0/{part}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
