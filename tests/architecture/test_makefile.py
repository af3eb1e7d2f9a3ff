"""Which Python ``make`` takes, and what it says, before anything long begins, where it cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .repository import ROOT

RECIPES = "src/unimedi/recipes"
NAMES = ("python3.13", "python3.12", "python3.11", "python3")
# A Python that takes itself for another version, perhaps without a module; it does nothing else.
FAKE = """#!/bin/sh
[ "$1" = --version ] && echo "Python {version}" && exit
[ "$1" = -c ] || {{ echo "set up: $@" >&2; exit 9; }}
exec "{python}" -c 'import sys
sys.version_info = ({numbers})
sys.modules.update(dict.fromkeys("{lacks}".split()))
exec(sys.argv[1])' "$2"
"""
DISK = """#!/bin/sh
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
echo "/dev/disk 99000000 0 {free}000000 0% /"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A clone without an environment, and in ``bin`` neither Python nor much room on the disk."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / RECIPES).mkdir(parents=True)
    shutil.copy(ROOT / RECIPES / "tiny.yaml", tmp_path / RECIPES)
    (tmp_path / "bin").mkdir()
    for name in NAMES:
        program(tmp_path, name, "#!/bin/sh\nexit 127\n")
    program(tmp_path, "df", DISK.format(free=50))
    return tmp_path


def program(machine: Path, name: str, text: str) -> None:
    (machine / "bin" / name).write_text(text)
    (machine / "bin" / name).chmod(0o755)


def install(machine: Path, name: str, version: str, *lacks: str) -> None:
    words = {"python": sys.executable, "version": version, "lacks": " ".join(lacks)}
    program(machine, name, FAKE.format(**words, numbers=version.replace(".", ", ")))


def make(machine: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))
    }
    path = f"{machine / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["make", *words], cwd=machine, env=environment | {"PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ({"python3": "3.11.2"}, "python3"),
        ({"python3": "3.11.2", "python3.11": "3.11.2"}, "python3.11"),
        ({"python3": "3.9.1", "python3.11": "3.11.2", "python3.12": "3.12.1"}, "python3.12"),
        ({"python3": "3.14.0", "python3.11": "3.11.2", "python3.13": "3.13.0"}, "python3.13"),
    ],
)
def test_the_newest_that_is_known_to_work_is_taken(machine: Path, there: dict[str, str], taken: str) -> None:
    for name, version in there.items():
        install(machine, name, version)
    assert make(machine, "python").stdout == f"{taken}\n"


def test_one_that_can_set_up_an_environment_is_taken_before_a_newer_one_that_cannot(machine: Path) -> None:
    install(machine, "python3.13", "3.13.0", "ensurepip")
    install(machine, "python3.11", "3.11.2")
    assert make(machine, "python").stdout == "python3.11\n"


def test_another_can_be_named(machine: Path) -> None:
    install(machine, "python3.13", "3.13.0")
    install(machine, "mine", "3.12.1")
    assert make(machine, "python", "PYTHON=bin/mine").stdout == "bin/mine\n"


def none(machine: Path) -> None:
    install(machine, "python3", "3.14.0")


def new(machine: Path) -> None:
    install(machine, "python3.14", "3.14.0")


def bare(machine: Path) -> None:
    install(machine, "python3.12", "3.12.1", "ensurepip")


def full(machine: Path) -> None:
    install(machine, "python3.12", "3.12.1")
    program(machine, "df", DISK.format(free=2))


@pytest.mark.parametrize(
    ("lack", "words", "said"),
    [
        (none, ("test",), "no Python from 3.11 to 3.13 is here (python3 is: Python 3.14.0)"),
        (new, ("test", "PYTHON=python3.14"), "python3.14 is not known to work, Python 3.11 to 3.13 is"),
        (bare, ("test",), "python3.12 cannot set up an environment, as it has no ensurepip or no venv"),
        (full, ("test",), "this takes 3 GB of disk, of which 0 GB are there already, and only 2 GB are free here"),
        (full, ("demo",), "this takes 11 GB of disk, of which 0 GB are there already, and only 2 GB are free here"),
    ],
)
def test_what_is_missing_is_said_first(machine: Path, lack: object, words: tuple[str, ...], said: str) -> None:
    lack(machine)  # type: ignore[operator]
    done = make(machine, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "set up:" not in done.stderr
    assert not (machine / ".venv").exists()


def test_what_a_stopped_demo_has_made_counts_as_room(machine: Path) -> None:
    install(machine, "python3.12", "3.12.1")
    program(machine, "df", DISK.format(free=2))
    program(machine, "du", "#!/bin/sh\necho 9000000 total\n")
    assert make(machine, "demo-room").returncode == 0
    assert "-m venv .venv" in make(machine, "-n", "demo").stdout
