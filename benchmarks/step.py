"""What a training step costs, against its floor: ``python benchmarks/step.py --config tiny --data runs/demo/store``.

Prints the machine's ceilings, the parts of a step with their arithmetic and seconds, the whole step, and the same step
written naively (naive_step.py), all in one run; with ``--compiled`` also with E_v's layers compiled. MFU is the share
of a time that the arithmetic alone would take: "own" by the products in the model's own shapes, timed alone
(own_products.py), "large" by a large matrix product. The ways to take the whole step take turns, each in processes of
their own. Without ``--data`` a store of noise is made.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from naive_step import make_naive, naive_after_step, naive_loss
from own_memory import own_memory
from own_products import Arithmetic, OwnProducts
from torch import Tensor

from unimedi.cohort.study import Modality, Split
from unimedi.inputs.batch import MixedBatch
from unimedi.inputs.dataset import TrainingSteps, training_loader
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.sampling import generator_of
from unimedi.inputs.store import Store, StoredStudy
from unimedi.inputs.store_writer import Record, write_store
from unimedi.model.vision_encoder import Tokens
from unimedi.objectives.distillation import distillation_loss
from unimedi.optimization.optimizer import OPTIMIZERS
from unimedi.optimization.precision import choose_precision, processor, product_speed
from unimedi.optimization.schedule import EpochLength
from unimedi.pretraining.build import build
from unimedi.pretraining.engine import device_type
from unimedi.pretraining.gradient_cache import Pairs
from unimedi.pretraining.masking import random_mask
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.step import Pretraining

OURS, COMPILED, NAIVE = "ours", "ours, E_v's layers compiled", "naive"
KEEPS_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "16000000000", "MALLOC_TOP_PAD_": "268435456"}
WORDS = ("no", "small", "nodule", "mass", "left", "right", "lung", "upper", "lower", "effusion", "clear", "heart")


@dataclass(frozen=True)
class Effort:
    """How often things are measured; medians count."""

    repeats: int = 5  # of each part
    turns: int = 2  # of each way to take the whole step
    warm_up: int = 3  # steps before the clock: page faults, threads and kernels settle
    steps: int = 8  # in each turn


ONCE = Effort(repeats=1, turns=1, warm_up=1, steps=1)


@dataclass(frozen=True)
class Part:
    """A part of a step: FLOP, seconds, and the seconds that its products take alone."""

    name: str
    forward: float
    backward: float
    flops: float
    products: float


@dataclass(frozen=True)
class Whole:
    """Steps in a process of their own; seconds are medians, memory is GiB at the peak."""

    step: float
    data: float
    memory: float
    loss: float
    start: float  # the first step


def noise_store(path: Path, recipe: Recipe) -> Store:
    """As many studies of noise as a step has, with reports of random words."""
    draws, preprocess = np.random.default_rng(0), Preprocess.of(recipe.preprocess)

    def records() -> Iterator[Record]:
        kinds = [Modality.DX] * recipe.batch.radiographs + [Modality.CT] * recipe.batch.volumes
        for number, modality in enumerate(kinds):
            flat = modality is Modality.DX
            shape = preprocess.radiograph_size if flat else preprocess.hires_shape
            pixels = draws.integers(0, 4096, shape) if flat else draws.integers(-1000, 1000, shape)
            report = ". ".join(" ".join(draws.choice(WORDS, 9)) for _ in range(5)) + "."
            study = StoredStudy(f"s{number}", f"p{number}", modality, Split.TRAIN, report, spacing=(1.0,) * len(shape))
            yield Record(study, pixels.astype(np.int16))

    return write_store(path, records(), preprocess)


@dataclass
class Made:
    """What a run of steps needs."""

    module: Pretraining
    optimizer: torch.optim.Optimizer
    studies: TrainingSteps
    precision: str

    def computing(self) -> Any:
        return torch.autocast(device_type(), torch.bfloat16) if self.precision == "bf16" else nullcontext()


def make(config: str, words: list[str], data: Path) -> Made:
    """A recipe with every part of the method on from the first step, and a fresh module."""
    recipe = load_recipe(config, words)
    recipe = replace(
        recipe,
        distillation=replace(recipe.distillation, ramp_start="0 percent", ramp_end="0 percent"),
        selection=replace(recipe.selection, warmup="0 percent"),
    )
    store = Store.open(data, expect=recipe.preprocess)
    module, reader = build(recipe, store, 100, EpochLength(recipe.batch.radiographs + recipe.batch.volumes, 1))
    module.train().to(device_type())
    settings = recipe.optimization
    optimizer = OPTIMIZERS[settings.algorithm](module, settings.learning_rate, settings.weight_decay)
    studies = TrainingSteps(store, recipe.batch, reader.text, recipe.seed, 100)
    return Made(module, optimizer, studies, choose_precision(recipe.precision, device_type())[0])


def measure_whole(config: str, words: list[str], data: Path, effort: Effort, way: str) -> Whole:
    """Forward, backward, clipping, optimiser and teacher, in one of the WAYS."""
    made = make(config, words, data)
    module, device, naive = made.module, device_type(), way == NAIVE
    if naive:
        make_naive(module)
    if way == COMPILED:
        for layer in (*module.student.vision.layers, *module.teacher.vision.layers):
            layer.compile()
    batches = (made.studies[n] for n in range(100)) if naive else training_loader(made.studies, range(100))
    step_times, data_times, first = [], [], 0.0
    with own_memory() as peak:
        for step in range(effort.warm_up + effort.steps):
            start = time.perf_counter()
            batch = next(batches).to(device)
            loaded = time.perf_counter()
            with made.computing():
                loss = naive_loss(module, batch, step) if naive else module(batch, step).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), module.recipe.optimization.max_grad_norm)
            made.optimizer.step()
            made.optimizer.zero_grad()
            naive_after_step(module, step) if naive else module.after_step(step)
            _wait()
            first = first or float(loss.detach())
            data_times.append(loaded - start)
            step_times.append(time.perf_counter() - loaded)
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else max(peak)
    step, waited = (statistics.median(times[effort.warm_up :]) for times in (step_times, data_times))
    return Whole(step, waited, memory / 2**30, first, step_times[0])


def measure_parts(config: str, words: list[str], data: Path, effort: Effort) -> tuple[list[Part], dict[str, float]]:
    """Every part by itself, forward and backward, on one batch; and the machine's ceilings."""
    made = make(config, words, data)
    module, batch, known = made.module, made.studies[0].to(device_type()), dict[tuple[Any, ...], float]()
    for step in range(2):
        with made.computing():
            loss = module(batch, step).loss
        loss.backward()
        made.optimizer.step()
    parts = []
    for name, run in parts_of(module, batch):
        times, arithmetic = [_both(made, run) for _ in range(effort.repeats)], Arithmetic()
        with arithmetic:
            _both(made, run)
        alone = arithmetic.alone(known)
        forward, backward = (statistics.median(part) for part in zip(*times, strict=True))
        parts.append(Part(name, forward, backward, alone.flops, alone.seconds))
    for name, call in (
        ("clipping, optimiser", lambda: _optimise(made)),
        ("teacher follows", lambda: module.after_step(1)),
    ):
        seconds = statistics.median(_timed(call) for _ in range(effort.repeats))
        parts.append(Part(name, seconds, 0.0, 0.0, 0.0))
    whole = Arithmetic()
    with whole, made.computing():
        module(batch, 1).loss.backward()
    own: OwnProducts = whole.alone(known)
    copied = torch.empty(2**27, dtype=torch.uint8, device=device_type())
    copy = min(_timed(lambda: copied.clone()) for _ in range(5))
    ceilings = {
        "large product": product_speed(device_type(), made.precision),
        "own products": own.flops / own.seconds,
        "copy, GB/s": 2 * copied.numel() / copy / 1e9,
        "flops": own.flops,
        "products": own.seconds,
    }
    return parts, ceilings


