"""README stays short, CI runs what it names, and Makefile's commands exist; tests/documents/ runs the documents."""

import dataclasses
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from .repository import README, ROOT

TEXT = README.read_text()
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


def test_readme_is_a_screenful_and_a_half() -> None:
    assert len(README.read_bytes()) <= 8_000


def test_ci_runs_the_readme_test_command_and_the_checks() -> None:
    assert "make test" in COMMANDS
    steps = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make")]
    assert steps == ["make test", "make check"]


@cache
def help_of(verb: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("unimedi"), *verb.split(), "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, f"unimedi {verb} --help: {done.stderr}"
    return done.stdout


def used_in(text: str) -> list[str]:
    """Every ``unimedi verb …`` of a Makefile, continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [f"unimedi {rest}" for rest in re.findall(r"^(?:\t\S*/)?unimedi (.*)$", joined, re.MULTILINE)]


@pytest.mark.parametrize("command", used_in((ROOT / "Makefile").read_text()))
def test_commands_and_options_exist(command: str) -> None:
    words = command.split()[1:]
    verb = " ".join(words[:2]) if words[0] == "cohort" else words[0]
    shown = help_of(verb)
    for option in [word for word in words if word.startswith("--")]:
        known = re.search(rf"{option}\b", shown) or ("value of the recipe" in shown and option[2:] in recipe_fields())
        assert known, f"unimedi {verb} has no {option}"


def recipe_fields() -> set[str]:
    from unimedi.pretraining.recipe import Recipe

    return {field.name for field in dataclasses.fields(Recipe)}
