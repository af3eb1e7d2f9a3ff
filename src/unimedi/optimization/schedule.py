"""Schedules as pure functions of the step, and durations as people write them.

A step is one update of the weights. The loop knows steps only; a recipe may say ``600 steps``, ``3 epochs``,
``40000 examples`` or, for a part of the run, ``10 percent``.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

from unimedi.errors import InputError

_ONE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(step|epoch|example|percent|%)s?\s*")


class ScheduleError(InputError):
    """A duration that cannot be read, or that needs what the run does not have."""


@dataclass(frozen=True, slots=True)
class EpochLength:
    """How a run counts: studies consumed by one step (all ranks, all micro-batches), steps that make an epoch, and
    micro-batches that make a step."""

    examples_per_step: int
    steps_per_epoch: int
    micro_batches: int = 1


def steps(duration: str | int, epoch_length: EpochLength, total: int | None = None) -> int:
    """A duration in steps, rounded to the nearest and at least 1 (``0`` in any unit stays 0).

    Args:
        duration: a number of steps, or text with one amount and its unit: ``"600 steps"``, ``"1.5 epochs"``,
            ``"40000 examples"``, ``"10 percent"``, ``"10%"``.
        epoch_length: in what steps an epoch and an example are counted.
        total: steps of the whole run; what a percentage is taken of.

    Raises:
        ScheduleError: no unit, two durations at once, or a percentage where there is no whole.
    """
    if isinstance(duration, int):
        return duration
    amount, unit = amount_and_unit(duration)
    if unit == "percent" and total is None:
        raise ScheduleError(f"duration {duration!r}: the length of the whole run cannot be a percentage of itself")
    a_unit = {
        "step": 1.0,
        "epoch": float(epoch_length.steps_per_epoch),
        "example": 1.0 / epoch_length.examples_per_step,
        "percent": (total or 0) / 100.0,
    }[unit]
    return max(1, round(amount * a_unit)) if amount else 0


def check_duration(name: str, duration: str, may_be_none: bool = True) -> None:
    """Raise ScheduleError, naming the field, where ``duration`` cannot be read, is nothing and must not be, or is more
    than the whole run."""
    try:
        amount, unit = amount_and_unit(duration)
    except ScheduleError as error:
        raise ScheduleError(f"{name}: {error}") from error
    if not amount and not may_be_none:
        raise ScheduleError(f"{name}: expected more than nothing, got {duration!r}")
    if unit == "percent" and amount > 100:
        raise ScheduleError(f"{name}: expected up to 100 percent, got {duration!r}")


def amount_and_unit(duration: str) -> tuple[float, str]:
    """``"1.5 epochs"`` as 1.5 and ``epoch``; ScheduleError where it is none."""
    found = list(_ONE.finditer(duration))
    if len(found) > 1:
        raise ScheduleError(f"duration {duration!r} gives {len(found)} lengths at once; give one of them")
    if len(found) != 1 or found[0].group(0) != duration:
        raise ScheduleError(
            f"duration {duration!r}: expected an amount and its unit, such as '600 steps', '3 epochs', "
            "'40000 examples' or '10 percent'"
        )
    amount, unit = found[0].groups()
    return float(amount), "percent" if unit == "%" else unit


def warmup_cosine(step: int, *, warmup: int, total: int, min_lr_ratio: float = 0.0) -> float:
    """Share of the peak learning rate at ``step`` (0-based): linear to 1 over ``warmup`` steps, then half a cosine.

    The first step already moves (``1 / warmup``), step ``warmup - 1`` is the first at the peak, step ``total - 1``
    and all after it stand at ``min_lr_ratio``. Loshchilov & Hutter 2017 (SGDR), eq. 5, one period.
    """
    if step < warmup:
        return (step + 1) / warmup
    return cosine(step, start=max(warmup - 1, 0), end=total - 1, first=1.0, last=min_lr_ratio)


def cosine(step: int, *, start: int, end: int, first: float, last: float) -> float:
    """From ``first`` (up to step ``start``) to ``last`` (from step ``end``) along half a cosine."""
    if step >= end:
        return last
    if step <= start:
        return first
    return last + (first - last) * (1.0 + math.cos(math.pi * (step - start) / (end - start))) / 2.0


def ramp(step: int, *, start: int, end: int) -> float:
    """0 up to step ``start``, 1 from step ``end``, a straight line between."""
    if step >= end:
        return 1.0
    return max(0.0, (step - start) / (end - start))