def parts_of(module: Pretraining, batch: MixedBatch) -> Iterator[tuple[str, Callable[[], list[Tensor]]]]:
    """Name and forward pass of each part; what comes from the part before is a leaf."""
    student, teacher, settings = module.student, module.teacher, module.recipe.distillation
    generator = generator_of(module.recipe.seed, 1, 0)
    images, _ = module.image_batches(batch, 1, generator)
    depth = [each.slices.depth for each in images if each.slices is not None]
    planes = (torch.cat(depth) * student.preprocess.hires_shape[0]).long() if depth else None
    yield "normalise, cut slices", lambda: _nothing(module.image_batches(batch, 1, generator, planes))
    if planes is not None and batch.hires_volumes is not None:
        volumes, count = student.normalise(batch.hires_volumes)[: len(planes)], len(planes)
        yield "scoring", lambda: _nothing(module.select(batch.first_volumes(count), volumes, 1, generator))
    yield "T_2D and T_3D", lambda: [each.tokens(student).content for each in images]
    tokens = [_leaves(each.tokens(student)) for each in images]
    yield "E_v for L_vl", lambda: [student.vision(seen).cls for seen in tokens]
    yield "E_l", lambda: [student.text(batch.input_ids, batch.attention_mask)]
    cls = [student.vision(seen).cls.detach().float().requires_grad_() for seen in tokens]
    words = student.text(batch.input_ids, batch.attention_mask).detach().requires_grad_()

    def l_vl() -> list[Tensor]:
        states: dict[Any, list[Tensor]] = {}
        for each, rows in zip(images, cls, strict=True):
            states.setdefault(each.sequence(student), []).append(rows)
        projected = {kind: student.image_projection.project(torch.cat(rows)) for kind, rows in states.items()}
        reports = student.text_projection.project(words)
        return [module.l_vl(Pairs(projected, reports, batch.report_keys, module.learnt())).loss]

    yield "projections and L_vl", l_vl
    if module.distillation_weight(1) <= 0:
        return
    shown = [(each, seen) for each, seen in zip(images, tokens, strict=True) if not each.contrastive_only]
    of_kind = [sum(len(one.pixels) for one in images if one.kind is each.kind) for each, _ in shown]
    rows = [slice(0, max(1, round(settings.image_fraction * count))) for count in of_kind]
    masks = [
        random_mask(len(each.pixels[some]), seen.content.shape[1], settings.mask_ratio, generator).to(
            each.pixels.device
        )
        for (each, seen), some in zip(shown, rows, strict=True)
    ]
    given = list(zip(shown, rows, masks, strict=True))

    def of_teacher() -> list[Tensor]:
        with torch.no_grad():
            return [teacher.vision(each[some].tokens(teacher)).patches for (each, _), some, _ in given][:0]

    yield "teacher", of_teacher
    yield "student, masked", lambda: [student.vision(seen[some], mask=mask).patches for (_, seen), some, mask in given]
    seen_by = [
        [
            vision(each[some].tokens(model)).patches.flatten(0, 1)[mask.flatten()].detach().requires_grad_()
            for model, vision in ((student, student.vision), (teacher, teacher.vision))
        ]
        for (each, _), some, mask in given
    ]

    def heads() -> list[Tensor]:
        losses = []
        for patches, whole in seen_by:
            with torch.no_grad():
                targets = module.targets.patches(module.teacher_head.patches(whole))
            losses.append(distillation_loss(module.student_head.patches(patches), targets))
        return losses

    yield "heads, L_icl, L_pcl", heads


