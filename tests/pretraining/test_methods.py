"""The methods that UniMedI is compared with, from the same code: each trains, and ships a model that can be used."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.pretraining.toy_run import RECIPE, toy_recipe, toy_store
from unimedi.model.unimedi import UniMediModel
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
