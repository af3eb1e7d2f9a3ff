"""What a run will take, before it is begun: steps, arithmetic, time, memory, storage, reading.

From the sizes of the recipe and a few constants, each with its source (``SOURCES``).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from transformers import BertConfig

from unimedi.cohort.image_kind import ImageKind
from unimedi.model.config import UniMediConfig
from unimedi.model.unimedi import UniMediModel
from unimedi.objectives.dino_head import DinoHead
from unimedi.optimization.precision import choose_precision, processor, product_speed
from unimedi.optimization.schedule import steps
from unimedi.pretraining.build import model_config, text_config
from unimedi.pretraining.engine import device_type
from unimedi.pretraining.epoch_length import epoch_length_for, with_what_is_there
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.step_flops import step_flops, total

# FLOP/s of a bf16 product without sparsity, of the makers' data sheets.
GPUS: Final[Mapping[str, float]] = {"a100": 312e12, "l40s": 362e12, "h100": 989e12, "h200": 989e12}
GPU_MFU: Final = 0.35
CPU_MFU: Final[Mapping[int, float]] = {128: 0.41, 384: 0.55}  # by channels of E_v
TIMED: Final = 5  # times that a product is timed here, the best counts: others may use the machine
CLINICAL_BERT: Final = 28_996  # words of Bio_ClinicalBERT
WORDS: Final = 45.0  # tokens of a report
STORED: Final[Mapping[ImageKind, float]] = {ImageKind.XRAY: 0.62, ImageKind.CT: 0.58}  # of the bytes of an array
BYTES: Final = 4  # weights, gradients, moments and the teacher are fp32

SOURCES: Final = (
    f"MFU of a GPU {GPU_MFU}: assumed, nothing was measured on one",
    f"MFU of a CPU, by channels of E_v: {', '.join(f'{width}: {mfu}' for width, mfu in CPU_MFU.items())}, between "
    "them by the logarithm: benchmarks/step.py, tiny and small, an EPYC with AVX2 (docs/performance.md)",
    f"{WORDS:.0f} tokens a report; a store of {STORED[ImageKind.XRAY]} (X-rays) and {STORED[ImageKind.CT]} (CTs) of "
    f"the bytes of its arrays: the phantom's, tiny",
)


@dataclass(frozen=True)
class Plan:
    """Of a whole run; bytes and seconds."""

    studies: dict[ImageKind, int]
    images_a_step: int
    steps_an_epoch: int
    steps: int
    parameters: int  # of the student with its head
    flops_a_step: float
    seconds_a_step: float
    fixed_memory: int  # of one device: weights, gradients, moments, teacher
    store: float
    reading: float  # bytes/s a machine

    @property
    def seconds(self) -> float:
        return self.steps * self.seconds_a_step


def plan(
    recipe: Recipe,
    studies: Mapping[ImageKind, int],
    devices: int,
    nodes: int,
    speed: float,
    mfu: float,
    words: float = WORDS,
) -> Plan:
    """What ``recipe`` takes on ``nodes`` machines of ``devices`` devices each.

    Args:
        recipe: as of a run; a pretrained text encoder counts as a BERT-base.
        studies: for training, with a report, by kind of image.
        devices: of a machine.
        nodes: machines.
        speed: FLOP/s of a large product on a device.
        mfu: share of it that a step reaches.
        words: tokens of a report, the mean.

    Raises:
        TrainingError: no studies, or micro-batches that do not make up ``batch.effective``.
    """
    epoch = epoch_length_for(recipe, studies, devices * nodes)
    recipe = with_what_is_there(recipe, studies)
    bert = dict(BertConfig(vocab_size=CLINICAL_BERT).to_dict())
    config = model_config(recipe, bert if recipe.text.pretrained else text_config(recipe, recipe.text.vocab_size))
    with torch.device("meta"):
        head = recipe.distillation
        sizes = head.head_hidden_size, head.head_bottleneck_size, head.prototypes
        modules = (UniMediModel(config), DinoHead(config.hidden_size, *sizes))
    parameters = sum(weight.numel() for module in modules for weight in module.parameters())
    flops = float(
        total(step_flops(recipe, config, min(words, float(config.text_length)), epoch.micro_batches).values())
    )
    step = flops / (speed * mfu)
    size = {kind: stored_bytes(config, kind) for kind in ImageKind}
    batch = {ImageKind.XRAY: recipe.batch.radiographs, ImageKind.CT: recipe.batch.volumes}
    passes = 2 if epoch.micro_batches > 1 and recipe.contrastive_weight else 1
    read = sum(size[kind] * count for kind, count in batch.items()) * epoch.micro_batches * passes
    return Plan(
        studies=dict(studies),
        images_a_step=epoch.examples_per_step,
        steps_an_epoch=epoch.steps_per_epoch,
        steps=steps(recipe.duration, epoch),
        parameters=parameters,
        flops_a_step=flops * devices * nodes,
        seconds_a_step=step,
        fixed_memory=parameters * BYTES * 5,  # weight, gradient, two moments, teacher
        store=sum(size[kind] * count for kind, count in studies.items()),
        reading=read * devices / step,
    )


def stored_bytes(config: UniMediConfig, kind: ImageKind) -> float:
    """Of one study in the store, int16, packed."""
    shapes = config.preprocess or {}
    shape = shapes["radiograph_size"] if kind is ImageKind.XRAY else shapes["hires_shape"]
    return float(2 * math.prod(shape) * STORED[kind])


def speed_of(recipe: Recipe, gpu: str) -> tuple[float, float, str]:
    """FLOP/s of a large product, the share of it that a step reaches, and what it is, for a key of ``GPUS`` or "this"
    machine, whose product is timed now."""
    if gpu in GPUS:
        return GPUS[gpu], GPU_MFU, f"{gpu.upper()}, bf16"
    device = device_type()
    precision, _ = choose_precision(recipe.precision, device)
    mfu = GPU_MFU if device == "cuda" else cpu_mfu(recipe.model.hidden_size)
    speed = max(product_speed(device, precision) for _ in range(TIMED))
    return speed, mfu, f"{processor(device)[0]}, {precision}, timed now"


def cpu_mfu(channels: int) -> float:
    """The share of a large product's speed that a step reaches on a CPU: wide layers come closer to it."""
    return float(np.interp(math.log(channels), [math.log(width) for width in CPU_MFU], [*CPU_MFU.values()]))


