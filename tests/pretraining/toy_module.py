"""A module with the face of ``Pretraining``, small enough to follow by hand."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Output:
    loss: Tensor
    logs: dict[str, Tensor]


class Toy(nn.Module):
    """Learns a line; has noise, a teacher and a running mean that changes in the forward pass."""

    def __init__(self, noise: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.noise = noise
        self.student = nn.Linear(4, 1)
        self.teacher = nn.Linear(4, 1).requires_grad_(False)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, batch: Tensor, step: int, part: int) -> Output:
        self.mean.lerp_(batch.mean(0), 0.1)
        noisy = batch + self.noise * torch.randn_like(batch)
        loss = (self.student(noisy).squeeze(1) - batch.sum(1)).pow(2).mean()
        return Output(loss, {"l_vl": loss.detach()})

    def before_step(self) -> None:
        return

    def gradients(self) -> dict[str, Tensor]:
        return {}

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        for mean, new in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            mean.lerp_(new, 0.5)


def toy_batch(number: int, size: int = 8) -> Tensor:
    return torch.randn(size, 4, generator=torch.Generator().manual_seed(number))


def toy_batches(step: int) -> Iterator[Tensor]:
    while True:
        yield toy_batch(step)
        step += 1
