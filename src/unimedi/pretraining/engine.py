"""The engine under the loop: devices, processes, precision; and the switches that make its sums repeatable."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy
from torch.utils import deterministic


def make_fabric(precision: str, devices: int) -> Fabric:
    """Start ``devices`` processes, one a GPU where there are any, else on the CPU over gloo; ``fp32`` or ``bf16``."""
    fabric = Fabric(
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=devices,
        # A step may leave a parameter out: [MASK] before distillation begins, T_3D in a run on radiographs.
        strategy=DDPStrategy(find_unused_parameters=True) if devices > 1 else "auto",
        precision="bf16-mixed" if precision == "bf16" else "32-true",
    )
    fabric.launch()
    return fabric


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
