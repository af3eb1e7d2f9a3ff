"""One writer a place: a real second process is told who is there, and a killed one leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unimedi.files.lock import LOCK, LockedError, alone_at, alone_in, writer_in

HOLDER = """
import sys
from pathlib import Path
from unimedi.files.lock import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> "subprocess.Popen[str]":
    """Another process that is in ``folder`` when this returns, and stays until its input ends."""
    words = [sys.executable, "-c", HOLDER, str(folder)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    return process


def test_the_second_is_told_who_is_there(tmp_path: Path) -> None:
    with hold(tmp_path / "run") as process:
        assert writer_in(tmp_path / "run").startswith(f"process {process.pid} on ")
        with (
            pytest.raises(LockedError, match=rf"run is being written by process {process.pid} on \S+ since 2\d{{3}}-"),
            alone_in(tmp_path / "run"),
        ):
            pass
        process.communicate("")
    with alone_in(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK).exists()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with hold(tmp_path) as process:
        process.kill()
    assert (tmp_path / LOCK).exists()
    assert writer_in(tmp_path) == ""
    with alone_in(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_that_asks_for_itself_is_no_other(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        assert writer_in(tmp_path) == ""
        with pytest.raises(LockedError, match=f"process {os.getpid()} "), alone_in(tmp_path):
            pass
    assert writer_in(tmp_path / "nowhere") == ""


def test_files_of_one_folder_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with alone_at(tmp_path / "new" / "one.csv"), alone_at(tmp_path / "new" / "two.csv"), alone_in(tmp_path / "new"):
        with pytest.raises(LockedError, match=r"one\.csv is being written"), alone_at(tmp_path / "new" / "one.csv"):
            pass
        assert not (tmp_path / "new" / "one.csv").exists()
    assert list((tmp_path / "new").iterdir()) == []


def test_what_goes_wrong_inside_gives_it_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), alone_in(tmp_path):
        print(1 // 0)
    with alone_in(tmp_path):
        pass
