"""The losses of twenty steps of each method, as text: ``python -m tests.pretraining.golden`` writes them anew.

To be written anew only where a change of the method is meant: the commit then says which losses moved, and why.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.pretraining.toy_run import RECIPE, toy_recipe, toy_store

ASSETS = Path(__file__).parents[1] / "assets" / "golden"
STEPS = 20
LOSSES = ("loss", "l_vl", "l_icl", "l_pcl")
BOTH = {"radiographs": 6, "volumes": 6}
METHODS: dict[str, dict[str, Any]] = {
    "unimedi": {"batch": BOTH},
    "joint": {"method": "joint", "batch": BOTH},
    "convirt-xray": {"method": "convirt", "batch": BOTH | {"volumes": 0}},
    "convirt-ct": {"method": "convirt", "batch": BOTH | {"radiographs": 0}},
}
# Gentler than the toy run, which collapses within these steps: where everything is 0 little can be seen.
SETTINGS: dict[str, Any] = {
    "duration": f"{STEPS} steps",
    "selection": {"warmup": "10 percent"},
    "distillation": RECIPE["distillation"] | {"targets": "sinkhorn", "ramp_end": "20 percent"},
    "teacher": {"momentum": 0.4, "final_momentum": 0.6},  # so low that it counts before the twentieth step
    "optimization": RECIPE["optimization"] | {"learning_rate": 1.0e-4},
}


def trained(name: str, folder: Path, run_name: str = "") -> list[dict[str, float]]:
    """The losses of each step of a run of ``unimedi pretrain`` on the store in ``folder``, fp32."""
    from unimedi.cli import main

    recipe = toy_recipe(folder / f"{name}.yaml", **SETTINGS, **METHODS[name])
    run = folder / (run_name or name)
    assert main(["pretrain", "--config", str(recipe), "--data", str(folder / "store"), "--out", str(run)]) == 0
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{loss: line[loss] for loss in LOSSES if loss in line} for line in lines]


def written(name: str) -> list[dict[str, float]]:
    """The same from the file that is kept."""
    header, *rows = (line.split() for line in (ASSETS / f"{name}.txt").read_text().splitlines())
    steps = [dict(zip(header[1:], row[1:], strict=True)) for row in rows]
    return [{loss: float(value) for loss, value in step.items() if value != "-"} for step in steps]


def text(steps: list[dict[str, float]]) -> str:
    """A line a step, seven digits; - where a loss had no weight yet."""
    losses = [loss for loss in LOSSES if any(loss in step for step in steps)]
    lines = [["step", *losses]]
    for number, step in enumerate(steps):
        lines.append([str(number), *(f"{step[loss]:.7g}" if loss in step else "-" for loss in losses)])
    return "".join(f"{' '.join(line)}\n" for line in lines)


def write() -> None:
    import torch

    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        toy_store(Path(folder) / "store")
        for name in METHODS:
            (ASSETS / f"{name}.txt").write_text(text(trained(name, Path(folder))))


if __name__ == "__main__":
    write()
