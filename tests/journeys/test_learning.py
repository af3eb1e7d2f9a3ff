"""Learning happens: a tiny model learns sixteen studies of the phantom by heart, and finds each one's report."""

import json
import math
from pathlib import Path

import pytest
import torch

from tests.pretraining.toy_run import RECIPE, toy_recipe
from unimedi.cli import main
from unimedi.inputs.store import Store
from unimedi.phantom.hospital import build_hospital
from unimedi.representation.embedder import Embedder

STUDIES = {"train_xray": 8, "train_ct": 8, "validation_paired": 1, "test_paired": 1, "share_spanish": 0.0}
STEPS = 60


def unimedi(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom hospital with sixteen training studies, prepared, and a run whose every step sees all of them."""
    folder = tmp_path_factory.mktemp("learning")
    model = {"hidden_size": 32, "intermediate_size": 64, "embedding_size": 32, "text_length": 64}
    tiny = {"patch_tokenizer": "stem", "stem_channels": 8, "cls_init": "max_pool", "text_pooling": "mean"}
    recipe = toy_recipe(
        folder / "recipe.yaml",
        duration=f"{STEPS} steps",
        checkpoint_every="100 percent",
        model=RECIPE["model"] | model | tiny | {"centre_inputs": True, "initial_temperature": 0.1},
        batch={"radiographs": 8, "volumes": 8, "sentence_keep_prob": 1.0},
        distillation=RECIPE["distillation"] | {"targets": "sinkhorn", "icl_weight": 0.1, "pcl_weight": 0.1},
        teacher={"momentum": 0.9, "final_momentum": 0.9},
        optimization={"learning_rate": 3.0e-3, "warmup": "10 steps", "max_grad_norm": 1.0},
    )
    build_hospital(folder / "hospital", "micro", seed=0, workers=1, progress=False, overrides=STUDIES)
    unimedi("cohort", "phantom", folder / "hospital", "--out", folder / "cohort.csv")
    unimedi("prepare", folder / "cohort.csv", "--out", folder / "store", "--config", recipe, "--workers", 0)
    unimedi("pretrain", "--config", recipe, "--data", folder / "store", "--out", folder / "run")
    return folder


def test_l_vl_falls_from_chance_to_almost_nothing(ground: Path) -> None:
    losses = [json.loads(line)["l_vl"] for line in (ground / "run" / "log.jsonl").read_text().splitlines()]
    assert losses[0] > math.log(16)  # at first no better than chance
    assert sum(losses[-10:]) / 10 < 0.3


def test_what_ships_finds_the_report_of_every_study(ground: Path) -> None:
    store, embedder = Store.open(ground / "store"), Embedder.from_pretrained(ground / "run")
    trained = store.select(split="train")
    reports = [store.studies[i].report for i in trained]
    assert len(set(reports)) == len(trained) == 16
    similarity = torch.tensor(embedder.images(store, trained).embedding @ embedder.texts(reports).T)
    assert similarity.argmax(1).tolist() == list(range(16))
