"""The teacher: an exponential moving average of the student, never touched by a gradient (UniMedI, section 3.3)."""

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

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
    for mean, new in zip(teacher.parameters(), student.parameters(), strict=True):
        mean.lerp_(new, 1 - momentum)
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
        """The centres follow the logits of all kinds of image in a step, on all ranks."""
        if self.kind == "centre":
            self.cls_centre.copy_(updated_centre(self.cls_centre, gather(torch.cat(list(cls)))))
            patch_mean = torch.cat(list(patches)).float().mean(0, keepdim=True)
            self.patch_centre.copy_(updated_centre(self.patch_centre, gather(patch_mean)))
