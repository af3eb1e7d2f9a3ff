"""What a wheel holds: outside a clone the recipes, tasks, prompts and pages are there as well."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from .repository import PACKAGE, ROOT

BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
USE = """
import unimedi
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.recipe_names import ROWS
from unimedi.reproduction.run import chosen_rows
print(unimedi.__file__, load_recipe("tiny").duration, load_recipe("comparison/joint").method, len(chosen_rows(ROWS)))
"""


def can_build() -> bool:
    try:
        return int(metadata.version("setuptools").split(".")[0]) >= 77  # as pyproject.toml says
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone, out = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(PACKAGE, clone / "src" / "unimedi", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=clone, check=True, capture_output=True)
    with zipfile.ZipFile(next(out.glob("unimedi-*.whl"))) as wheel:
        wheel.extractall(out / "site")
    return out / "site"


@pytest.mark.skipif(not can_build(), reason="no setuptools that builds this project")
def test_a_wheel_holds_what_the_package_holds(unpacked: Path, tmp_path: Path) -> None:
    held = {path.relative_to(unpacked / "unimedi") for path in (unpacked / "unimedi").rglob("*") if path.is_file()}
    ours = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert held == ours
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    done = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    rows = len(list((PACKAGE / "recipes" / "comparison").glob("*.yaml")))
    assert done.stdout.split() == [str(unpacked / "unimedi" / "__init__.py"), "800", "steps", "joint", str(rows)]
