"""What must never be in the tree: unpickling, code from data, places that only one machine has."""

import ast
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .repository import ROOT, source_files, text_files

UNPICKLING_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "torchvision"}
UNPICKLING_CALLS = {"torch.load", "torch.save", "joblib.load", "pandas.read_pickle", "pd.read_pickle"}
CODE_FROM_TEXT = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
PUBLIC_HOSTS = {"arxiv.org", "doi.org", "www.apache.org", "semver.org", "keepachangelog.com", "www.ecva.net"}
PUBLIC_HOSTS |= {"www.w3.org"}  # the name of SVG's tags
THIS_MACHINE = {"localhost", "127.0.0.1"}
NOBODYS = re.compile(r"([\w.-]+\.)?(example|invalid)|[\w-]+")  # reserved names (RFC 2606), or without a domain


def faults(tree: ast.AST) -> list[str]:
    """What in a module could run code that a file brings."""
    found = []
    for node in ast.walk(tree):
        line = f"line {getattr(node, 'lineno', '?')}"
        if isinstance(node, ast.Import):
            found += [f"{line}: imports {a.name}" for a in node.names if a.name.split(".")[0] in UNPICKLING_MODULES]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLING_MODULES:
            found.append(f"{line}: imports from {node.module}")
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in UNPICKLING_CALLS | CODE_FROM_TEXT:
                found.append(f"{line}: calls {name}")
            for keyword in node.keywords:
                constant = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if keyword.arg in ("allow_pickle", "trust_remote_code") and constant is not False:
                    found.append(f"{line}: {keyword.arg} is not False")
    return found


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_in_a_file_can_run(path: Path) -> None:
    assert faults(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from dill import loads", "torch.load(path)", "np.load(path, allow_pickle=True)", "eval(text)"],
)
def test_the_search_would_find_it(code: str) -> None:
    assert faults(ast.parse(code))


def test_every_address_is_a_public_reference() -> None:
    """No host of a package index, of a mirror or of somebody's own network is named; references are fine."""
    found = {}
    for path in text_files():
        for address in re.findall(r"https?://[^\s)>\]\"'`{}]+", path.read_text(errors="replace")):
            host = urlsplit(address).hostname
            if host not in PUBLIC_HOSTS | THIS_MACHINE and not NOBODYS.fullmatch(host or ""):
                found[str(path.relative_to(ROOT))] = address
    assert not found


def test_no_path_of_one_machine() -> None:
    places = re.compile(r"(?<![\w.~-])/(?:root|home|work|opt|mnt|Users)/\w+")
    found = {
        str(path.relative_to(ROOT)): match.group()
        for path in text_files()
        if (match := places.search(path.read_text(errors="replace")))
    }
    assert not found


INSTALL_OPTIONS = {
    "-m",
    "-qq",
    "--disable-pip-version-check",
    "--no-compile",
    "--constraint",
    "--editable",
    "--no-deps",
}


def test_where_packages_come_from_is_the_machines_own_setting() -> None:
    """Of every line that has to do with pip, continued lines joined, only options that say nothing of a source."""
    options = []
    for name in ("Makefile", ".ci/run", "README.md", "CONTRIBUTING.md", "docs/architecture.md"):
        for line in (ROOT / name).read_text().replace("\\\n", " ").splitlines():
            if re.search(r"\bpip\b", line, re.IGNORECASE):
                options += [word for word in line.split() if word.startswith("-") and len(word) > 1]
            assert not re.search(r"\bPIP_[A-Z]|\bUV_[A-Z]", line), name
    assert len(options) > 5
    assert set(options) <= INSTALL_OPTIONS


def test_the_project_file_names_no_source_of_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = [one for extra in project["project"]["optional-dependencies"].values() for one in extra]
    assert not [one for one in (*project["project"]["dependencies"], *extras) if "@" in one or "/" in one]
    assert not {"pip", "uv", "poetry", "pdm"} & set(project["tool"])


def test_constraints_are_names_and_versions_only() -> None:
    lines = (line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#")
    wrong = [line for line in lines if not re.fullmatch(r"[\w.\[\]-]+==[\w.+!-]+", line.split(" ;")[0].strip())]
    assert not wrong
