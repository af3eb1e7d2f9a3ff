"""A plan beside what a run then takes: ``python benchmarks/planned.py --data runs/demo/store``.

Two runs, of `tiny` and of `small` (fewer images a step, a store of noise): what `unimedi plan` says of a step on this
machine, with its own constants, and the mean step of the run. The large product is timed before and after, and the
better one counts, as the speed of a machine that others use changes.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from step import noise_store

from unimedi.cohort.image_kind import ImageKind
from unimedi.files.json_lines import read_json_lines
from unimedi.inputs.store import Store
from unimedi.optimization.precision import choose_precision, processor
from unimedi.pretraining.loop import pretrain
from unimedi.pretraining.plan import plan, speed_of
from unimedi.pretraining.recipe_file import load_recipe

ON = (
    "--distillation.ramp_start",
    "0 percent",
    "--distillation.ramp_end",
    "0 percent",
    "--selection.warmup",
    "0 percent",
)
SMALL = ("--batch.radiographs", "8", "--batch.volumes", "2")
RUNS = (("tiny", ON, 30), ("small", (*ON, *SMALL), 6))


def row(config: str, words: tuple[str, ...], steps: int, data: Path | None, folder: Path) -> str:
    """A row of the table; the first step is left out on both sides, as it also waits for memory and data."""
    recipe = load_recipe(config, [*words, "--duration", f"{steps} steps"])
    store = Store.open(data, expect=recipe.preprocess) if data else noise_store(folder / "store", recipe)
    studies = {kind: len(store.select(split="train", image_kind=kind, reported=True)) for kind in ImageKind}
    before, mfu, _ = speed_of(recipe, "this")
    pretrain(recipe, store.path, folder / config)
    after, _, _ = speed_of(recipe, "this")
    planned = plan(recipe, studies, 1, 1, max(before, after), mfu)
    seconds = [float(line["seconds"]) for line in read_json_lines(folder / config / "log.jsonl")]
    measured = (seconds[-1] - seconds[0]) / (len(seconds) - 1)
    expected = planned.seconds_a_step
    times = f"{expected:.2f} | {measured:.2f} | {expected / measured - 1:+.0%}"
    return f"| {config} | {planned.images_a_step} | {before / 1e9:.0f}, {after / 1e9:.0f} | {times} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a store of `tiny`, made by `unimedi prepare`")
    given = parser.parse_args()
    precision = choose_precision("auto", "cpu")[0]
    print(f"{processor('cpu')[0]}, {precision}, {torch.get_num_threads()} thread(s)\n")
    print("| recipe | images a step | large product, GFLOP/s, before, after | planned, s | measured, s | error |")
    print("|---|---|---|---|---|---|")
    for config, words, steps in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            print(row(config, words, steps, given.data if config == "tiny" else None, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
