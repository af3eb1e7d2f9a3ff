"""A Dask cluster of real processes: the store of one local process, byte by byte, whatever is killed meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import dask
import numpy as np
import psutil
import pytest
from PIL import Image

from tests.inputs.test_prepare import POLICY, study
from unimedi.cohort.study import Study
from unimedi.files.lock import turn_at
from unimedi.inputs import cluster
from unimedi.inputs.attempts import attempt_part, deaths
from unimedi.inputs.parts import cut, prepare_part
from unimedi.inputs.prepare import prepare
from unimedi.inputs.sandbox import Limits
from unimedi.inputs.store import Store, StoreError

SOURCE = Path(__file__).parents[2] / "src"
PART = 2  # studies
WAIT = 120.0  # s: against a hang, never what is measured
# In every process that a worker starts: the name of a file that ends the worker when it is opened.
DEADLY = """
import os, signal, sys
def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith("ends_worker.png"):
        os.kill(os.getppid(), signal.SIGKILL)
sys.addaudithook(hook)
"""
# A worker that stands still for ever in front of its second marker. Dask reads such a file twice.
STALLS = """
import sys, time
seen = set()
def hook(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(".json"):
        seen.add(arguments[1])
        while len(seen) > 1:
            time.sleep(1)
sys.addaudithook(hook)
"""
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # distributed's own, about ports and diagnostics


@pytest.fixture(scope="module", autouse=True)
def _deadly_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes that are started from here know the deadly name; this process, which has begun, does not."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(DEADLY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(SOURCE)]))
        yield


@contextmanager
def started(*words: str, **environment: str) -> Iterator[psutil.Popen]:
    """A ``dask`` command as a process, which ends with the block, and so do its children."""
    process = psutil.Popen(
        [sys.executable, "-m", "dask", *words],
        env={**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with_children = [process, *process.children(recursive=True)] if process.is_running() else [process]
        for one in with_children:
            if one.is_running():
                one.kill()
        process.wait()


@contextmanager
def scheduler(folder: Path, **environment: str) -> Iterator[tuple[str, psutil.Popen]]:
    file = folder / "scheduler.json"
    words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    with started("scheduler", *words, **environment) as process:
        until(file.exists, process)
        until(lambda: file.stat().st_size > 0 and "address" in file.read_text(), process)
        yield json.loads(file.read_text())["address"], process


def worker(address: str, *words: str, nanny: bool = False) -> AbstractContextManager[psutil.Popen]:
    kept = "--nanny" if nanny else "--no-nanny"
    return started("worker", address, kept, "--no-dashboard", "--memory-limit", "0", *words)


def until(there: Callable[[], bool], process: psutil.Popen | None = None) -> None:
    end = time.monotonic() + WAIT
    while not there():
        assert time.monotonic() < end, "it did not come"
        assert process is None or process.is_running(), "the process that it should come from has ended"
        time.sleep(0.02)


def pictures(folder: Path, names: list[str]) -> list[Study]:
    draws = np.random.default_rng(0)
    for name in names:
        Image.fromarray(draws.integers(0, 255, size=(16, 16)).astype(np.uint8)).save(folder / f"{name}.png")
    return [study(name, folder / f"{name}.png", labels={"nodule": name == "x0"}) for name in names]


def files(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.iterdir()}


def markers(store: Path) -> int:
    return len(list(store.glob("part-*.json")))


def test_two_workers_make_the_store_of_one_process_also_where_one_of_them_is_killed(tmp_path: Path) -> None:
    studies = pictures(tmp_path, [f"x{number}" for number in range(8)])
    studies.insert(4, study("gone", tmp_path / "gone.png"))
    out, parts = tmp_path / "there", 5
    (tmp_path / "stalls.py").write_text(STALLS)
    with ExitStack() as stack:
        address, _ = stack.enter_context(scheduler(tmp_path))
        victim = stack.enter_context(worker(address, "--nthreads", "1", "--preload", str(tmp_path / "stalls.py")))
        stack.enter_context(worker(address, "--nthreads", "1"))

        def kill() -> None:
            until(lambda: markers(out) == parts - 1)  # the other one has done all that the victim is not at
            victim.kill()

        killer = Thread(target=kill)
        killer.start()
        summary = prepare(studies, out, POLICY, scheduler=address, part_size=PART)
        killer.join()
        assert victim.wait() == -signal.SIGKILL
    assert (summary.taken, summary.refused) == (8, {"missing": 1})
    prepare(studies, tmp_path / "here", POLICY, workers=0, part_size=PART)
    assert files(out) == files(tmp_path / "here")


@pytest.mark.slow
def test_a_study_that_kills_its_worker_is_refused_by_name_and_the_others_are_taken(tmp_path: Path) -> None:
    """A nanny starts the worker anew. A scheduler that forgives one death gives the part up at the second: no end."""
    studies, out = pictures(tmp_path, ["x0", "ends_worker", "x1", "x2"]), tmp_path / "store"
    with ExitStack() as stack:
        address, _ = stack.enter_context(scheduler(tmp_path, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1"))
        stack.enter_context(worker(address, "--nthreads", "1", nanny=True))
        summary = prepare(studies, out, POLICY, scheduler=address, part_size=PART)
    assert (summary.taken, summary.refused) == (3, {"crashed": 1})
    (row,) = json.loads((out / "refused.json").read_text())
    assert row["study_id"] == "ends_worker"
    assert "the worker that read it died twice" in row["message"]
    assert [one.study_id for one in Store.open(out).studies] == ["x0", "x1", "x2"]
    assert [path.name for path in out.glob(".*")] == []


def test_who_was_beside_a_death_is_tried_alone_and_who_dies_alone_is_refused(tmp_path: Path) -> None:
    """Notes of workers: one died over x1, one over x2 by itself, and one is at x0 alone just now."""
    studies, out = pictures(tmp_path, ["x0", "x1", "x2"]), tmp_path / "store"
    out.mkdir()
    (part,) = cut(studies, out, POLICY, ("nodule",), 4, None)
    notes, turn = out / ".attempts.tmp.part-00000", out / ".turn.tmp.lock"
    dead = [{"begun": ""}, {"read": "x0"}, {"read": "x1"}, {"begun": ""}, {"survived": "x0"}, {"alone": "x2"}]
    notes.write_text("".join(f"{json.dumps(one)}\n" for one in [*dead, {"begun": ""}, {"alone": "x0"}]))
    assert deaths(part) == {("read", "x1"), ("alone", "x2"), ("alone", "x0")}
    with turn_at(turn):
        another = Thread(target=attempt_part, args=(part, tmp_path))
        another.start()
        time.sleep(0.3)
        assert markers(out) == 0  # it waits: x0 may live
        with notes.open("a") as file:
            file.write(json.dumps({"survived": "x0"}) + "\n")
    another.join()
    marker = json.loads((out / "part-00000.json").read_text())
    assert [(row["study_id"], row["reason"]) for row in marker["refused"]] == [("x2", "crashed")], marker
    assert not notes.exists()


@pytest.mark.slow
def test_a_cluster_that_is_gone_ends_in_a_sentence_and_the_rest_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies, out = pictures(tmp_path, ["x0", "x1", "x2", "x3"]), tmp_path / "store"
    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    (tmp_path / "stalls.py").write_text(STALLS)
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}), ExitStack() as stack:
        address, process = stack.enter_context(scheduler(tmp_path))
        with worker(address, "--nthreads", "1", "--preload", str(tmp_path / "stalls.py")) as only:
            until(lambda: bool(cluster_workers(address)), process)
            killer = Thread(target=lambda: (until(lambda: markers(out) == 1), only.kill()))
            killer.start()
            with pytest.raises(StoreError, match=f"expected a worker at {address}, there was none for 1 s: start some"):
                prepare(studies, out, POLICY, scheduler=address, part_size=PART)
            killer.join()
        monkeypatch.setattr(cluster, "PATIENCE", WAIT)
        killer = Thread(target=lambda: (time.sleep(1), process.kill()))
        killer.start()
        with pytest.raises(StoreError, match=f"the Dask scheduler at {address} is gone: start it"):
            prepare(studies, out, POLICY, scheduler=address, part_size=PART)
        killer.join()
        for nowhere in (address, "nowhere"):
            with pytest.raises(StoreError, match=f"expected a running Dask scheduler at {nowhere}, as tcp://HOST:8786"):
                prepare(studies, out, POLICY, scheduler=nowhere, part_size=PART)
    with pytest.raises(StoreError, match="not finished"):
        Store.open(out)
    assert prepare(studies, out, POLICY, workers=0, part_size=PART).kept_parts == 1
    prepare(studies, tmp_path / "whole", POLICY, workers=0, part_size=PART)
    assert files(out) == files(tmp_path / "whole")


def cluster_workers(address: str) -> dict[str, int]:
    from distributed import Client

    with Client(address) as client:
        return dict(client.nthreads())


def test_relative_paths_begin_where_the_command_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is at work in another folder; a refusal names the path as it was written."""
    home, out = tmp_path / "home", tmp_path / "there"
    for folder in (home, out):
        folder.mkdir()
    studies = [study(one.study_id, Path(one.image.name)) for one in pictures(home, ["x0", "x1"])]
    studies.append(study("gone", Path("gone.png")))
    monkeypatch.chdir(home)
    (part,) = cut(studies, out, POLICY, ("nodule",), 4, Limits())
    (alike,) = cut(studies, Path("here"), POLICY, ("nodule",), 4, Limits())
    Path("here").mkdir()
    prepare_part(alike)
    monkeypatch.chdir(tmp_path)
    attempt_part(part, home)
    assert files(out) == files(home / "here")
    (row,) = json.loads((out / "part-00000.json").read_text())["refused"]
    assert row["message"].startswith("gone.png: ")


def test_a_worker_that_sees_other_files_prepares_nothing(tmp_path: Path) -> None:
    studies, out = pictures(tmp_path, ["x0"]), tmp_path / "store"
    out.mkdir()
    (part,) = cut(studies, out, POLICY, ("nodule",), 4, Limits())
    (tmp_path / "x0.png").rename(tmp_path / "elsewhere.png")  # as where a disk is not mounted
    with pytest.raises(StoreError, match=r"part-00000: expected .* to see the folder .*store and the files"):
        attempt_part(part, tmp_path)
    assert files(out) == {}
    assert deaths(part) == set()