def as_text(planned: Plan, ranks: int, what: str, speed: float, mfu: float) -> str:
    """A line a figure, and where the constants come from."""
    kinds = ", ".join(f"{count:,} {kind.label}s" for kind, count in planned.studies.items())
    hours = planned.seconds / 3600
    step, whole = planned.flops_a_step / 1e12, planned.flops_a_step * planned.steps / 1e18
    weights, fixed = planned.parameters / 1e6, planned.fixed_memory / 1e9
    rows = {
        "studies": kinds,
        "devices": f"{ranks} x {what}: {speed / 1e12:.3g} TFLOP/s, MFU {mfu:.2g}",
        "steps": f"{planned.steps:,} of {planned.images_a_step:,} images; an epoch has {planned.steps_an_epoch:,}",
        "arithmetic": f"{step:.3g} TFLOP a step, {whole:.3g} EFLOP in all",
        "time": f"{planned.seconds_a_step:.3g} s a step, {hours:.3g} hours, {hours * ranks:.3g} device hours",
        "memory": f"{weights:.0f} million weights: {fixed:.2g} GB on each device, without activations",
        "storage": f"{planned.store / 1e9:,.3g} GB",
        "reading": f"{planned.reading / 1e6:.3g} MB/s a machine",
    }
    lines = [f"{name:<12}{row}" for name, row in rows.items()]
    return "\n".join([*lines, "", *(f"- {source}" for source in SOURCES)])
