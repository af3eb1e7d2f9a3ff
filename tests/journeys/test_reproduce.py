"""Rows of a comparison through the command: trained, evaluated, tabulated; started again it does nothing twice."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.hospital import PREPROCESS, write_hospital
from tests.pretraining.toy_run import RECIPE
from unimedi.cli import main
from unimedi.files.json_lines import read_json_lines
from unimedi.inputs.store import Store
from unimedi.inputs.store_writer import Record, write_store
from unimedi.reproduction import data
from unimedi.reproduction.results import Result, find_result, read_results
from unimedi.reproduction.row import TIMED_STEPS, Row, steps_within
from unimedi.reproduction.run import reproduce
from unimedi.reproduction.terms import Budget, terms_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduction")
    write_hospital(folder / "store")
    recipes = folder / "recipes"
    recipes.mkdir()
    (folder / "toy.yaml").write_text(yaml.safe_dump({**RECIPE, "preprocess": PREPROCESS.to_dict()}))
    (recipes / "unimedi.yaml").write_text("base: ../toy.yaml\n")
    (recipes / "joint.yaml").write_text("base: ../toy.yaml\nmethod: joint\n")
    (recipes / "unimiss.yaml").write_text("base: ../toy.yaml\ncontrastive_weight: 0\nmodel: {selector: uniform}\n")
    return folder


def words(folder: Path, *more: str, store: str = "store") -> list[str]:
    given = ["reproduce", "--data", folder / store, "--recipes", folder / "recipes", "--out", folder / "runs"]
    return [*map(str, given), "--results", str(folder / "results"), *more]


def row_of(folder: Path, name: str, budget: Budget, seed: int = 0) -> Row:
    recipe, store = folder / "recipes" / f"{name}.yaml", folder / "store"
    terms = terms_of(recipe, seed, budget, Store.open(store).fingerprint)
    return Row(store, recipe, terms, budget, folder / "runs", say=lambda _: None)


def trained(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The rows that a command has trained or asked something of, as it said."""
    return [line[4:] for line in capsys.readouterr().out.splitlines() if line.startswith("--- ")]


@pytest.mark.slow
def test_a_comparison_by_steps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "--steps", "4")) == 0
    first = capsys.readouterr().out
    assert [r.terms.name for r in read_results(folder / "results")] == ["joint", "unimedi", "unimiss"]
    assert "**4 steps a run**" in first
    assert all(result.steps == 4 and result.seconds > 0 for result in read_results(folder / "results"))
    found = {result.terms.name: result for result in read_results(folder / "results")}
    assert found["unimedi"].minus_reference == {}
    gap = found["joint"].minus_reference["zero_shot/xray/auroc"]
    ours, reference = (found[name].measurements["zero_shot/xray/auroc"].value for name in ("joint", "unimedi"))
    assert gap.value == pytest.approx(ours - reference, abs=2e-6)
    assert gap.low <= gap.value <= gap.high
    assert all(r.machine.endswith(", fp32") and r.software.startswith("unimedi ") for r in found.values())
    for name, takes_slices in (("unimedi", True), ("joint", False)):
        run = row_of(folder, name, Budget(steps=4)).run
        logged = ["selection/hit@1" in line for line in read_json_lines(run / "log.jsonl")]
        assert logged == [takes_slices] * 4
        assert ('<section id="slices-over-time">' in (run / "report.html").read_text()) == takes_slices
    assert main(words(folder, "--steps", "4")) == 0
    again = capsys.readouterr().out
    assert "---" not in again.split("**4 steps")[0]  # every row was there: nothing was run
    assert again.count(f"finished before, taken from {folder / 'results'}") == 3


