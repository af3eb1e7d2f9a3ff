"""One set of versions, no torchvision, no CUDA by accident, every import declared."""

import ast
import re
import sys
import tomllib
from importlib import metadata, util

import pytest

from .repository import ROOT, source_files

PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUN_TIME: list[str] = PROJECT["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
DECLARED: list[str] = sorted({*RUN_TIME, *(requirement for extra in EXTRAS.values() for requirement in extra)})


def normalised(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def test_torchvision_is_absent() -> None:
    """Its mere presence breaks transformers and others when it does not fit the CPU build of torch."""
    assert util.find_spec("torchvision") is None


def test_torch_is_the_pinned_one() -> None:
    assert metadata.version("torch").split("+")[0] == PINS["torch"]
    assert "+" not in PINS["torch"], "a local build name (+cpu) cannot be installed everywhere"


def test_no_cuda_package_came_in() -> None:
    names = {normalised(distribution.metadata["Name"]) for distribution in metadata.distributions()}
    assert not [name for name in names if name.startswith(("nvidia-", "cuda-")) or name == "triton"]


def test_every_pin_is_plain() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line), line


@pytest.mark.parametrize("requirement", DECLARED, ids=normalised)
def test_every_dependency_is_pinned_and_installed(requirement: str) -> None:
    pins = {normalised(name): version for name, version in PINS.items()}
    name = normalised(requirement)
    assert name in pins, f"{name} is in pyproject.toml but not in constraints.txt"
    assert metadata.version(name).split("+")[0] == pins[name]


def test_what_is_imported_is_declared() -> None:
    """A package that src imports is named in pyproject.toml, not merely brought along by another one."""
    providers = metadata.packages_distributions()
    optional = [requirement for name, extra in EXTRAS.items() if name != "test" for requirement in extra]
    declared = {normalised(requirement) for requirement in [*RUN_TIME, *optional]}
    undeclared = {}
    for path in source_files():
        for name in imported(ast.parse(path.read_text())) - set(sys.stdlib_module_names) - {"unimedi"}:
            if not declared & {normalised(provider) for provider in providers.get(name, [name])}:
                undeclared[f"{path.relative_to(ROOT)}: {name}"] = providers.get(name)
    assert not undeclared


def imported(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    return {name.split(".")[0] for name in names}


def test_the_changelog_names_this_version() -> None:
    import unimedi

    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert PROJECT["version"] == unimedi.__version__
    assert re.search(rf"^## {re.escape(PROJECT['version'])}\b", changelog, re.MULTILINE)
