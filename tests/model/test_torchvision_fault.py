"""A torchvision that does not fit torch is named, whichever way the package is entered."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unimedi.inputs.torchvision_fault import torchvision_fault

BROKEN = 'raise RuntimeError("operator torchvision::nms does not exist")'  # what one made for another torch says
NAMED = "torchvision 0.1 is installed and cannot be imported beside torch"


def installed(folder: Path, package: str) -> dict[str, str]:
    """An environment in which Python finds such a torchvision."""
    about = folder / "torchvision-0.1.dist-info"
    for place in (folder / "torchvision", about):
        place.mkdir()
    (folder / "torchvision" / "__init__.py").write_text(package)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.1\n")
    return os.environ | {"PYTHONPATH": str(folder)}


def run(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)


def test_python_and_info_name_it(tmp_path: Path) -> None:
    environment = installed(tmp_path, BROKEN)
    python = run(["-c", "from unimedi import UniMediModel"], environment)
    assert NAMED in python.stderr.splitlines()[-1]
    assert "(RuntimeError: operator torchvision::nms does not exist)" in python.stderr.splitlines()[-1]
    assert "torchvision: 0.1 (not needed" in run(["-m", "unimedi", "info"], environment).stdout


@pytest.mark.parametrize("package", [BROKEN, "", "import torchvision.lost"])
def test_a_command_names_it_in_a_sentence(tmp_path: Path, package: str) -> None:
    environment = installed(tmp_path, package)
    words = ["-m", "unimedi", "embed", "x.png", "--model", "m", "--out", str(tmp_path / "e.parquet")]
    done = run(words, environment)
    assert done.returncode == 2
    assert done.stderr.startswith(f"unimedi embed: {NAMED}")
    assert len(done.stderr.splitlines()) == 1


def test_where_none_is_installed_none_is_blamed() -> None:
    assert torchvision_fault(ImportError("No module named 'torchvision'")) == ""
