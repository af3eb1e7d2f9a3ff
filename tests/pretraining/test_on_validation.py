"""What is measured on validation while a run trains: when, and that training knows nothing of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.hospital import write_hospital
from tests.pretraining.toy_run import RECIPE, result, toy_recipe, toy_store
from unimedi.cli import main
from unimedi.evaluation.slices.over_time import selection_over_time
from unimedi.experiments.registry import pretrain
from unimedi.files.json_lines import read_json_lines
from unimedi.inputs.store import Store
from unimedi.model.processor import UniMediProcessor
from unimedi.model.unimedi import UniMediModel
from unimedi.pretraining import metric_logger
from unimedi.pretraining.metric_logger import MetricLogger
from unimedi.pretraining.on_validation import MOMENTS, Figures, OnValidation, due
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.run_folder import RunFolder

STEPS = 30


@given(st.integers(1, 5000))
def test_twenty_moments_evenly_and_the_end_is_one(total: int) -> None:
    moments = [done for done in range(1, total + 1) if due(done, total)]
    assert len(moments) == min(total, MOMENTS)
    assert moments[-1] == total
    gaps = [later - earlier for earlier, later in zip([0, *moments], moments, strict=False)]
    assert max(gaps) - min(gaps) <= 1


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_hospital(tmp_path_factory.mktemp("store"))


def recipe(folder: Path, **changes: Any) -> Recipe:
    preprocess = {**RECIPE["preprocess"], "slice_size": [16, 16]}  # the hospital's
    ours = {"preprocess": preprocess, "duration": f"{STEPS} steps", "checkpoint_every": "4 steps"}
    return load_recipe(toy_recipe(folder / "recipe.yaml", **(ours | changes)))


def run(folder: Path, store: Store, on_validation: OnValidation | None, **changes: Any) -> dict[str, Any]:
    pretrain(recipe(folder, **changes), store.path, folder / "run", resume=True, on_validation=on_validation)
    return result(folder / "run")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, store: Store) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("measured"), store, selection_over_time)


def test_training_is_the_same_to_the_last_bit_with_it(tmp_path: Path, store: Store, measured: dict[str, Any]) -> None:
    alone = run(tmp_path, store, None)
    assert (alone["weights"], alone["state"]) == (measured["weights"], measured["state"])
    bare = [{k: v for k, v in line.items() if not k.startswith("selection/")} for line in measured["log"]]
    assert bare == alone["log"]
    steps = [line["step"] for line in measured["log"] if "selection/hit@1" in line]
    assert steps == [step for step in range(STEPS) if due(step + 1, STEPS)]
    names = {name for name in measured["log"][-1] if name.startswith("selection/")}
    assert {"selection/auroc", "selection/layer_2/hit@1", "selection/l_vl/oracle_slices"} < names


def test_the_command_measures_it(tmp_path: Path, store: Store, measured: dict[str, Any]) -> None:
    recipe(tmp_path)
    given = ["--config", tmp_path / "recipe.yaml", "--data", store.path, "--out", tmp_path / "run"]
    assert main(["pretrain", *map(str, given)]) == 0
    assert result(tmp_path / "run") == measured


class PowerCut(BaseException):
    """Nothing in the loop catches this."""


@pytest.mark.parametrize("cut", [0, 6, 17])
def test_a_run_that_broke_off_measures_what_it_would_have(
    tmp_path: Path, store: Store, measured: dict[str, Any], cut: int
) -> None:
    def breaking(model: UniMediModel, processor: UniMediProcessor, store: Store) -> Figures:
        moments, figures = iter(range(cut)), selection_over_time(model, processor, store)

        def measure(model: UniMediModel) -> dict[str, float]:
            if next(moments, None) is None:
                raise PowerCut
            return figures(model)

        return measure

    with pytest.raises(PowerCut):
        run(tmp_path, store, breaking)
    assert len(read_json_lines(tmp_path / "run" / "log.jsonl")) < STEPS
    assert run(tmp_path, store, selection_over_time) == measured


def test_it_is_the_teacher_that_is_measured_after_it_followed(tmp_path: Path, store: Store) -> None:
    """The last record is of the weights that ship."""
    seen: list[dict[str, torch.Tensor]] = []

    def copying(model: UniMediModel, processor: UniMediProcessor, store: Store) -> Figures:
        def measure(model: UniMediModel) -> dict[str, float]:
            assert not model.training
            seen.append({name: value.clone() for name, value in model.named_parameters()})
            return {}

        return measure

    run(tmp_path, store, copying, duration="5 steps")
    shipped = UniMediModel.from_pretrained(tmp_path / "run" / "pretrained")
    assert len(seen) == 5
    assert all(torch.equal(value, seen[-1][name]) for name, value in shipped.named_parameters())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "joint"}, "the model takes no slices"),
        ({"model": {**RECIPE["model"], "slices": 0}}, "the model takes no slices"),
        ({"preprocess": RECIPE["preprocess"]}, "no CT of the validation split has a mask of a focal lesion"),
    ],
)
def test_a_run_without_says_why_once(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], reason: str
) -> None:
    if "preprocess" in changes:
        store = toy_store(tmp_path / "noise")
    said = run(tmp_path, store, selection_over_time, duration="3 steps", **changes)
    assert not [name for line in said["log"] for name in line if name.startswith("selection/")]
    line = f"Nothing is measured on validation while this run trains: {reason}.\n"
    assert capsys.readouterr().err.count(line) == 1


def test_only_reasons_are_caught(tmp_path: Path, store: Store) -> None:
    def wrong(model: UniMediModel, processor: UniMediProcessor, store: Store) -> Figures:
        raise KeyError("a bug of ours")

    with pytest.raises(KeyError, match="a bug of ours"):
        run(tmp_path, store, wrong, duration="1 steps")


def test_seconds_of_training_are_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def clock() -> Iterator[float]:
        yield from (0.0, 10.0, 110.0, 115.0)  # begun; measured from 10 to 110; logged

    ticks = clock()
    monkeypatch.setattr(metric_logger.time, "perf_counter", lambda: next(ticks))
    with MetricLogger(RunFolder(tmp_path), 0, True) as logger:
        with logger.untimed():
            pass
        logger.write({"step": 0})
    assert [line["seconds"] for line in read_json_lines(tmp_path / "log.jsonl")] == [15.0]
