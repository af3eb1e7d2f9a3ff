"""``unimedi reproduce``: trains and evaluates every row of the comparison on one store, one after the other.

Each row is a recipe of ``recipes/comparison``. A row that has its result is skipped, a run that was cut off goes on
from its checkpoint: the command may be stopped and started at will, and the table grows.
"""

import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from unimedi.inputs.store import Store
from unimedi.pretraining.journal import read_log
from unimedi.pretraining.loop import pretrain
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.run_folder import RunFolder
from unimedi.reproduction.results import COLUMNS, UNTRAINED, Result, result_file, write_result
from unimedi.transfer.evaluate import evaluate

TIMED_STEPS = 40  # of a short run that says what a step of a row costs, where the budget is time
WARMING = 4  # of them: memory is taken from the system, files enter its cache


def reproduce(
    store: Path,
    recipes: Sequence[Path],
    out: Path,
    results: Path,
    seeds: int = 1,
    steps: int | None = None,
    minutes: float | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Run each recipe with seeds 0, 1, … for equal ``steps`` or for equal ``minutes`` of training; returns the results.

    Runs lie in ``out/<budget>/<recipe>-<seed>``. Raises ValueError unless exactly one budget is given.
    """
    if (steps is None) == (minutes is None):
        raise ValueError("expected either --steps or --minutes: all rows get the same of one")
    budget = f"{steps} steps" if steps is not None else f"{minutes:g} minutes"
    written = []
    for seed in range(seeds):
        for recipe in recipes:
            path = result_file(results, recipe.stem, seed, budget)
            if not path.is_file():
                run = out / budget.replace(" ", "-") / f"{recipe.stem}-{seed}"
                say(f"--- {recipe.stem}, seed {seed}, {budget}")
                length = steps or steps_within(
                    60 * (minutes or 0), recipe, store, run.with_name(f"{recipe.stem}-timing")
                )
                path = write_result(_row(store, recipe, run, seed, length, budget, say), results)
            written.append(path)
    return written


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


def _row(
    store: Path, recipe: Path, run: Path, seed: int, steps: int, budget: str, say: Callable[[str], None]
) -> Result:
    pretrain(load_recipe(recipe, ["--duration", f"{steps} steps", "--seed", str(seed)]), store, run, resume=True)
    figures = evaluate(run, store, say=say)
    seconds = float(read_log(RunFolder(run).log)[-1]["seconds"])
    kept = {key: figures[key].to_json() for key in (*COLUMNS.values(), *UNTRAINED.values()) if key in figures}
    return Result(recipe.stem, seed, budget, steps, seconds, Store.open(store).fingerprint, _machine(), kept)


def _machine() -> str:
    """The GPU's name, or the processor's and how many threads compute."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    known = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in known.read_text().splitlines() if line.startswith("model name")]
        if known.is_file()
        else []
    )
    threads = torch.get_num_threads()
    return f"{names[0] if names else platform.machine()}, {threads} thread{'s' * (threads > 1)}"
