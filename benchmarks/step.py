"""Speed of one training step: ``python benchmarks/step.py --config tiny --data runs/demo/store``.

Prints samples/s, MFU, peak memory and the share of data loading, as the table of docs/performance.md. MFU is the share
of the machine's own speed that the arithmetic of the step reaches: a large matrix product in the step's precision is
timed in the same process, before and after. The arithmetic is counted by torch over forward and backward of a real
step: matrix products, convolutions and attention, of student and teacher.
"""

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from unimedi.inputs.batch import MixedBatch
from unimedi.inputs.dataset import TrainingSteps, training_loader
from unimedi.inputs.store import Store
from unimedi.optimization.optimizer import OPTIMIZERS
from unimedi.optimization.precision import choose_precision, processor
from unimedi.optimization.schedule import EpochLength
from unimedi.pretraining.build import build
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.step import Pretraining

WARM_UP = 3  # steps before the clock: page faults, threads and kernels settle
PRODUCT_SIZE = 2048  # rows of the square matrices of the machine's own figure


@dataclass(frozen=True)
class Measured:
    """What a run of steps cost; times in seconds, medians over the steps."""

    step: float
    data: float
    flops: float
    product: float  # FLOP/s of the machine's matrix product
    memory: float  # GiB, the process's peak
    radiographs: int
    volumes: int
    threads: int
    precision: str
    allocator: str

    def rows(self) -> dict[str, str]:
        whole = self.step + self.data
        return {
            "processor": processor("cpu")[0],
            "batch": f"{self.radiographs} X-rays + {self.volumes} CTs",
            "precision, threads": f"{self.precision}, {self.threads}",
            "allocator": self.allocator,
            "seconds a step": f"{whole:.2f}",
            "samples/s": f"{(self.radiographs + self.volumes) / whole:.1f}",
            "… X-rays/s + CTs/s": f"{self.radiographs / whole:.1f} + {self.volumes / whole:.1f}",
            "GFLOP a step": f"{self.flops / 1e9:.0f}",
            "matrix product, GFLOP/s": f"{self.product / 1e9:.0f}",
            "MFU": f"{self.flops / self.step / self.product:.2f}",
            "peak memory, GiB": f"{self.memory:.2f}",
            "share of data loading": f"{self.data / whole:.1%}",
        }


def _forward_flop(query: list[int], key: list[int], value: list[int], *_: object, **__: object) -> int:
    return int(sdpa_flop_count(query, key, value))


def _backward_flop(
    grad: list[int], query: list[int], key: list[int], value: list[int], *_: object, **__: object
) -> int:
    return int(sdpa_backward_flop_count(grad, query, key, value))


# torch's counter knows the fused attention of GPUs only; this is the CPU's.
CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _forward_flop,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _backward_flop,
}


def matrix_product(dtype: torch.dtype) -> float:
    """FLOP/s of a square matrix product, the best of five."""
    a, b = torch.randn(2, PRODUCT_SIZE, PRODUCT_SIZE).to(dtype)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        _ = a @ b
        times.append(time.perf_counter() - start)
    return 2 * PRODUCT_SIZE**3 / min(times)


def precision_of(recipe: Recipe) -> tuple[torch.dtype, AbstractContextManager[object]]:
    if choose_precision(recipe.precision, "cpu")[0] == "bf16":
        return torch.bfloat16, torch.autocast("cpu", torch.bfloat16)
    return torch.float32, nullcontext()


def one_step(
    module: Pretraining, optimizer: torch.optim.Optimizer, recipe: Recipe, clip: float
) -> Callable[[MixedBatch, int], None]:
    """Forward, backward, clipping, optimiser and teacher, as the loop does them."""

    def run(batch: MixedBatch, step: int) -> None:
        with precision_of(recipe)[1]:
            output = module(batch, step)
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        module.after_step(step)

    return run


def measure(recipe: Recipe, store: Store, steps: int) -> Measured:
    """Time ``steps`` steps with every part of the method on: selection by the teacher and both distillation losses."""
    always = replace(recipe.distillation, ramp_start="0 percent", ramp_end="0 percent")
    recipe = replace(recipe, distillation=always, selection=replace(recipe.selection, warmup="0 percent"))
    epoch_length = EpochLength(recipe.batch.radiographs + recipe.batch.volumes, 1)
    total = WARM_UP + steps + 1
    module, processor = build(recipe, store, total, epoch_length)
    module.train()
    settings = recipe.optimization
    build_optimizer = OPTIMIZERS[settings.algorithm]
    optimizer = build_optimizer(module, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)
    loader = training_loader(TrainingSteps(store, recipe.batch, processor.text, recipe.seed, total), range(total))
    run = one_step(module, optimizer, recipe, settings.max_grad_norm)
    dtype, _ = precision_of(recipe)
    product = matrix_product(dtype)
    data_times, step_times = [], []
    for step in range(WARM_UP + steps):
        start = time.perf_counter()
        batch = next(loader)
        loaded = time.perf_counter()
        run(batch, step)
        data_times.append(loaded - start)
        step_times.append(time.perf_counter() - loaded)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts in KiB
    with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
        run(next(loader), total - 1)
    return Measured(
        step=statistics.median(step_times[WARM_UP:]),
        data=statistics.median(data_times[WARM_UP:]),
        flops=float(counter.get_total_flops()),
        product=max(product, matrix_product(dtype)),
        memory=memory,
        radiographs=recipe.batch.radiographs,
        volumes=recipe.batch.volumes,
        threads=torch.get_num_threads(),
        precision=choose_precision(recipe.precision, "cpu")[0],
        allocator="keeps its memory" if os.environ.get("MALLOC_MMAP_MAX_") == "0" else "glibc's default",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="tiny")
    parser.add_argument("--data", type=Path, required=True, help="a store made by `unimedi prepare`")
    parser.add_argument("--steps", type=int, default=10)
    given = parser.parse_args()
    recipe = load_recipe(given.config)
    measured = measure(recipe, Store.open(given.data, expect=recipe.preprocess), given.steps)
    print("| | |\n|---|---|")
    for name, value in measured.rows().items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
