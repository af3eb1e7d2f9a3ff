"""The import rule: who may import whom, what loads without tensors, what starts with little."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .repository import PACKAGE, ROOT


def python(code: str) -> str:
    """Run ``code`` in a fresh interpreter, without the import hook of the tests, and give what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "src" / "unimedi", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_contracts_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_outside_the_way_of_the_data_is_refused(copy: Path) -> None:
    (copy / "src" / "unimedi" / "utils").mkdir()
    (copy / "src" / "unimedi" / "utils" / "__init__.py").write_text("")
    done = lint_imports(copy)
    assert done.returncode != 0
    assert "utils" in done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("imaging/wrong.py", "import unimedi.model"),
        ("model/wrong.py", "import unimedi.objectives"),
        ("evaluation/wrong.py", "import unimedi.pretraining"),
        ("cohort/wrong.py", "import numpy"),
        ("doctor/wrong.py", "import unimedi.cli"),
    ],
)
def test_an_import_against_the_way_is_refused(copy: Path, file: str, line: str) -> None:
    (copy / "src" / "unimedi" / file).write_text(line + "\n")
    done = lint_imports(copy)
    assert done.returncode != 0
    assert f"unimedi.{file.removesuffix('.py').replace('/', '.')}" in done.stdout


def test_records_need_no_tensors() -> None:
    code = """
import importlib, pkgutil, sys, unimedi.cohort
for module in pkgutil.walk_packages(unimedi.cohort.__path__, "unimedi.cohort."):
    importlib.import_module(module.name)
print(sorted({"torch", "numpy", "pandas", "pyarrow"} & set(sys.modules)))
"""
    assert python(code) == "[]"


def test_importing_the_package_imports_no_torch() -> None:
    assert python("import sys, unimedi; print('torch' in sys.modules)") == "False"


def test_public_names_are_there() -> None:
    assert python("import unimedi; [getattr(unimedi, name) for name in unimedi.__all__]; print('ok')") == "ok"


@pytest.mark.parametrize("arguments", [["--help"], ["info", "--json"], ["pretrain", "--help"]])
def test_the_command_line_answers_without_torch(arguments: list[str]) -> None:
    code = f"""
import sys
from unimedi.cli import main
sys.argv = ["unimedi", *{arguments!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("torch" in sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stderr.strip().endswith("False"), done.stdout + done.stderr
    if "--json" in arguments:
        assert json.loads(done.stdout)


def test_help_imports_little() -> None:
    """It comes at once: of ours the command line and the records, of others' nothing but Python's own."""
    code = """
import contextlib, sys
before = set(sys.modules)
from unimedi.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):
    main(["--help"])
for name in sorted(set(sys.modules) - before):
    if name.split(".")[0] not in sys.stdlib_module_names:
        print(".".join(name.split(".")[:2]))
"""
    assert set(python(code).split()) == {
        "unimedi",
        "unimedi.cli",
        "unimedi.cohort",
        "unimedi.errors",
        "unimedi.files",
        "unimedi.ranges",
        "unimedi.settings",
    }
