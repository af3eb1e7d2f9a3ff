"""The teacher: an exponential moving average of the student, never touched by a gradient (UniMedI, section 3.3)."""

import copy
from typing import TypeVar

import torch
from torch import nn

from unimedi.optimization.schedule import cosine

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
