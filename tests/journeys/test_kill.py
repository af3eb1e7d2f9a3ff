"""A run that was killed at any moment, or asked to stop, goes on as if nothing had been: to the last bit."""

import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from tests.pretraining.toy_run import command, in_process, result, start, toy_recipe, toy_store

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


def words(ground: Path, name: str) -> list[str]:
    """What starts or continues the run ``name``."""
    folders = {"--config": "recipe.yaml", "--data": "store", "--out": name}
    return ["pretrain", *(word for key, path in folders.items() for word in (key, str(ground / path))), "--resume"]


def pretrain(ground: Path, name: str) -> BaseProcess:
    return start(*words(ground, name))


def finish(ground: Path, name: str) -> dict[str, Any]:
    process = pretrain(ground, name)
    process.join()
    assert process.exitcode == 0
    return result(ground / name)


def command_that_dies(words: list[str], touch: int, delay: float) -> None:
    """The command line in a process that ends ``delay`` s after touch number ``touch`` of a half-written checkpoint.

    Touch 0 makes its folder, 1-8 open its files and touch 9 gives it its name. Python reports each before it happens,
    so that the end falls between two system calls or, with a delay, among the bytes that one of them writes.
    """
    touches = -1

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal touches
        if event in ("os.mkdir", "open", "os.rename") and ".partial" in str(arguments[0]):
            touches = touches + 1 if touches >= 0 or event == "os.mkdir" else -1  # a resumed run first clears the last
            if touches == touch and delay:
                signal.setitimer(signal.ITIMER_REAL, delay)  # nobody handles SIGALRM: the kernel ends the process
            elif touches == touch:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    command(words)


def kill_between_writes(ground: Path, name: str, draws: random.Random) -> bool:
    """Kill between two touches of a checkpoint's files; whether a half-written one was left."""
    return die_in_checkpoint(ground, name, draws.randint(1, 9), 0)


def kill_while_writing(ground: Path, name: str, draws: random.Random) -> bool:
    """Kill within two milliseconds of the first file; whether a half-written one was left."""
    return die_in_checkpoint(ground, name, 0, draws.uniform(1e-4, 2e-3))


def die_in_checkpoint(ground: Path, name: str, touch: int, delay: float) -> bool:
    process = in_process(command_that_dies, words(ground, name), touch, delay)
    process.join()
    return any((ground / name / "checkpoints").glob(".step-*.partial"))


def kill_any_time(ground: Path, name: str, draws: random.Random) -> bool:
    """Kill after some time from the start, building included; whether the run was still going."""
    process = pretrain(ground, name)
    process.join(draws.uniform(0.1, 1.5))
    alive = process.is_alive()
    process.kill()
    process.join()
    return alive


def kills(ground: Path, name: str, count: int) -> Counter[str]:
    """``count`` kills, two of three in the write of a checkpoint; six to a run.

    Those at any time come last: a run that they let come to its end writes no more checkpoints to die in.
    """
    draws, struck = random.Random(0), Counter[str]()
    for number in range(count):
        kill = (kill_between_writes, kill_while_writing, kill_any_time)[number % 6 // 2]
        struck[kill.__name__] += kill(ground, f"{name}-{number // 6}", draws)
    return struck


def test_six_kills_change_nothing(ground: Path) -> None:
    struck = kills(ground, "killed", 6)
    assert struck["kill_between_writes"] == 2, "a kill missed the write of a checkpoint: the test has lost its point"
    assert finish(ground, "killed-0") == result(ground / "undisturbed")


@pytest.mark.slow
def test_a_hundred_kills_change_nothing(ground: Path) -> None:
    struck = kills(ground, "often", 100)
    assert struck["kill_between_writes"] == 34
    for run in sorted(ground.glob("often-*")):
        assert finish(ground, run.name) == result(ground / "undisturbed"), run.name


def test_the_undisturbed_run_has_every_step_once(ground: Path) -> None:
    found = result(ground / "undisturbed")
    assert [line["step"] for line in found["log"]] == list(range(STEPS))
    assert list(found["state"]) == ["step-000021", "step-000024"]  # the last two are kept


def command_that_is_told(words: list[str], signum: int) -> None:
    """The command line in a process that gets the signal when its first step stands in the log."""
    from unimedi.pretraining.metric_logger import MetricLogger

    write = MetricLogger.write

    def tell(self: MetricLogger, record: Mapping[str, Any]) -> None:
        write(self, record)
        if record["step"] == 0:
            os.kill(os.getpid(), signum)

    MetricLogger.write = tell  # type: ignore[method-assign]
    command(words)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_leaves_with_its_own_code(ground: Path, signum: int, code: int) -> None:
    name = f"signal-{code}"
    process = in_process(command_that_is_told, words(ground, name), signum)
    process.join()
    assert process.exitcode == code
    done = len((ground / name / "log.jsonl").read_text().splitlines())
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
