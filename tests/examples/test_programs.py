"""Every program of benchmarks/ and docs/ finds what it imports; what it measures or draws is not run here."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(path for folder in ("benchmarks", "docs") for path in (ROOT / folder).glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_program_finds_what_it_imports(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(program.parent)  # as it is for a program that is run
    assert runpy.run_path(str(program), run_name="imported")["__doc__"]
