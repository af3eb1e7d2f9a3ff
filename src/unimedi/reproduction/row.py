"""One row of the comparison: a recipe with a seed, trained and measured when something is asked of it."""

import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from unimedi import __version__
from unimedi.evaluation.comparison import differences, read_runs, why_not_paired
from unimedi.evaluation.slices.over_time import selection_over_time
from unimedi.experiments.registry import pretrain
from unimedi.files.json_lines import read_json_lines
from unimedi.metrics.measurement import Measurements
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.run_folder import RunFolder
from unimedi.reporting.commands import evaluate
from unimedi.reproduction.downstream import Downstream, measure
from unimedi.reproduction.results import COLUMNS, REFERENCE, UNTRAINED, Answers, Name, Result
from unimedi.reproduction.terms import Budget, Terms, digest, terms_of

TIMED_STEPS = 40  # of a short run that says what a step of a row costs, where the budget is time
WARMING = 4  # of them: memory is taken from the system, files enter its cache

Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One recipe with one seed: its run below ``out``, trained when something is asked of it."""

    store: Path
    recipe: Path
    terms: Terms
    budget: Budget
    out: Path
    say: Say

    @property
    def folder(self) -> Path:
        return self.out / self.terms.folder

    @property
    def run(self) -> Path:
        return self.folder / self.terms.label

    @property
    def timing(self) -> Path:
        """The short run that says what a step costs on this machine: one for all seeds."""
        return self.folder / f"{self.terms.name}-timing-{digest(self.terms.store, self.terms.recipe_key, machine())}"

    @property
    def title(self) -> str:
        return f"{self.terms.name}, seed {self.terms.seed}, {self.terms.budget}"

    @cached_property
    def reference(self) -> Terms | None:
        """What the reference stands for with the same seed, store and budget; None where no recipe is beside ours."""
        path = self.recipe.with_stem(REFERENCE)
        return terms_of(path, self.terms.seed, self.budget, self.terms.store) if path.is_file() else None

    @property
    def reference_key(self) -> str:
        return self.reference.recipe_key if self.reference else ""

    def trained(self) -> int:
        """Train, or go on, or nothing where it is done; returns the number of steps."""
        seconds = 60 * (self.budget.minutes or 0)
        steps = self.budget.steps or steps_within(seconds, self.recipe, self.store, self.timing)
        words = ["--duration", f"{steps} steps", "--seed", str(self.terms.seed)]
        recipe = load_recipe(self.recipe, words)
        pretrain(recipe, self.store, self.run, resume=True, on_validation=selection_over_time)
        return steps

    def measured(self) -> Result:
        self.say(f"--- {self.title}")
        steps = self.trained()
        found = evaluate(self.run, self.store, say=self.say).measurements
        folder = RunFolder(self.run)
        seconds, precision = float(read_json_lines(folder.log)[-1]["seconds"]), folder.begun()["precision"]
        kept = _named(found, [*COLUMNS.values(), *UNTRAINED.values()])
        software = f"unimedi {__version__}"
        return Result(self.terms, steps, seconds, f"{machine()}, {precision}", kept, software=software)

    def minus_reference(self) -> Measurements:
        """Paired differences to the reference with the same seed; empty where its run, or our own, is not there."""
        if self.terms.name == REFERENCE or self.reference is None:
            return Measurements()
        runs = [self.run, self.folder / self.reference.label]
        if not all((run / "metrics.json").is_file() for run in runs):
            return Measurements()
        ours, other = read_runs(runs)
        if why_not_paired(ours.conditions, other):
            return Measurements()
        return _named(differences(ours.measurements, other), COLUMNS.values())

    def answered(self, asked: Downstream, store: str) -> Answers:
        self.say(f"--- {self.title}: {asked.task.name}")
        self.trained()
        return Answers(asked.task.name, asked.key, store, measure(self.run, asked, self.say))


def _named(measurements: Measurements, names: Iterable[Name]) -> Measurements:
    """Those of these names, as far as they were measured."""
    return Measurements(row for name in names if (row := measurements.one(**name)))


def steps_within(seconds: float, recipe: Path, store: Path, out: Path) -> int:
    """How many steps of a recipe fit, by a short run of it; at least one.

    A recipe's phases (uniform slices, ramps) are shares of the run and cost differently, so the short run, which has
    the same shares, is taken as a whole. It is kept in ``out``: all seeds of a row get the same number.
    """
    if not RunFolder(out).pretrained.is_dir():
        short = ["--duration", f"{TIMED_STEPS} steps", "--checkpoint_every", "100 percent"]
        pretrain(load_recipe(recipe, short), store, out, resume=True)
    times = [float(line["seconds"]) for line in read_json_lines(RunFolder(out).log)][WARMING - 1 :]
    return max(1, int(seconds * (len(times) - 1) / (times[-1] - times[0])))


def machine() -> str:
    """The GPU's name, or the processor's and how many threads compute."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    threads = torch.get_num_threads()
    return f"{names[0] if names else platform.machine()}, {threads} thread{'s' * (threads > 1)}"