@pytest.mark.slow
def test_rows_of_another_store_do_not_serve(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The store is known by what is in it: a copy is the same, another is trained on, whatever its name."""
    asked = ("--steps", "4", "--rows", "joint")
    assert main(words(folder, *asked)) == 0
    shutil.copytree(folder / "store", folder / "copy")
    capsys.readouterr()
    assert main(words(folder, *asked, store="copy")) == 0
    assert trained(capsys) == []
    before = {path: path.read_bytes() for path in (folder / "results").rglob("*.json")}
    store = Store.open(folder / "store")
    fewer = [Record(study, store.pixels(i), store.mask(i)) for i, study in enumerate(store.studies) if i]
    other = write_store(folder / "other", fewer, store.preprocess, store.findings).fingerprint
    assert main(words(folder, *asked, store="other")) == 0
    told = capsys.readouterr()
    assert "--- joint, seed 0, 4 steps\n" in told.out
    assert f"(store {other[:12]}, " in told.out
    assert store.fingerprint[:12] not in told.out
    assert f"row(s) of other stores ({store.fingerprint[:12]})" in told.err
    for path, content in before.items():
        assert path.read_bytes() == content
    joints = [r for r in read_results(folder / "results") if r.terms.name == "joint" and r.terms.budget == "4 steps"]
    assert {r.terms.store for r in joints} == {store.fingerprint, other}
    assert main(["reproduce", "tables", "--results", str(folder / "results"), "--rows", "joint"]) == 0
    everything = capsys.readouterr().out
    assert f"(store {other[:12]}, " in everything
    assert f"(store {store.fingerprint[:12]}, " in everything
    for path in {*(folder / "results").rglob("*.json")} - set(before):
        path.unlink()


@pytest.mark.slow
def test_rows_of_a_recipe_that_was_changed_do_not_serve(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor those of a changed base; a line of a comment or the recipe's own duration is no change."""
    asked = ("--steps", "3", "--rows", "joint", "unimedi")
    path, whole = folder / "recipes" / "joint.yaml", (folder / "recipes" / "joint.yaml").read_text()
    assert main(words(folder, *asked)) == 0
    capsys.readouterr()
    path.write_text(f"# Words.\n{whole}duration: 9 steps\n")
    assert main(words(folder, *asked)) == 0
    assert trained(capsys) == []
    path.write_text(f"{whole}optimization: {{learning_rate: 0.002}}\n")
    assert main(words(folder, *asked)) == 0
    told = capsys.readouterr()
    assert "--- joint, seed 0, 3 steps\n" in told.out
    assert "unimedi, seed 0, 3 steps: finished before" in told.out
    table = told.out.split("**3 steps a run**")[1].split("**4 steps")[0]
    assert [line.split(" | ")[:2] for line in table.splitlines() if line.startswith("| joint")] == [["| joint", "1"]]
    assert "of recipes that are others now, or gone (joint" in told.err
    path.write_text(whole)
    assert main(words(folder, *asked)) == 0
    assert trained(capsys) == []


@pytest.mark.slow
def test_a_difference_is_one_to_the_reference_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--steps", "3", "--rows", "joint", "unimedi")
    path, whole = folder / "recipes" / "unimedi.yaml", (folder / "recipes" / "unimedi.yaml").read_text()
    assert main(words(folder, *asked)) == 0

    def joint() -> tuple[Result, Result]:
        rows = [row_of(folder, name, Budget(steps=3)) for name in ("joint", "unimedi")]
        ours, reference = (find_result(folder / "results", row.terms) for row in rows)
        assert ours is not None
        assert reference is not None
        return ours, reference

    before, _ = joint()
    path.write_text(f"{whole}optimization: {{learning_rate: 0.01}}\n")
    assert main(words(folder, *asked)) == 0
    after, reference = joint()
    assert before.measurements.to_json() == after.measurements.to_json()
    assert before.reference != after.reference == reference.terms.recipe_key
    key = "zero_shot/xray/auroc"
    gap = after.measurements[key].value - reference.measurements[key].value
    assert after.minus_reference[key].value == pytest.approx(gap, abs=2e-6)
    path.write_text(whole)
    assert main(words(folder, *asked)) == 0
    capsys.readouterr()


def test_what_a_step_costs_is_found_by_a_short_run(folder: Path) -> None:
    assert steps_within(0.0, folder / "recipes" / "unimedi.yaml", folder / "store", folder / "timing") == 1
    log = read_json_lines(folder / "timing" / "log.jsonl")
    assert len(log) == TIMED_STEPS
    assert not [key for line in log for key in line if key.startswith("selection/")]  # it would cost time


@pytest.mark.slow
def test_equal_minutes_are_steps_by_what_a_step_costs(folder: Path) -> None:
    recipes, budget = [folder / "recipes" / "joint.yaml"], Budget(minutes=0.001)
    timing = row_of(folder, "joint", budget).timing  # a short run that is there: 1/128 s a step
    (timing / "pretrained").mkdir(parents=True)
    lines = [json.dumps({"step": k, "seconds": 5 + k / 128}) for k in range(TIMED_STEPS)]
    (timing / "log.jsonl").write_text("\n".join(lines))
    paths = reproduce(folder / "store", recipes, folder / "runs", folder / "timed", budget, seeds=2, say=lambda _: None)
    first, second = read_results(folder / "timed")
    assert paths == sorted((folder / "timed" / "0.001-minutes").iterdir())
    assert [(r.terms.seed, r.terms.budget) for r in (first, second)] == [(0, "0.001 minutes"), (1, "0.001 minutes")]
    assert (first.steps, second.steps) == (7, 7)  # in 0.06 s
    assert first.measurements != second.measurements


@pytest.mark.slow
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
    metrics = row_of(folder, "joint", Budget(steps=4)).run / "metrics.json"
    before = metrics.read_bytes()
    capsys.readouterr()
    asked = ("--task", f"{folder / 'two.yaml'}={folder / 'store'}")
    assert main(words(folder, *steps, *asked)) == 0
    told = capsys.readouterr().out
    assert "**two**, 4 steps a run" in told
    for name in ("joint", "unimedi"):
        result = find_result(folder / "results", row_of(folder, name, Budget(steps=4)).terms)
        assert result is not None
        (said,) = result.tasks
        assert said.name == "two"
        assert {"linear_probe/xray/100%/auroc", "linear_probe/xray/random_init/100%/auroc"} <= set(said.measurements)
    assert metrics.read_bytes() == before
    assert main(words(folder, *steps, *asked)) == 0
    assert trained(capsys) == []
    # The same name is another task where its file asks for something else, and on another store.
    (folder / "two.yaml").write_text(yaml.safe_dump(task | rest | {"fractions": [0.5, 1.0]}))
    assert main(words(folder, "--steps", "4", "--rows", "joint", *asked)) == 0
    assert trained(capsys) == ["joint, seed 0, 4 steps: two"]
    store = Store.open(folder / "store")
    fewer = [Record(study, store.pixels(i), store.mask(i)) for i, study in enumerate(store.studies) if i]
    write_store(folder / "elsewhere", fewer, store.preprocess, store.findings)
    asked = ("--task", f"{folder / 'two.yaml'}={folder / 'elsewhere'}")
    assert main(words(folder, "--steps", "4", "--rows", "joint", *asked)) == 0
    assert trained(capsys) == ["joint, seed 0, 4 steps: two"]
    result = find_result(folder / "results", row_of(folder, "joint", Budget(steps=4)).terms)
    assert result is not None
    assert len({(said.task, said.store) for said in result.tasks}) == len(result.tasks) == 3


def test_a_phantom_hospital_and_a_manifest_are_prepared_first(folder: Path, tmp_path: Path) -> None:
    recipes = [folder / "recipes" / "joint.yaml"]
    made = data.phantom_store(tmp_path, recipes, "micro")
    again = data.cohort_store(tmp_path / "hospital" / "index.csv", None, tmp_path / "own", recipes)
    assert Store.open(made).fingerprint == Store.open(again).fingerprint
    assert Store.open(made).preprocess.to_dict() == data.shared_preprocess(recipes).to_dict()


def test_rows_that_want_other_images_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "small.yaml"
    other.write_text(f"base: {folder / 'toy.yaml'}\npreprocess: {{hu_window: [-200, 200]}}\n")
    with pytest.raises(ValueError, match=r"small\.yaml prepares images otherwise than joint\.yaml"):
        data.shared_preprocess([folder / "recipes" / "joint.yaml", other])


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_store_without_a_split_is_refused_before_anything_is_trained(
    folder: Path, tmp_path: Path, split: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.open(folder / "store")
    rest = [Record(s, store.pixels(i), store.mask(i)) for i, s in enumerate(store.studies) if s.split != split]
    write_store(tmp_path / "store", rest, store.preprocess, store.findings)
    given = ["reproduce", "--data", str(tmp_path / "store"), "--recipes", str(folder / "recipes"), "--steps", "3"]
    assert main([*given, "--out", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]) != 0
    assert f"expected studies of the {split} split" in capsys.readouterr().err
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--steps", "3", "--budget", "1"], "either --steps or --budget"),
        (["--steps", "3", "--rows", "joint", "unimed"], "no row unimed (did you mean 'unimedi'?)"),
        (["--steps", "3", "phantom"], "expected one of: the word phantom"),
        (["--steps", "3", "--task", "covidx"], "NAME=STORE"),
        (["--steps", "3", "--task", "covidx=nowhere"], "found none in nowhere"),
        (["--steps", "3", "--data", "nowhere"], "nowhere is not a store: no such folder"),
        (["--steps", "3", "--page", "README.md"], "expected the markers"),
    ],
)
def test_what_cannot_be_run_is_said(
    folder: Path, given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(folder, *given)) != 0
    assert said in capsys.readouterr().err


def test_a_budget_is_above_0() -> None:
    for nothing in ({"steps": 0}, {"minutes": -1.0}):
        with pytest.raises(ValueError, match="budget above 0"):
            Budget(**nothing)


@pytest.mark.parametrize("given", [["--steps", "3"], ["--budget", "1"], ["--task", "covidx=nowhere"], ["--data", "x"]])
def test_tables_train_nothing(folder: Path, given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "tables", "--results", str(folder / "results"), *given]) != 0
    assert main(["reproduce", "tables", "--results", str(folder / "nowhere")]) != 0
    assert "found none" in capsys.readouterr().err