def _leaves(tokens: Tokens) -> Tokens:
    content, position = (part.detach().requires_grad_() for part in (tokens.content, tokens.position))
    return Tokens(content, position, tokens.of_t2d)


def _nothing(_: object) -> list[Tensor]:
    """Of a part that no gradient comes back to."""
    return []


def _both(made: Made, run: Callable[[], list[Tensor]]) -> tuple[float, float]:
    """Seconds forward and backward."""
    outputs = list[Tensor]()

    def forward() -> None:
        with made.computing():
            outputs.extend(run())

    ahead = _timed(forward)
    trained = [output for output in outputs if output.requires_grad]
    back = (
        _timed(lambda: torch.autograd.backward(trained, [torch.ones_like(each) for each in trained]))
        if trained
        else 0.0
    )
    return ahead, back


def _optimise(made: Made) -> None:
    torch.nn.utils.clip_grad_norm_(made.module.parameters(), made.module.recipe.optimization.max_grad_norm)
    made.optimizer.step()


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    """Until a GPU has done what it was given."""
    if device_type() == "cuda":
        torch.cuda.synchronize()


def fresh(environment: dict[str, str], function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)`` in a process of its own, with these variables in place of any allocator's settings."""
    before = dict(os.environ)
    for name in KEEPS_MEMORY:
        os.environ.pop(name, None)
    os.environ.update(environment)
    try:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            return process.apply(function, arguments)
    finally:
        os.environ.clear()
        os.environ.update(before)


