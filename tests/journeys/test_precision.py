"""``precision: auto`` through the command line: chosen by the CPU's flags, said, recorded, kept by a resumed run."""

import json
from pathlib import Path

import pytest
import torch

from tests.pretraining.toy_run import toy_recipe, toy_store
from unimedi.cli import main


def flags(monkeypatch: pytest.MonkeyPatch, **shown: bool) -> None:
    others = dict.fromkeys(("amx_bf16", "avx512_bf16", "avx512_f", "bf16"), False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **others, **shown})


def pretrain(folder: Path, *words: object) -> int:
    named = {"--config": "recipe.yaml", "--data": "store", "--out": "run"}
    paths = [word for key, name in named.items() for word in (key, str(folder / name))]
    return main(["pretrain", *paths, *map(str, words)])


def environment(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "run" / "environment.json").read_text()))


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    toy_store(tmp_path / "store")
    toy_recipe(tmp_path / "recipe.yaml", duration="4 steps", checkpoint_every="2 steps", precision="auto")
    return tmp_path


def test_fp32_without_bf16_in_hardware_and_a_resumed_run_keeps_it(
    ground: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags(monkeypatch)
    assert pretrain(ground) == 0
    said = capsys.readouterr().err
    assert "precision: fp32 (CPU with AVX2: no bf16 in hardware)" in said
    assert "another machine" not in said
    assert environment(ground)["precision"] == "fp32"
    assert environment(ground)["processor"] == "CPU with AVX2"
    (newest,) = (ground / "run" / "checkpoints").glob("step-000004")
    newest.rename(ground / "gone")  # as if it had been stopped after two steps

    flags(monkeypatch, avx512_f=True, avx512_bf16=True)
    assert pretrain(ground, "--resume") == 0
    said = capsys.readouterr().err
    assert "precision: fp32, as this run began (CPU with AVX-512 bf16)" in said
    assert "this run began on another machine (CPU with AVX2): it goes on in fp32, but no longer bit for bit" in said
    assert environment(ground)["processor"] == "CPU with AVX2"  # of the machine where it began


def test_bf16_where_the_cpu_has_it_and_asked_for_elsewhere_with_a_warning(
    ground: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags(monkeypatch, amx_bf16=True)
    assert pretrain(ground, "--steps", 1) == 0
    assert "precision: bf16 (CPU with AMX)" in capsys.readouterr().err
    assert environment(ground)["precision"] == "bf16"
    flags(monkeypatch)
    (ground / "run").rename(ground / "first")
    assert pretrain(ground, "--steps", 1, "--precision", "bf16") == 0
    assert (
        "bf16, as asked for (CPU with AVX2: no bf16 in hardware, a short bf16 product took" in capsys.readouterr().err
    )


def test_info_tells_the_precision_without_torch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["processor"]
    assert told.startswith(("CPU with", "not told"))
    assert told.endswith(("bf16 on it", "fp32 on it", "by this system"))
