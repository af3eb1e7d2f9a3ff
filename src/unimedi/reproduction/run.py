"""``unimedi reproduce``: trains and evaluates every row of the comparison on one store, one after the other.

Each row is a recipe of ``recipes/comparison``. A row that has its result is skipped, a run that was cut off goes on
from its checkpoint: the command may be stopped and started at will, and the table grows.
"""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from unimedi.inputs.store import Store
from unimedi.pretraining.journal import read_log
from unimedi.pretraining.loop import pretrain
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.run_folder import RunFolder
from unimedi.reproduction.downstream import Downstream, measure
from unimedi.reproduction.results import (
    COLUMNS,
    REFERENCE,
    UNTRAINED,
    Answers,
    JsonFigures,
    Result,
    read_result,
    result_file,
    write_result,
)
from unimedi.transfer.comparison import differences, read_runs, why_not_paired
from unimedi.transfer.evaluate import evaluate
from unimedi.transfer.task import nearest

TIMED_STEPS = 40  # of a short run that says what a step of a row costs, where the budget is time
WARMING = 4  # of them: memory is taken from the system, files enter its cache

Say = Callable[[str], None]


@dataclass(frozen=True)
class Budget:
    """What every row of a table gets of training: equal steps, or equal minutes on this machine."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("expected either --steps or --budget: all rows get the same of one")
        if not (self.steps or self.minutes or 0) > 0:
            raise ValueError(f"expected a budget above 0, got {self.name}")

    @property
    def name(self) -> str:
        """``600 steps`` or ``5 minutes``."""
        return f"{self.minutes:g} minutes" if self.steps is None else f"{self.steps} steps"

    @property
    def folder(self) -> str:
        return self.name.replace(" ", "-")


def chosen_rows(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """The recipes of a folder, or those named: the reference, then the others by name. ValueError names what is not
    there."""
    found = sorted(folder.glob("*.yaml"), key=lambda path: (path.stem != REFERENCE, path.stem))
    recipes = {path.stem: path for path in found}
    if not recipes:
        raise ValueError(f"expected recipes, one a row, found none in {folder}")
    if unknown := sorted(set(names) - set(recipes)):
        told = ", ".join(f"{name}{nearest(name, recipes)}" for name in unknown)
        raise ValueError(f"no row {told} in {folder}")
    return [path for name, path in recipes.items() if name in (names or recipes)]


def reproduce(
    store: Path,
    recipes: Sequence[Path],
    out: Path,
    results: Path,
    budget: Budget,
    seeds: int = 1,
    tasks: Sequence[Downstream] = (),
    say: Say = print,
) -> list[Path]:
    """Run each recipe with seeds 0, 1, … on equal terms; returns the files of the results.

    Runs lie in ``out/<budget>/<recipe>-<seed>``. ``tasks`` are answered by every row as well. What is asked for later,
    a task or the difference to the reference, is added to a result that is there.
    """
    written = []
    for seed in range(seeds):
        for recipe in recipes:
            row = _Row(store, recipe, seed, budget, out / budget.folder, say)
            path = result_file(results, recipe.stem, seed, budget.name)
            result = read_result(path) if path.is_file() else None
            if result is None:
                result = row.measured()
                write_result(result, results)
            if not result.minus_reference and (gaps := row.minus_reference()):
                result = replace(result, minus_reference=gaps)
                write_result(result, results)
            for asked in tasks:
                if asked.task.name not in result.tasks:
                    result = row.answered(result, asked)
                    write_result(result, results)
            written.append(path)
    return written


@dataclass(frozen=True)
class _Row:
    """One recipe with one seed: its run below ``folder``, trained when something is asked of it."""

    store: Path
    recipe: Path
    seed: int
    budget: Budget
    folder: Path
    say: Say

    @property
    def run(self) -> Path:
        return self.folder / f"{self.recipe.stem}-{self.seed}"

    def trained(self) -> int:
        """Train, or go on, or nothing where it is done; returns the number of steps."""
        name = f"{self.recipe.stem}-timing"
        steps = self.budget.steps or steps_within(
            60 * (self.budget.minutes or 0), self.recipe, self.store, self.folder / name
        )
        words = ["--duration", f"{steps} steps", "--seed", str(self.seed)]
        pretrain(load_recipe(self.recipe, words), self.store, self.run, resume=True)
        return steps

    def measured(self) -> Result:
        self.say(f"--- {self.recipe.stem}, seed {self.seed}, {self.budget.name}")
        steps = self.trained()
        figures = evaluate(self.run, self.store, say=self.say)
        seconds = float(read_log(RunFolder(self.run).log)[-1]["seconds"])
        kept = {key: figures[key].to_json() for key in (*COLUMNS.values(), *UNTRAINED.values()) if key in figures}
        return Result(
            self.recipe.stem,
            self.seed,
            self.budget.name,
            steps,
            seconds,
            Store.open(self.store).fingerprint,
            _machine(),
            kept,
        )

    def minus_reference(self) -> JsonFigures:
        """Ours minus the reference's with the same seed, the same patients drawn for both; empty where that, or our own
        run, does not lie below ``folder``."""
        reference = self.folder / f"{REFERENCE}-{self.seed}"
        if self.recipe.stem == REFERENCE or not all((run / "metrics.json").is_file() for run in (self.run, reference)):
            return {}
        ours, other = read_runs([self.run, reference])
        gaps = {} if why_not_paired(ours.conditions, other) else differences(ours.figures, other)
        return {key: gaps[key].to_json() for key in COLUMNS.values() if key in gaps}

    def answered(self, result: Result, asked: Downstream) -> Result:
        self.say(f"--- {self.recipe.stem}, seed {self.seed}, {self.budget.name}: {asked.task.name}")
        self.trained()
        found = measure(self.run, asked, self.say)
        answers = Answers(Store.open(asked.store).fingerprint, {key: f.to_json() for key, f in found.items()})
        return replace(result, tasks=result.tasks | {asked.task.name: answers})


def steps_within(seconds: float, recipe: Path, store: Path, out: Path) -> int:
    """How many steps of a recipe fit, by a short run of it; at least one.

    A recipe's phases (uniform slices, ramps) are shares of the run and cost differently, so the short run, which has
    the same shares, is taken as a whole. It is kept in ``out``: all seeds of a row get the same number.
    """
    if not RunFolder(out).pretrained.is_dir():
        short = ["--duration", f"{TIMED_STEPS} steps", "--checkpoint_every", "100 percent"]
        pretrain(load_recipe(recipe, short), store, out, resume=True)
    times = [float(line["seconds"]) for line in read_log(RunFolder(out).log)][WARMING - 1 :]
    return max(1, int(seconds * (len(times) - 1) / (times[-1] - times[0])))


def _machine() -> str:
    """The GPU's name, or the processor's and how many threads compute."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    threads = torch.get_num_threads()
    return f"{names[0] if names else platform.machine()}, {threads} thread{'s' * (threads > 1)}"
