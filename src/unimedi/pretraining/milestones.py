"""The points of a run at which something begins, in steps."""

from dataclasses import dataclass

from unimedi.optimization.schedule import EpochLength, steps
from unimedi.pretraining.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Milestones:
    """When selection asks the teacher's attention, and between which steps distillation is ramped in."""

    total: int
    selection_warmup: int
    ramp_start: int
    ramp_end: int

    @classmethod
    def of(cls, recipe: Recipe, total: int, epoch_length: EpochLength) -> "Milestones":
        """From the durations of a recipe, for a run of ``total`` steps."""
        durations = recipe.selection.warmup, recipe.distillation.ramp_start, recipe.distillation.ramp_end
        return cls(total, *(steps(duration, epoch_length, total) for duration in durations))
