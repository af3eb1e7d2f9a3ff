"""bf16 only where the hardware multiplies it; the reason is said."""

import platform

import pytest
import torch

from unimedi.optimization import precision
from unimedi.optimization.precision import choose_precision, kind_of_cpu

AVX2 = {"avx2": True, "avx512_f": False, "avx512_bf16": False, "amx_bf16": False, "fma3": True}


def cpu(monkeypatch: pytest.MonkeyPatch, **flags: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {**AVX2, **flags})


@pytest.mark.parametrize(
    ("flags", "kind", "native"),
    [
        ({}, "AVX2", False),
        ({"avx512_f": True}, "AVX-512", False),
        ({"avx512_f": True, "avx512_bf16": True}, "AVX-512 bf16", True),
        ({"avx512_f": True, "avx512_bf16": True, "amx_bf16": True}, "AMX", True),
        ({"avx2": False, "bf16": True}, "ARM bf16", True),
        ({"avx2": False}, "another kind", False),
    ],
)
def test_kinds_of_cpu_by_their_flags(flags: dict[str, bool], kind: str, native: bool) -> None:
    assert kind_of_cpu({**AVX2, **flags}) == (kind, native)


def test_auto_takes_fp32_where_the_flags_are_hidden_and_bf16_where_they_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu(monkeypatch)
    assert choose_precision("auto", "cpu") == ("fp32", "fp32 (CPU with AVX2: no bf16 in hardware)")
    cpu(monkeypatch, avx512_bf16=True)
    assert choose_precision("auto", "cpu") == ("bf16", "bf16 (CPU with AVX-512 bf16)")


def test_what_was_asked_for_is_done_and_bf16_without_hardware_says_what_it_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu(monkeypatch, avx512_bf16=True)
    assert choose_precision("fp32", "cpu") == ("fp32", "fp32, as asked for (CPU with AVX-512 bf16)")
    assert choose_precision("bf16", "cpu") == ("bf16", "bf16, as asked for (CPU with AVX-512 bf16)")
    cpu(monkeypatch)
    monkeypatch.setattr(precision, "_times_slower", lambda device: 41.6)
    chosen, reason = choose_precision("bf16", "cpu")
    assert chosen == "bf16"
    assert "no bf16 in hardware" in reason
    assert "42 times as long" in reason


def test_the_factor_is_of_two_products_that_were_timed() -> None:
    assert precision._times_slower("cpu") > 0


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the flags are those of x86")
def test_torch_still_tells_what_this_cpu_can() -> None:
    assert {"avx2", "avx512_f", "avx512_bf16", "amx_bf16"} <= set(torch.cpu.get_capabilities())
