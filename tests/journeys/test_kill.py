"""A run that was killed at any moment, or asked to stop, goes on as if nothing had been: to the last bit."""

import json
import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from tests.pretraining.toy_run import result, start, toy_recipe, toy_store

STEPS = 24


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, a recipe, and in ``undisturbed`` the run that nobody stopped."""
    folder = tmp_path_factory.mktemp("kill")
    toy_store(folder / "store")
    toy_recipe(folder / "recipe.yaml")
    process = pretrain(folder, "undisturbed")
    process.join()
    assert process.exitcode == 0
    return folder


def pretrain(ground: Path, name: str) -> BaseProcess:
    """Start or continue the run ``name``."""
    return start(
        "pretrain", "--config", ground / "recipe.yaml", "--data", ground / "store", "--out", ground / name, "--resume"
    )


def finish(ground: Path, name: str) -> dict[str, Any]:
    process = pretrain(ground, name)
    process.join()
    assert process.exitcode == 0
    return result(ground / name)


def wait_for(happened: Any, process: BaseProcess) -> bool:
    """Look every millisecond; False where the process ended first."""
    while process.is_alive():
        if happened():
            return True
        time.sleep(0.001)
    return False


def kill_in_write(ground: Path, name: str, draws: random.Random) -> bool:
    """Kill within a few milliseconds of the first file of a checkpoint; whether a half-written one was left."""
    process = pretrain(ground, name)
    checkpoints = ground / name / "checkpoints"
    wait_for(lambda: any(checkpoints.glob(".step-*.partial/*")), process)
    time.sleep(draws.uniform(0, 0.004))
    process.kill()
    process.join()
    return any(checkpoints.glob(".step-*.partial"))


def kill_any_time(ground: Path, name: str, draws: random.Random) -> bool:
    """Kill after some time from the start, building included; whether the run was still going."""
    process = pretrain(ground, name)
    process.join(draws.uniform(0.1, 1.5))
    alive = process.is_alive()
    process.kill()
    process.join()
    return alive


def kills(ground: Path, name: str, count: int) -> list[bool]:
    """``count`` kills, two of three inside the write; begins the run again whenever it has come to its end."""
    draws, inside = random.Random(0), []
    for number in range(count):
        run = ground / f"{name}-{number // 6}"
        if number % 3 == 2:
            kill_any_time(ground, run.name, draws)
        else:
            inside.append(kill_in_write(ground, run.name, draws))
    return inside


def test_six_kills_change_nothing(ground: Path) -> None:
    inside = kills(ground, "killed", 6)
    assert any(inside), "no kill fell into the write of a checkpoint: the test has lost its point"
    assert finish(ground, "killed-0") == result(ground / "undisturbed")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_kills_change_nothing(ground: Path) -> None:
    inside = kills(ground, "often", 100)
    assert sum(inside) >= 20
    for run in sorted(ground.glob("often-*")):
        assert finish(ground, run.name) == result(ground / "undisturbed"), run.name


def test_the_undisturbed_run_has_every_step_once(ground: Path) -> None:
    found = result(ground / "undisturbed")
    assert [line["step"] for line in found["log"]] == list(range(STEPS))
    assert list(found["state"]) == ["step-000021", "step-000024"]  # the last two are kept


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_leaves_with_its_own_code(ground: Path, signum: int, code: int) -> None:
    name = f"signal-{code}"
    log = ground / name / "log.jsonl"
    process = pretrain(ground, name)
    assert wait_for(lambda: log.exists() and log.read_text().count("\n") >= 1, process)
    assert process.pid is not None
    os.kill(process.pid, signum)
    process.join()
    assert process.exitcode == code
    done = len(log.read_text().splitlines())
    assert 1 <= done < STEPS
    assert (ground / name / "checkpoints" / f"step-{done:06d}" / "manifest.json").exists()
    assert json.loads((ground / name / "pretrained" / "config.json").read_text())
    assert finish(ground, name) == result(ground / "undisturbed")


def test_another_run_with_another_seed_differs(ground: Path) -> None:
    """So the comparison above can fail."""
    process = start(
        "pretrain", "--config", ground / "recipe.yaml", "--data", ground / "store", "--out", ground / "other",
        "--seed", 1,
    )  # fmt: skip
    process.join()
    assert result(ground / "other")["weights"] != result(ground / "undisturbed")["weights"]
