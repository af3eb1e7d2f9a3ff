"""Rows of a comparison through the command: trained, evaluated, tabulated; started again it does nothing twice."""

import json
from pathlib import Path

import pytest
import yaml

from tests.pretraining.toy_run import RECIPE
from tests.transfer.hospital import PREPROCESS, write_hospital
from unimedi.cli import main
from unimedi.inputs.store import Store
from unimedi.pretraining.journal import read_log
from unimedi.reproduction import data
from unimedi.reproduction.results import read_results
from unimedi.reproduction.run import TIMED_STEPS, Budget, reproduce, steps_within


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
    found = {result.name: result for result in read_results(folder / "results")}
    assert found["unimedi"].minus_reference == {}
    gap = found["joint"].minus_reference["zero_shot/xray/auroc"]
    ours, reference = (found[name].figures["zero_shot/xray/auroc"]["value"] for name in ("joint", "unimedi"))
    assert gap["value"] == pytest.approx(ours - reference, abs=2e-6)
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert main(words(folder, "--steps", "4")) == 0
    assert "---" not in capsys.readouterr().out.split("**4 steps")[0]  # every row was there: nothing was run


def test_what_a_step_costs_is_found_by_a_short_run(folder: Path) -> None:
    assert steps_within(0.0, folder / "recipes" / "joint.yaml", folder / "store", folder / "timing") == 1
    assert len(read_log(folder / "timing" / "log.jsonl")) == TIMED_STEPS


def test_equal_minutes_are_steps_by_what_a_step_costs(folder: Path) -> None:
    recipes, budget = [folder / "recipes" / "joint.yaml"], Budget(minutes=0.001)
    timing = folder / "runs" / "0.001-minutes" / "joint-timing"  # a short run that is there: 1/128 s a step
    (timing / "pretrained").mkdir(parents=True)
    lines = [json.dumps({"step": k, "seconds": 5 + k / 128}) for k in range(TIMED_STEPS)]
    (timing / "log.jsonl").write_text("\n".join(lines))
    paths = reproduce(folder / "store", recipes, folder / "runs", folder / "timed", budget, seeds=2, say=lambda _: None)
    first, second = read_results(folder / "timed")
    assert paths == [folder / "timed" / "0.001-minutes" / f"joint-{seed}.json" for seed in (0, 1)]
    assert first.budget == "0.001 minutes"
    assert (first.steps, second.steps) == (7, 7)  # in 0.06 s
    assert first.figures != second.figures


def test_a_task_asked_for_later_is_answered_by_rows_that_are_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = {name: name for name in Store.open(folder / "store").findings[:2]}
    task = {"about": "Two.", "kind": "xray", "protocol": "linear_probe", "metric": "auroc", "classes": classes}
    quote = {"method": "Somebody", "figures": {"100%": 0.9}, "source": "a page"}
    rest = {
        "official_split": {"test": "all"},
        "source": ["here"],
        "fractions": [1.0],
        "seeds": [0],
        "published": [quote],
    }
    (folder / "two.yaml").write_text(yaml.safe_dump(task | rest))
    steps = ("--steps", "4", "--rows", "joint", "unimedi")
    assert main(words(folder, *steps)) == 0
    before = (folder / "runs" / "4-steps" / "joint-0" / "metrics.json").read_bytes()
    capsys.readouterr()
    asked = ("--task", f"{folder / 'two.yaml'}={folder / 'store'}")
    assert main(words(folder, *steps, *asked)) == 0
    told = capsys.readouterr().out
    assert "**two**, 4 steps a run" in told
    for result in (one for one in read_results(folder / "results") if one.name in ("joint", "unimedi")):
        assert set(result.tasks) == {"two"}
        assert "linear_probe/xray/100%/auroc" in result.tasks["two"].figures
        assert "random_init/xray/100%/auroc" in result.tasks["two"].figures
    assert (folder / "runs" / "4-steps" / "joint-0" / "metrics.json").read_bytes() == before
    assert main(words(folder, *steps, *asked)) == 0
    assert "---" not in capsys.readouterr().out.split("**4 steps")[0]


def test_a_phantom_hospital_and_a_manifest_are_prepared_first(folder: Path, tmp_path: Path) -> None:
    recipes = [folder / "recipes" / "joint.yaml"]
    made = data.phantom_store(tmp_path, recipes, "micro")
    again = data.cohort_store(tmp_path / "hospital" / "index.csv", None, tmp_path / "own", recipes)
    assert Store.open(made).fingerprint == Store.open(again).fingerprint
    assert Store.open(made).preprocess == data.shared_preprocess(recipes)


def test_rows_that_want_other_images_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "small.yaml"
    other.write_text(f"base: {folder / 'toy.yaml'}\npreprocess: {{hu_window: [-200, 200]}}\n")
    with pytest.raises(ValueError, match=r"small\.yaml prepares images otherwise than joint\.yaml"):
        data.shared_preprocess([folder / "recipes" / "joint.yaml", other])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--steps", "3", "--budget", "1"], "either --steps or --budget"),
        (["--steps", "0"], "budget above 0"),
        (["--steps", "3", "--rows", "joint", "unimed"], "no row unimed (did you mean 'unimedi'?)"),
        (["--steps", "3", "phantom"], "expected one of: the word phantom"),
        (["--steps", "3", "--task", "covidx"], "NAME=STORE"),
        (["--steps", "3", "--task", "covidx=nowhere"], "found none in nowhere"),
    ],
)
def test_what_cannot_be_run_is_said(
    folder: Path, given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(folder, *given)) != 0
    assert said in capsys.readouterr().err
