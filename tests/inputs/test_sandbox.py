"""A process of its own for each file: what hangs, fills the memory or dies costs that process and nothing else."""

import mmap
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from unimedi.imaging.image import ImagingError
from unimedi.inputs.sandbox import Limits, Sandbox, SandboxPool


def double(number: int) -> int:
    return 2 * number


def double_or_hang(number: int) -> int:
    """Never comes back from a negative number."""
    while number < 0:
        time.sleep(1)
    return 2 * number


def fill(megabytes: int) -> int:
    """Never comes back with more than 100."""
    held = [bytearray(os.urandom(1 << 20)) for _ in range(megabytes)]
    while len(held) > 100:
        time.sleep(1)
    return len(held)


def double_late(number: int) -> int:
    time.sleep(1)
    return 2 * number


def own_process(number: int) -> int:
    return os.getpid()


def die_once(file: Path) -> str:
    if not file.exists():
        file.touch()
        os.abort()
    return "alive"


def die(code: int) -> None:
    os._exit(code)


def test_calls_share_a_process_that_ends_with_the_block() -> None:
    with Sandbox(double, Limits()) as sandbox:
        assert [sandbox(k, "file") for k in range(3)] == [0, 2, 4]
        assert sandbox._process is not None
        process = psutil.Process(sandbox._process.pid)
    assert not process.is_running()


def test_what_hangs_is_refused_and_the_next_call_answered() -> None:
    with Sandbox(double_or_hang, Limits(seconds=0.5)) as sandbox:
        with pytest.raises(ImagingError, match=r"ct 7: took longer than 0.5 s") as caught:
            sandbox(-1, "ct 7")
        assert caught.value.reason == "too_slow"
        sandbox.limits = Limits()  # a busy machine may need half a second for this
        assert sandbox(1, "ct 8") == 2


def test_what_fills_the_memory_is_refused() -> None:
    with Sandbox(fill, Limits(memory=400 << 20)) as sandbox:
        with pytest.raises(ImagingError, match="took more memory than 400 MiB") as caught:
            sandbox(600, "bomb")
        assert caught.value.reason == "too_large"
        assert sandbox(1, "small") == 1


def test_a_death_is_forgiven_once(tmp_path: Path) -> None:
    with Sandbox(die_once, Limits()) as sandbox:
        assert sandbox(tmp_path / "seen", "file") == "alive"
    with Sandbox(die, Limits()) as sandbox:
        with pytest.raises(ImagingError, match=r"file 3: its process died twice \(exit code 7\)") as caught:
            sandbox(7, "file 3")
        assert caught.value.reason == "crashed"


def test_the_process_does_not_outlive_its_parent() -> None:
    with Sandbox(double, Limits()) as sandbox:
        sandbox(1, "file")
        assert sandbox._process is not None
        assert sandbox._pipe is not None
        sandbox._pipe.close()  # as when the parent is killed
        assert sandbox._process.wait() == 0


def test_a_pool_answers_many_threads_from_few_processes_and_ends_them() -> None:
    pool = SandboxPool(own_process, Limits())
    with ThreadPoolExecutor(2) as threads:
        answers = set(threads.map(lambda number: pool(number, "file"), range(12)))
    assert 1 <= len(answers) <= 2
    assert pool(0, "file") in answers  # kept for the next call
    pool.close()
    assert not any(psutil.pid_exists(answer) for answer in answers)


def test_a_call_after_an_interrupted_one_gets_its_own_answer() -> None:
    pool = SandboxPool(double_late, Limits())
    assert pool(1, "file") == 2
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            pool(2, "file")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert pool(3, "file") == 6
    pool.close()


def test_an_end_does_not_wait_for_what_hangs_and_nothing_starts_after_it() -> None:
    pool = SandboxPool(double_or_hang, Limits())
    with ThreadPoolExecutor(2) as threads:
        hanging = [threads.submit(pool, -1, "file") for _ in range(2)]
        while len(pool._all) < 2 or any(sandbox._process is None for sandbox in pool._all):
            time.sleep(0.01)
        pool.end()
        for call in hanging:
            with pytest.raises(ImagingError, match="file: its process died twice") as caught:
                call.result()
            assert caught.value.reason == "crashed"
    with pytest.raises(ImagingError, match="late: its process died twice"):
        pool(1, "late")


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"memory": -1}])
def test_limits_are_positive(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="limits must be positive"):
        Limits(**wrong)


def read_mapped(path: str) -> int:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        touched = sum(mapped[place] for place in range(0, len(mapped), 4096))
        time.sleep(0.5)  # long enough to be looked at
        return touched


def test_pages_of_a_mapped_file_are_not_memory_that_a_call_takes(tmp_path: Path) -> None:
    """They grow with every study that is read from a store, and the system drops them when it likes."""
    path = tmp_path / "store"
    with path.open("wb") as file:
        file.truncate(600 << 20)
    with Sandbox(read_mapped, Limits(memory=400 << 20)) as sandbox:
        assert sandbox(str(path), "a store") == 0
