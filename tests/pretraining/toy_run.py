"""A whole run at toy size: a store of noise, a recipe, and the real command line in a process that can be killed.

Processes are forked from a server that has imported torch once, so that a test may start many of them.
"""

import hashlib
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from unimedi.cohort.study import Modality, Split
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import Store, StoredStudy
from unimedi.inputs.store_writer import Record, write_store

PREPROCESS = {
    "radiograph_size": [32, 32],
    "hires_shape": [16, 32, 32],
    "volume_shape": [8, 16, 16],
    "slice_size": [32, 32],
}
RECIPE: dict[str, Any] = {
    "method": "unimedi",
    "duration": "24 steps",
    "precision": "fp32",  # in processes of their own too: no outcome depends on the CPU
    "checkpoint_every": "3 steps",
    "preprocess": PREPROCESS,
    "model": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "patch_size": 8,
        "slab_depth": 2,
        "slices": 2,
        "embedding_size": 16,
        "text_length": 32,
    },
    "text": {"vocab_size": 100, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    "batch": {"radiographs": 4, "volumes": 2},
    "distillation": {"prototypes": 16, "head_hidden_size": 32, "head_bottleneck_size": 8, "ramp_end": "50 percent"},
    "optimization": {"learning_rate": 1.0e-3, "warmup": "4 steps", "max_grad_norm": 1.0},
}
WORDS = ("no", "nodule", "mass", "left", "right", "lung", "upper", "lower", "effusion", "clear", "heart", "normal")
NOT_OF_THE_MATHEMATICS = ("seconds", "examples_per_second", "data_share", "mfu")

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["unimedi.pretraining.loop", "unimedi.pretraining.recipe_file", "torch.utils.tensorboard"]
)


def toy_store(path: Path, radiographs: int = 12, volumes: int = 8) -> Store:
    """Noise with reports of random words: enough to compute with, nothing to learn."""
    return write_store(path, _noise(radiographs, volumes), Preprocess.from_dict(PREPROCESS))


def _noise(radiographs: int, volumes: int) -> Iterator[Record]:
    draws = np.random.default_rng(0)
    for number in range(radiographs + volumes):
        modality = Modality.DX if number < radiographs else Modality.CT
        shape, low, high = ((32, 32), 0, 4096) if modality.ndim == 2 else ((16, 32, 32), -1000, 1000)
        report = f"{' '.join(draws.choice(WORDS, 8))}. {' '.join(draws.choice(WORDS, 6))}."
        study = StoredStudy(f"s{number}", f"p{number}", modality, Split.TRAIN, report, spacing=(1.0,) * modality.ndim)
        yield Record(study, draws.integers(low, high, shape).astype(np.int16))


def toy_recipe(path: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump({**RECIPE, **changes}))
    return path


def start(*words: object) -> BaseProcess:
    """``unimedi WORDS`` in a process of its own."""
    return in_process(command, [str(word) for word in words])


def in_process(function: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start ``function(*arguments)`` in a fresh process in which torch is already imported."""
    process = _context.Process(target=function, args=arguments)
    process.start()
    return process


def command(words: list[str]) -> None:
    import torch

    from unimedi.cli import main

    torch.set_num_threads(1)
    sys.exit(main(words))


def result(run: Path) -> dict[str, Any]:
    """What two runs that did the same have in common, to the last bit."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    states = sorted((run / "checkpoints").glob("step-*"))
    return {
        "log": [{k: v for k, v in line.items() if k not in NOT_OF_THE_MATHEMATICS} for line in lines],
        "weights": sha256(run / "pretrained" / "model.safetensors"),
        "state": {path.name: sha256(path / "tensors.safetensors") for path in states},
    }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
