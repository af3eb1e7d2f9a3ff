"""The engine under the loop: devices, processes, precision; and the switches that make its sums repeatable."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy
from torch.utils import deterministic

from unimedi.optimization.precision import choose_precision, processor
from unimedi.pretraining.launcher import ranks_of


def device_type() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def make_fabric(precision: str, devices: int, nodes: int = 1) -> Fabric:
    """One rank a GPU where there are any, else on the CPU over gloo; ``fp32`` or ``bf16``.

    Where nobody has started the ranks, ``devices`` of them are started here.
    """
    devices, nodes = ranks_of(devices, nodes)
    fabric = Fabric(
        accelerator=device_type(),
        devices=devices,
        num_nodes=nodes,
        # A step may leave a parameter out: [MASK] before distillation begins, T_3D in a run on radiographs.
        strategy=DDPStrategy(find_unused_parameters=True) if devices * nodes > 1 else "auto",
        precision="bf16-mixed" if precision == "bf16" else "32-true",
    )
    fabric.launch()
    return fabric


def computing(asked: str, begun: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """The facts ``precision`` and ``processor`` for ``environment.json``, and lines for people.

    ``begun`` holds those facts of the run that is resumed, if any: its precision is kept on whatever machine.
    """
    device = device_type()
    name, _ = processor(device)
    kept, there = begun.get("precision"), begun.get("processor", name)
    precision, reason = choose_precision(kept or asked, device, "as this run began" if kept else "as asked for")
    lines = [f"precision: {reason}"]
    if there != name:
        lines.append(
            f"this run began on another machine ({there}): it goes on in {precision}, but no longer bit for bit as it "
            f"would have there"
        )
    return {"precision": precision, "processor": name}, lines


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Deterministic kernels and a fixed number of threads: sums in another order differ in the last bit."""
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        torch.get_num_threads(),
    )
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Meant to find bugs; here a pass over the memory of each fresh tensor.
        deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.set_num_threads(threads)
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        deterministic.fill_uninitialized_memory = before[2]  # type: ignore[attr-defined]
        torch.set_num_threads(before[3])
