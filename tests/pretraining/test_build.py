"""The methods that UniMedI is compared with, from the same code: each trains, and ships a model that can be used."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.pretraining.toy_run import PREPROCESS, RECIPE, result, toy_recipe, toy_store
from unimedi.cohort.study import Modality, Split
from unimedi.inputs.dataset import TrainingSteps
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import StoredStudy
from unimedi.inputs.store_writer import Record, write_store
from unimedi.model.unimedi import UniMediModel
from unimedi.optimization.schedule import EpochLength
from unimedi.pretraining import build as build_room
from unimedi.pretraining.build import build
from unimedi.pretraining.loop import pretrain
from unimedi.pretraining.recipe_file import load_recipe


@pytest.mark.parametrize(
    ("method", "batch", "distils"),
    [
        ("unimedi", {}, True),
        ("joint", {}, False),
        ("convirt", {"volumes": 0}, False),
        ("convirt", {"radiographs": 0}, False),
    ],
    ids=["unimedi", "joint", "convirt in 2D", "convirt in 3D"],
)
def test_every_method_trains(tmp_path: Path, method: str, batch: dict[str, int], distils: bool) -> None:
    changes: dict[str, Any] = {"method": method, "duration": "2 steps", "batch": RECIPE["batch"] | batch}
    changes["distillation"] = {**RECIPE["distillation"], "ramp_end": "0 percent"}
    recipe = load_recipe(toy_recipe(tmp_path / "recipe.yaml", **changes), [])
    toy_store(tmp_path / "store")
    model = UniMediModel.from_pretrained(pretrain(recipe, tmp_path / "store", tmp_path / "run"))
    assert model.config.slices == (2 if method == "unimedi" else 0)  # figure 2 of the paper: no slices, no distillation
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    images = sum(changes["batch"].values())
    for line in lines:
        assert ("l_icl" in line) == ("l_pcl" in line) == distils
        assert line["ln_batch"] == pytest.approx(math.log(images))


def test_input_means_are_of_studies_that_train_drawn_from_the_whole_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dark half first, then a bright one; every third study is black and has no report."""
    preprocess = Preprocess.from_dict(PREPROCESS)
    studies = [
        StoredStudy(f"s{i}", f"p{i}", Modality.DX, Split.TRAIN, "" if i % 3 == 0 else "Clear lungs.")
        for i in range(600)
    ]
    grey = [0 if i % 3 == 0 else 1000 if i < 300 else 3000 for i in range(600)]
    pixels = [np.full(preprocess.radiograph_size, value, np.int16) for value in grey]
    records = [Record(study, image) for study, image in zip(studies, pixels, strict=True)]
    store = write_store(tmp_path / "store", records, preprocess)
    recipe = load_recipe(toy_recipe(tmp_path / "recipe.yaml", model={**RECIPE["model"], "centre_inputs": True}))
    monkeypatch.setattr(build_room, "MEAN_STUDIES", 100)
    module, _ = build_room.build(recipe, store, 10, EpochLength(4, 4))
    mean = module.student.vision.mean_radiograph
    dark, bright = (float(preprocess.radiographs(torch.from_numpy(pixels[i][None])).mean()) for i in (1, 301))
    share = (float(mean.mean()) - dark) / (bright - dark)
    assert 0.35 < share < 0.65  # of a hundred drawn; the first of the manifest give 0, black ones less
    again, _ = build_room.build(recipe, store, 10, EpochLength(4, 4))
    assert torch.equal(again.student.vision.mean_radiograph, mean)


def test_reports_that_are_cut_are_counted_at_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_store(tmp_path / "store")  # reports of 14 words and two full stops
    for length, said in ((16, "20 of 20 training reports are longer than model.text_length, 16 tokens"), (32, "")):
        model = {**RECIPE["model"], "text_length": length}
        recipe = load_recipe(toy_recipe(tmp_path / "recipe.yaml", model=model, duration="1 steps"))
        pretrain(recipe, tmp_path / "store", tmp_path / f"run-{length}")
        assert said in (err := capsys.readouterr().err)
        assert ("longer" in err) == bool(said)


def test_activation_checkpointing_changes_nothing_but_memory(tmp_path: Path) -> None:
    """The losses are equal to the last bit, and less is kept for the way back."""
    store, logs, kept = toy_store(tmp_path / "store"), [], []
    for number, on in enumerate((False, True)):
        optimization = {**RECIPE["optimization"], "activation_checkpointing": on}
        changes = {"duration": "3 steps", "optimization": optimization}
        recipe = load_recipe(toy_recipe(tmp_path / f"{number}.yaml", **changes))
        run = tmp_path / f"run-{number}"
        pretrain(recipe, store.path, run)
        logs.append(result(run)["log"])
        module, processor = build(recipe, store, 3, EpochLength(6, 3))
        batch, seen = TrainingSteps(store, recipe.batch, processor.text, 0, 3)[0], list[int]()
        with torch.autograd.graph.saved_tensors_hooks(lambda t, seen=seen: seen.append(t.nbytes) or t, lambda t: t):
            module.train()(batch, 2)
        kept.append(sum(seen))
    assert logs[0] == logs[1]
    assert kept[1] < 0.8 * kept[0]