def printed(parts: list[Part], ceilings: dict[str, float], ways: dict[str, list[Whole]], images: int) -> None:
    """The tables of docs/performance.md."""
    large, step = ceilings["large product"], statistics.median(whole.step for whole in ways[OURS])
    print(f"large product {large / 1e9:.0f} GFLOP/s, the model's own products {ceilings['own products'] / 1e9:.0f}, "
          f"copy {ceilings['copy, GB/s']:.1f} GB/s; a step has {ceilings['flops'] / 1e9:.1f} GFLOP\n")  # fmt: skip
    print("| part | GFLOP | forward, ms | backward, ms | share of the step | MFU, own | MFU, large |")
    print("|---|---|---|---|---|---|---|")
    for part in parts:
        seconds = part.forward + part.backward
        shares = f"{part.products / seconds:.2f} | {part.flops / seconds / large:.2f}" if part.flops else " | "
        times = (
            f"{1e3 * part.forward:.1f} | {1e3 * part.backward:.1f}" if part.backward else f"{1e3 * part.forward:.1f} | "
        )
        print(f"| {part.name} | {part.flops / 1e9:.2f} | {times} | {seconds / step:.0%} | {shares} |")
    sums = sum(part.forward + part.backward for part in parts)
    own = f"{ceilings['products'] / step:.2f} | {ceilings['flops'] / step / large:.2f}"
    covered = f"{sums / step:.0%} of it in the parts above"
    print(f"| **the step** ({covered}) | {ceilings['flops'] / 1e9:.2f} | {1e3 * step:.1f} | | | {own} |")
    print("\n| step | s a step | waiting for data | samples/s | memory, GiB | loss of the first | s for the first |")
    print("|---|---|---|---|---|---|---|")
    rates = {}
    for name, wholes in ways.items():
        whole = statistics.median(each.step + each.data for each in wholes)
        waits = statistics.median(each.data / (each.step + each.data) for each in wholes)
        memory, start = max(each.memory for each in wholes), statistics.median(each.start for each in wholes)
        rates[name] = (images / whole, memory)
        print(f"| {name} | {whole:.3f} | {waits:.1%} | {images / whole:.1f} | {memory:.2f} | {wholes[0].loss:.5f} | "
              f"{start:.1f} |")  # fmt: skip
    rate, memory = (ours / naive for ours, naive in zip(rates[OURS], rates[NAIVE], strict=True))
    print(f"\nours: {rate:.2f} times the samples/s of the naive step, {memory:.2f} of its memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="tiny")
    parser.add_argument("--data", type=Path, help="a store made by `unimedi prepare` (default: noise)")
    parser.add_argument("--once", action="store_true", help="everything once: for steps that take minutes")
    parser.add_argument("--whole", action="store_true", help="our whole step alone, and no tables")
    parser.add_argument("--compiled", action="store_true", help="also with torch.compile (needs a C++ compiler)")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    given, words = parser.parse_known_args()
    recipe = load_recipe(given.config, words)
    precision, _ = choose_precision(recipe.precision, device_type())
    with tempfile.TemporaryDirectory() as folder:
        data = given.data or noise_store(Path(folder) / "store", recipe).path
        work, effort = (given.config, words, data), ONCE if given.once else Effort()
        parts, ceilings = ([], {}) if given.whole else fresh(KEEPS_MEMORY, measure_parts, *work, effort)
        left_out = {COMPILED, NAIVE} if given.whole else set() if given.compiled else {COMPILED}
        ways: dict[str, list[Whole]] = {way: [] for way in (OURS, COMPILED, NAIVE) if way not in left_out}
        for _ in range(effort.turns):
            for way, wholes in ways.items():
                wholes.append(fresh({} if way == NAIVE else KEEPS_MEMORY, measure_whole, *work, effort, way))
    batch = recipe.batch
    print(f"{processor(device_type())[0]}, {precision}, {torch.get_num_threads()} thread(s), recipe {given.config}, "
          f"{batch.radiographs} X-rays + {batch.volumes} CTs\n")  # fmt: skip
    if not given.whole:
        printed(parts, ceilings, ways, batch.radiographs + batch.volumes)
    if given.json:
        figures = {
            "ceilings": ceilings,
            **{name: [asdict(each) for each in rows] for name, rows in (("parts", parts), *ways.items())},
        }
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
