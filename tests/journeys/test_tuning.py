"""From a hospital with masks in its training split to fine-tuned and segmented figures, by the commands."""

import json
from pathlib import Path

import pytest

from tests.hospital import write_pretrained
from tests.pretraining.toy_run import PREPROCESS, start, toy_recipe
from unimedi.cli import main
from unimedi.inputs.preprocess import Preprocess

SHORT = ("--steps", 3, "--batch", 2, "--checks", 1, "--learning_rates", "[0.001]", "--fractions", "[1]")


def unimedi(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning")
    cohort = folder / "hospital" / "cohort.csv"
    size = ("--preset", "micro", "--patients", 16)  # so many that both kinds have a lesion to choose by in validation
    hospital = start("phantom", folder / "hospital", *size, "--workers", 1, "--share_train_masks", 1)
    hospital.join()
    assert hospital.exitcode == 0
    assert unimedi("cohort", "phantom", folder / "hospital", "--out", cohort) == 0
    recipe = toy_recipe(folder / "recipe.yaml")
    assert unimedi("prepare", cohort, "--out", folder / "store", "--config", recipe, "--workers", 0) == 0
    write_pretrained(folder / "model", Preprocess.from_dict(PREPROCESS))
    return folder


EXPECTED = {
    "finetune": ("fine_tune/xray/100%/auroc", "fine_tune/xray/random_init/100%/auroc", "fine_tune/ct/100%/auroc"),
    "segment": (
        "segmentation/xray/linear/100%/dice_positive",
        "segmentation/xray/setr_pup/random_init/100%/dice_all",
        "segmentation/ct/unetr/100%/dice_positive",
        "segmentation/ct/trivial/dice_all",
    ),
}


@pytest.mark.parametrize("verb", EXPECTED)
def test_figures_by_one_command(ground: Path, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert unimedi(verb, ground / "model", "--data", ground / "store", "--out", ground / verb, *SHORT) == 0
    assert set(EXPECTED[verb]) <= set(json.loads((ground / verb / "metrics.json").read_text()))
    assert "step 3 of 3" in capsys.readouterr().out
    kept = [f"{kind}.{ending}" for kind in ("ct", "xray") for ending in ("json", "safetensors")]
    assert sorted(path.name for path in (ground / verb).iterdir()) == sorted([*kept, "metrics.json"])


def test_a_mistake_is_a_sentence(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--data", ground / "store", "--out", ground / "nothing")
    for words, said in (
        (("finetune", ground, *place), "expected a run with pretrained/config.json"),
        (("finetune", ground / "model", *place, "--stepz", 3), "unknown option --stepz"),
        (("segment", ground / "model", *place, "--resolution", "coarse"), "resolution: expected one of volume, hires"),
    ):
        assert unimedi(*words) == 2
        assert said in capsys.readouterr().err
