"""``unimedi pretrain --devices 2`` by itself: a rank that dies is named and ends the run, or the ranks start anew."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.pretraining.toy_run import RECIPE, result, toy_recipe, toy_store
from unimedi.files.json_lines import read_json_lines

STEPS, SECONDS = 200, 30
# What takes the connection away from a rank prints where it stood; that is not looked at.
QUIET = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launcher")
    toy_store(folder / "store")
    toy_recipe(folder / "recipe.yaml", **{**RECIPE, "duration": f"{STEPS} steps"})
    return folder


def begin(ground: Path, name: str, *words: str) -> subprocess.Popen[str]:
    folders = {"config": "recipe.yaml", "data": "store", "out": name}
    command = [
        sys.executable,
        "-m",
        "unimedi",
        "pretrain",
        *(f"--{key}={ground / path}" for key, path in folders.items()),
    ]
    return subprocess.Popen(
        [*command, "--devices=2", *words],
        env=os.environ | QUIET,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def rank_of(launcher: subprocess.Popen[str], rank: int) -> psutil.Process:
    ranks = psutil.Process(launcher.pid).children()
    return next(each for each in ranks if each.environ().get("RANK") == str(rank))


def wait_for(path: Path, launcher: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert launcher.poll() is None, launcher.communicate()
        time.sleep(0.02)


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_run_and_is_named(ground: Path) -> None:
    launcher = begin(ground, "died")
    wait_for(ground / "died" / "checkpoints" / "step-000003", launcher)
    rank_of(launcher, 1).kill()
    _, said = launcher.communicate(timeout=SECONDS)
    assert launcher.returncode == 2
    assert "unimedi pretrain: rank 1 of 2 was killed by SIGKILL; the other ranks were ended." in said
    assert not [line for line in read_json_lines(ground / "died" / "log.jsonl") if line["step"] == STEPS - 1]


@pytest.mark.slow
def test_ranks_that_start_anew_go_on_to_the_last_bit(ground: Path) -> None:
    whole = begin(ground, "whole")
    printed, said = whole.communicate()
    assert (whole.returncode, printed) == (0, f"{ground / 'whole' / 'pretrained'}\n"), said
    launcher = begin(ground, "anew", "--restarts=1")
    wait_for(ground / "anew" / "checkpoints" / "step-000003", launcher)
    rank_of(launcher, 0).kill()
    _, said = launcher.communicate()
    assert launcher.returncode == 0, said
    assert result(ground / "anew") == result(ground / "whole")
    assert json.loads((ground / "anew" / "environment.json").read_text())["devices"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_no_rank_is_left_behind(ground: Path, signum: int) -> None:
    """Asked to stop, the launcher passes it on and the ranks save; killed, it leaves ranks that notice."""
    name = f"stopped-{signum}"
    launcher = begin(ground, name)
    wait_for(ground / name / "checkpoints" / "step-000003", launcher)
    ranks = [rank_of(launcher, rank) for rank in range(2)]
    launcher.send_signal(signum)
    _, said = launcher.communicate(timeout=SECONDS)
    assert launcher.returncode == (128 + signum if signum == signal.SIGTERM else -signum)
    psutil.wait_procs(ranks, timeout=SECONDS)
    assert not any(each.is_running() for each in ranks)
    assert "stopped by SIGTERM" in said
    assert "continue with --resume" in said


@pytest.mark.slow
def test_two_machines_meet(ground: Path) -> None:
    """Two launchers on loopback, a rank each; one machine has two."""
    from tests.journeys.test_ddp import free_port

    where = ("--devices=1", "--nodes=2", f"--meeting-point=localhost:{free_port()}")
    machines = [begin(ground, "machines", *where) for _ in range(2)]
    for each in machines:
        _, said = each.communicate()
        assert each.returncode == 0, said
    alone = begin(ground, "alone")
    alone.communicate()
    assert result(ground / "machines") == result(ground / "alone")
