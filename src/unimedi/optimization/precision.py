"""In which precision to compute: bf16 where the processor multiplies it in hardware, else fp32.

Without such hardware torch computes bf16 products one number after the other: 40 times slower than fp32 on a CPU with
AVX2 alone (docs/performance.md). ``mixed`` bf16 keeps weights, moments and losses in fp32 either way.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

PRECISIONS: Final = ("auto", "bf16", "fp32")
# Kinds of CPU by their flags, the fastest for us first: the name, the flag, whether it multiplies bf16.
_KINDS: Final = (
    ("AMX", "amx_bf16", True),
    ("AVX-512 bf16", "avx512_bf16", True),
    ("ARM bf16", "bf16", True),
    ("AVX-512", "avx512_f", False),
    ("AVX2", "avx2", False),
)
_SHORT: Final = 256  # rows of the matrices of a short product: 25 ms in bf16 without hardware
_LARGE: Final = 1024, 4096  # rows of a product that keeps a CPU, or a GPU, busy


def kind_of_cpu(flags: Mapping[str, object]) -> tuple[str, bool]:
    """What a CPU with these flags (torch's names) is called here, and whether it multiplies bf16 in hardware."""
    return next(((name, native) for name, flag, native in _KINDS if flags.get(flag)), ("another kind", False))


def processor(device: str) -> tuple[str, bool]:
    """What computes on ``device`` ("cpu" or "cuda"), as words, and whether it multiplies bf16 in hardware."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name(), torch.cuda.is_bf16_supported(including_emulation=False)
    kind, native = kind_of_cpu(torch.cpu.get_capabilities())
    return f"CPU with {kind}", native


def choose_precision(asked: str, device: str, who: str = "as asked for") -> tuple[str, str]:
    """``bf16`` or ``fp32`` for one of ``PRECISIONS``, and a line that says why; ``who`` asked, where it is not auto."""
    name, native = processor(device)
    if asked == "auto":
        return ("bf16", f"bf16 ({name})") if native else ("fp32", f"fp32 ({name}: no bf16 in hardware)")
    if asked == "bf16" and not native:
        slower = f"a short bf16 product took {_times_slower(device):.0f} times as long as in fp32"
        return asked, f"bf16, {who} ({name}: no bf16 in hardware, {slower})"
    return asked, f"{asked}, {who} ({name})"


def _times_slower(device: str) -> float:
    """Seconds of a short matrix product in bf16 over those in fp32, the best of three each."""
    import torch

    return _product_seconds(device, torch.bfloat16, _SHORT) / _product_seconds(device, torch.float32, _SHORT)


def product_speed(device: str, precision: str) -> float:
    """FLOP/s of a large matrix product on ``device`` in ``bf16`` or ``fp32``: what a step can be compared with."""
    import torch

    rows = _LARGE[device == "cuda"]
    return 2 * rows**3 / _product_seconds(device, torch.bfloat16 if precision == "bf16" else torch.float32, rows)


def _product_seconds(device: str, dtype: Any, rows: int) -> float:
    """The best of three."""
    import torch

    matrix, seconds = torch.ones(rows, rows, device=device, dtype=dtype), []
    for _ in range(3):
        started = time.perf_counter()
        (matrix @ matrix)[0, 0].item()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
