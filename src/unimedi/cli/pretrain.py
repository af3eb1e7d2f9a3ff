"""``unimedi pretrain``: a recipe and a store become a run folder."""

from dataclasses import dataclass, fields
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
    """GPUs of this machine, or CPU processes"""
    nodes: Annotated[int, at_least(1)] = 1
    """machines; the same command runs on each"""
    meeting_point: str = ""
    """HOST:PORT of one of several machines, the same on all"""
    restarts: Annotated[int, at_least(0)] = 0
    """how often to start all processes anew, from the last checkpoint, when one has died"""
    workers: Annotated[int, at_least(0)] = 0
    """processes that read ahead"""

    def run(self, settings: list[str]) -> None:
        from unimedi.evaluation.slices.over_time import selection_over_time
        from unimedi.experiments.registry import pretrain
        from unimedi.files.destination import folder_to_write
        from unimedi.inputs.store import Store
        from unimedi.pretraining.launcher import end_with_the_launcher, launch, rank, restarted, started_from_outside
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
        if self.devices * self.nodes > 1 and not started_from_outside():
            Store.open(self.store, expect=recipe.preprocess)  # what is wrong with it is said once, not by each rank
            words = ["pretrain", *self._words(), *settings]
            launch(words, self.devices, self.nodes, self.meeting_point, self.restarts)
            return
        if started_from_outside():
            end_with_the_launcher()
        resume = self.resume or restarted()
        out = pretrain(
            recipe,
            self.store,
            self.out,
            resume,
            self.devices,
            self.nodes,
            self.workers,
            on_validation=selection_over_time,
        )
        if rank() == 0:
            print(out)

    def _words(self) -> list[str]:
        """The options that are not at their defaults, as they are typed."""
        values = {field: getattr(self, field.name) for field in fields(self)}
        given = {field.name.replace("_", "-"): value for field, value in values.items() if value != field.default}
        return [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
