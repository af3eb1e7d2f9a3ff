"""Rows of a comparison through the command: trained, evaluated, tabulated; started again it does nothing twice."""

from pathlib import Path

import pytest
import yaml

from tests.pretraining.toy_run import RECIPE
from tests.transfer.hospital import PREPROCESS, write_hospital
from unimedi.cli import main
from unimedi.reproduction.results import read_results
from unimedi.reproduction.run import reproduce


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduction")
    write_hospital(folder / "store")
    recipes = folder / "recipes"
    recipes.mkdir()
    (folder / "toy.yaml").write_text(yaml.safe_dump({**RECIPE, "preprocess": PREPROCESS.to_dict()}))
    (recipes / "unimedi.yaml").write_text("base: ../toy.yaml\n")
    (recipes / "joint.yaml").write_text("base: ../toy.yaml\nmethod: joint\n")
    (recipes / "unimiss.yaml").write_text("base: ../toy.yaml\nlanguage_weight: 0\nmodel: {selector: uniform}\n")
    return folder


def words(folder: Path, *more: str) -> list[str]:
    given = ["reproduce", "--data", folder / "store", "--recipes", folder / "recipes", "--out", folder / "runs"]
    return [*map(str, given), "--results", str(folder / "results"), *more]


def test_a_comparison_by_steps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "--steps", "4")) == 0
    first = capsys.readouterr().out
    assert [r.name for r in read_results(folder / "results")] == ["joint", "unimedi", "unimiss"]
    assert "**4 steps a run**" in first
    assert all(result.steps == 4 and result.seconds > 0 for result in read_results(folder / "results"))
    assert main(words(folder, "--steps", "4")) == 0
    assert "---" not in capsys.readouterr().out.split("**4 steps")[0]  # every row was there: nothing was run


def test_equal_minutes_are_steps_by_what_a_step_costs(folder: Path) -> None:
    recipes = [folder / "recipes" / "joint.yaml"]
    paths = reproduce(folder / "store", recipes, folder / "runs", folder / "timed", minutes=0.001, say=lambda _: None)
    (result,) = read_results(folder / "timed")
    assert paths == [folder / "timed" / "0.001-minutes" / "joint-0.json"]
    assert result.budget == "0.001 minutes"
    assert 1 <= result.steps < 200


@pytest.mark.parametrize("budget", [[], ["--steps", "3", "--minutes", "1"]])
def test_one_budget_is_asked_for(folder: Path, budget: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, *budget)) != 0
    assert "either --steps or --minutes" in capsys.readouterr().err


def test_an_unknown_row_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "--steps", "3", "--rows", "joint", "magic")) != 0
    assert "no row magic" in capsys.readouterr().err
