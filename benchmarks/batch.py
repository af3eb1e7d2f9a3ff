"""Memory and time of a step by its batch: ``python benchmarks/batch.py --config tiny --data runs/demo/store``.

The same studies a step in one micro-batch, in several with cached gradients (``batch.effective``), with activation
checkpointing, with both, and with the sigmoid loss. Each row is a process of its own; its memory is the highest that it
had, without the pages of the store that are mapped into it. The others are compared with the first row. Every part of
the method is on.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from own_memory import own_memory

from unimedi.experiments.registry import EXPERIMENTS
from unimedi.inputs.dataset import training_loader
from unimedi.inputs.store import Store
from unimedi.optimization.optimizer import OPTIMIZERS
from unimedi.optimization.precision import choose_precision, processor
from unimedi.pretraining.build import build
from unimedi.pretraining.engine import make_fabric
from unimedi.pretraining.epoch_length import epoch_length_of
from unimedi.pretraining.gradient_cache import twice
from unimedi.pretraining.loop import caches_gradients
from unimedi.pretraining.optimizer_step import OptimizerStep
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_file import load_recipe

WARM_UP = 2  # steps before the clock
SIZES = (64, 128, 256, 512)


@dataclass(frozen=True)
class Row:
    """One way to take a step: images a micro-batch and a step, and what is changed."""

    name: str
    micro: int
    images: int
    checkpointing: bool = False
    experiment: str = "none"


def rows(most: int) -> Iterator[Row]:
    """One micro-batch of the smallest size, then each size with cached gradients, then the other ways."""
    sizes = [size for size in SIZES if size <= most]
    least = sizes[0]
    yield Row("one micro-batch", least, least)
    for size in sizes[1:]:
        yield Row("gradients cached", least, size)
    yield Row("gradients cached, sigmoid loss", least, sizes[-1], experiment="sigmoid_loss")
    yield Row("gradients cached, activation checkpointing", least, sizes[-1], True)
    for size in sizes[1:]:
        yield Row("one micro-batch", size, size)
    yield Row("one micro-batch, activation checkpointing", sizes[-1], sizes[-1], True)


def recipe_of(recipe: Recipe, row: Row) -> Recipe:
    """The recipe's share of CTs in a micro-batch of that many images, from the first step on as after all ramps."""
    volumes = round(row.micro * recipe.batch.volumes / (recipe.batch.volumes + recipe.batch.radiographs))
    return replace(
        recipe,
        experiment=row.experiment,
        batch=replace(recipe.batch, radiographs=row.micro - volumes, volumes=volumes, effective=row.images),
        optimization=replace(recipe.optimization, activation_checkpointing=row.checkpointing),
        distillation=replace(recipe.distillation, ramp_start="0 percent", ramp_end="0 percent"),
        selection=replace(recipe.selection, warmup="0 percent"),
    )


def measure(config: str, data: Path, row: Row, steps: int) -> tuple[float, float]:
    """Seconds an image, the median of ``steps`` steps, and GiB of memory at the peak."""
    recipe = recipe_of(load_recipe(config), row)
    store = Store.open(data, expect=recipe.preprocess)
    length = epoch_length_of(recipe, store, 1)
    variant, total = EXPERIMENTS[recipe.experiment], WARM_UP + steps
    module, reader = build(recipe, store, total, length, variant)
    settings, count = recipe.optimization, length.micro_batches
    optimizer = OPTIMIZERS[settings.algorithm](module, settings.learning_rate, settings.weight_decay)
    cached = caches_gradients(recipe, length)
    fabric = make_fabric(choose_precision(recipe.precision, "cpu")[0], 1)
    update = OptimizerStep(fabric, module, optimizer, 0, count, settings.max_grad_norm, cached)
    studies = variant.data(store, recipe.batch, reader.text, 0, total * count)
    batches = training_loader(studies, twice(range(total * count), count) if cached else range(total * count))
    times = []
    with own_memory() as peak:
        for step in range(total):
            start = time.perf_counter()
            update.update(batches, step, settings.learning_rate)
            times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_UP:]) / row.images, max(peak) / 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="tiny")
    parser.add_argument("--data", type=Path, required=True, help="a store made by `unimedi prepare`")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="images of the largest step")
    given = parser.parse_args()
    precision = choose_precision(load_recipe(given.config).precision, "cpu")[0]
    print(f"{processor('cpu')[0]}, {precision}, {torch.get_num_threads()} thread(s), recipe {given.config}\n")
    print("| step | images | at once | ms an image | times the first | memory, GiB | times the first |")
    print("|---|---|---|---|---|---|---|")
    first = None
    for row in rows(given.most):
        with multiprocessing.get_context("spawn").Pool(1) as process:
            seconds, memory = process.apply(measure, (given.config, given.data, row, given.steps))
        first = first or (seconds, memory)
        times = f"{1e3 * seconds:.1f} | {seconds / first[0]:.2f} | {memory:.2f} | {memory / first[1]:.2f}"
        print(f"| {row.name} | {row.images} | {row.micro} | {times} |", flush=True)


if __name__ == "__main__":
    main()
