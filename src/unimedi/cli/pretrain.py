"""``unimedi pretrain``: a recipe and a store become a run folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from unimedi.cli.options import FromStore, NameOrFile
from unimedi.errors import InputError
from unimedi.ranges import SEED, at_least
from unimedi.settings import options_in


@dataclass(frozen=True)
class Pretrain(FromStore):
    """Pre-train on a store.

    Any value of the recipe is an option as well: --optimization.learning_rate 5e-4, --model.slices=3.
    """

    out: Path
    """the run folder"""
    config: NameOrFile = None
    """the recipe: tiny, small, base, comparison/joint ..., or a file (default: that of OUT)"""
    steps: Annotated[int | None, at_least(1)] = None
    """instead of the recipe's duration"""
    seed: Annotated[int | None, SEED] = None
    """instead of the recipe's"""
    resume: bool = False
    """go on from the last checkpoint, if there is one"""
    devices: Annotated[int, at_least(1)] = 1
    """GPUs, or CPU processes"""
    workers: Annotated[int, at_least(0)] = 0
    """processes that read ahead"""

    def run(self, settings: list[str]) -> None:
        from unimedi.evaluation.slices.over_time import selection_over_time
        from unimedi.experiments.registry import pretrain
        from unimedi.files.destination import folder_to_write
        from unimedi.pretraining.recipe_file import load_recipe

        words = list(settings)
        if self.steps is not None:
            if "duration" in options_in(settings):
                raise InputError("--steps and --duration both say how long to train; give one of them")
            words += ["--duration", f"{self.steps} steps"]
        if self.seed is not None:
            words += ["--seed", str(self.seed)]
        recipe = load_recipe(self.config or self.out / "recipe.yaml", words)
        folder_to_write(self.out)
        print(pretrain(recipe, self.store, self.out, self.resume, self.devices, self.workers, selection_over_time))
