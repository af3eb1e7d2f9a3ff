"""Help says every option and every value of a recipe, quickly; a script for the shell completes them."""

import re
import subprocess
import sys
from collections.abc import Sequence

import pytest

from unimedi.cli import main
from unimedi.cli.commands import commands, find
from unimedi.pretraining.recipe import Recipe
from unimedi.settings import keys_of

HEAVY = ("torch", "numpy", "transformers", "pyarrow", "pydicom")


def printed(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 0
    return capsys.readouterr().out


def imported_by(words: list[str], modules: Sequence[str]) -> list[str]:
    code = f"""
import sys
from unimedi.cli import main
try:
    main({words!r})
except SystemExit:
    pass
print("imported:", *[name for name in {tuple(modules)!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def test_the_first_help_imports_nothing_heavy() -> None:
    assert imported_by(["--help"], (*HEAVY, "jsonargparse", "docstring_parser")) == []


@pytest.mark.parametrize("words", [["cohort", "folder", "--help"], ["evaluate", "--help"], ["info", "--help"]])
def test_the_help_of_a_subcommand_needs_no_tensors(words: list[str]) -> None:
    assert imported_by(words, HEAVY) == []


@pytest.mark.parametrize("name", ["pretrain", "prepare", "finetune", "phantom"])
def test_the_help_of_settings_needs_no_torch(name: str) -> None:
    assert imported_by([name, "--help"], ("torch", "transformers")) == []


@pytest.mark.parametrize("name", list(commands()))
def test_every_option_has_a_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    help = commands()[name].parser(whole=False)
    without = [action.dest for action in help._actions if not action.help]
    assert without == []
    assert f"usage: unimedi {name}" in printed([*name.split(), "--help"], capsys)


def test_help_lists_every_value_of_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(["pretrain", "--help"], capsys)
    listed = set(re.findall(r"--([a-z_0-9.]+)", text))
    sections = {key for key in keys_of(Recipe) if any(other.startswith(f"{key}.") for other in keys_of(Recipe))}
    assert keys_of(Recipe) - sections <= listed


def test_the_help_of_settings_says_what_a_list_holds_and_asks_for_none(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(printed(["finetune", "--help"], capsys).split())
    assert "--seeds [ITEM,...] for each of them" in text
    assert "(type: each a whole number from 0 to 4294967295, default: (0, 1, 2))" in text
    text = " ".join(printed(["phantom", "--help"], capsys).split())
    assert text.count("(required") == 1  # the folder; a preset says the rest


def test_a_subcommand_is_found_with_the_words_behind_it() -> None:
    command, rest = find(["cohort", "folder", "in", "--out", "c.csv"])
    assert (command.name, rest) == ("cohort folder", ["in", "--out", "c.csv"])
    command, rest = find(["info", "--json"])
    assert (command.name, rest) == ("info", ["--json"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("pretrain --data s --out r --stepz 3", "--stepz is not known (did you mean '--steps'?)"),
        ("phantom out --patient=3", "--patient is not known (did you mean '--patients'?)"),
        ("--print_completion fisch", "invalid choice: 'fisch' (choose from"),
        ("--print_completion", "expected one argument"),
    ],
)
def test_a_misspelt_option_of_a_subcommand_with_settings(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_script_for_the_shell_completes_subcommands_and_values_of_a_recipe(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script = printed(["--print_completion", shell], capsys)
    for word in ("pretrain", "slice-eval", "dicom-tree", "--model.slices", "--leakage"):
        assert word in script
