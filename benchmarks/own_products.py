"""The products of a piece of code, timed alone: what its arithmetic takes on this machine if nothing else is done."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

aten = torch.ops.aten
# torch's counter knows the fused attention of GPUs; this is the CPU's.
CPU_ATTENTION: dict[Any, Callable[..., int]] = {
    aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: int(sdpa_flop_count(q, k, v)),
    aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda g, q, k, v, *_, **__: int(
        sdpa_backward_flop_count(g, q, k, v)
    ),
}
PRODUCTS = (
    aten.mm, aten.addmm, aten.bmm, aten.baddbmm, aten.convolution, aten.convolution_backward,
    aten._scaled_dot_product_flash_attention_for_cpu, aten._scaled_dot_product_flash_attention_for_cpu_backward,
    aten._scaled_dot_product_flash_attention, aten._scaled_dot_product_flash_attention_backward,
    aten._scaled_dot_product_efficient_attention, aten._scaled_dot_product_efficient_attention_backward,
)  # fmt: skip


@dataclass(frozen=True)
class _Shape:
    """A tensor without its values."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def made(self) -> Tensor:
        last = sum((size - 1) * stride for size, stride in zip(self.size, self.stride, strict=True))
        values = torch.zeros(last + 1, dtype=self.dtype, device=self.device)  # strides of 0: of what was expanded
        return (values.normal_(std=0.1) if values.is_floating_point() else values).as_strided(self.size, self.stride)


class _Noted(TorchDispatchMode):
    """Counts the products that run inside, by what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[tuple[Any, ...]] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket in PRODUCTS:
            self.calls[func, _shapes(args), tuple(sorted((kwargs or {}).items()))] += 1
        return func(*args, **(kwargs or {}))


def _shapes(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _Shape(tuple(value.shape), tuple(value.stride()), value.dtype, value.device)
    return tuple(_shapes(each) for each in value) if isinstance(value, (list, tuple)) else value


def _made(value: Any) -> Any:
    if isinstance(value, _Shape):
        return value.made()
    return [_made(each) for each in value] if isinstance(value, tuple) else value


@dataclass
class OwnProducts:
    """FLOP of a piece of code, and the seconds that its products take alone."""

    flops: float = 0.0
    seconds: float = 0.0


class Arithmetic:
    """Inside the block products are counted; then ``alone`` times them, each shape once (the best of three)."""

    def __init__(self) -> None:
        self.noted, self.counter = _Noted(), FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION)
        self.stack = ExitStack()

    def __enter__(self) -> "Arithmetic":
        self.stack.enter_context(self.counter)
        self.stack.enter_context(self.noted)
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def alone(self, known: dict[tuple[Any, ...], float]) -> OwnProducts:
        """``known``: seconds by product, which grows; the same product is timed once in a benchmark."""
        seconds = 0.0
        for call, count in self.noted.calls.items():
            if call not in known:
                known[call] = _seconds(*call)
            seconds += count * known[call]
        return OwnProducts(float(self.counter.get_total_flops()), seconds)


def _seconds(func: Any, args: Any, kwargs: Any) -> float:
    given, best = [_made(each) for each in args], []
    for _ in range(4):
        start = time.perf_counter()
        func(*given, **dict(kwargs))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best.append(time.perf_counter() - start)
    return min(best)
