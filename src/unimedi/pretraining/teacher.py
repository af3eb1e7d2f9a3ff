"""The teacher: an exponential moving average of the student, never touched by a gradient (UniMedI, section 3.3)."""

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from unimedi.objectives.distillation import TARGETS, updated_centre
from unimedi.optimization.schedule import cosine
from unimedi.pretraining.gather import gather

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def make_teacher(student: ModuleT) -> ModuleT:
    """A frozen copy, for good in evaluation mode."""
    teacher = copy.deepcopy(student)
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    return teacher.eval()


def momentum_at(step: int, total: int, base: float, final: float = 1.0) -> float:
    """``base`` to ``final`` along half a cosine; lower in the first steps, so that a random start is soon forgotten.

    (1 + t) / (10 + t) is a window of about a tenth of the steps so far: at base 0.996 it matters for 2,240 steps.
    """
    scheduled = cosine(step, start=0, end=total, first=base, last=final)
    return min(scheduled, (1 + step) / (10 + step))


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """theta_t <- m theta_t + (1 - m) theta_s; buffers (running means) are copied."""
    get_ema_multi_avg_fn(momentum)([*teacher.parameters()], [*student.parameters()], 0)
    for kept, fresh in zip(teacher.buffers(), student.buffers(), strict=True):
        kept.copy_(fresh)


class Targets(nn.Module):
    """Targets for [CLS] and for patches, each with a centre of its own, one for all kinds of image (open point 3.14).

    Args:
        kind: ``centre`` (DINO) or ``sinkhorn`` (SwAV), which needs no centre.
        prototypes: K of the head.
        temperature: tau_t, of the teacher.
    """

    cls_centre: Tensor
    patch_centre: Tensor

    def __init__(self, kind: str, prototypes: int, temperature: float) -> None:
        super().__init__()
        self.kind, self.temperature = kind, temperature
        self.register_buffer("cls_centre", torch.zeros(prototypes))
        self.register_buffer("patch_centre", torch.zeros(prototypes))
        self.seen: list[tuple[Tensor, Tensor]] = []  # mean logits of [CLS] and patches, of each micro-batch of a step

    @torch.no_grad()
    def cls(self, logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """p_t of [CLS] from the teacher's logits."""
        return TARGETS[self.kind](logits, self.cls_centre, self.temperature)

    @torch.no_grad()
    def patches(self, logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """p_t of patches from the teacher's logits."""
        return TARGETS[self.kind](logits, self.patch_centre, self.temperature)

    @torch.no_grad()
    def follow(self, cls: Sequence[Float[Tensor, "_n k"]], patches: Sequence[Float[Tensor, "_m k"]]) -> None:
        """Remember the logits of all kinds of image in a micro-batch, on all ranks."""
        if self.kind == "centre":
            means = [torch.cat(list(rows)).float().mean(0, keepdim=True) for rows in (cls, patches)]
            self.seen.append((gather(means[0]), gather(means[1])))

    def forget(self) -> None:
        """Logits that moved no centre do not count later."""
        self.seen.clear()

    @torch.no_grad()
    def move(self) -> None:
        """The centres follow the logits of a step."""
        if self.seen:
            cls, patches = (torch.cat(rows) for rows in zip(*self.seen, strict=True))
            self.cls_centre.copy_(updated_centre(self.cls_centre, cls))
            self.patch_centre.copy_(updated_centre(self.patch_centre, patches))
        self.forget()
