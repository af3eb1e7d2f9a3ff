"""What people will get wrong, through the command line: exit code 2 and a sentence that helps, never a traceback."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from tests.pretraining.toy_run import toy_recipe, toy_store
from unimedi.cli import main
from unimedi.pretraining import checkpoint

Rows = list[dict[str, str]]


def unimedi(*words: object) -> int:
    return main([str(word) for word in words])


def picture(path: Path, pixels: np.ndarray | None = None) -> str:
    noise = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
    Image.fromarray(noise if pixels is None else pixels).save(path)
    return path.name


def volume(path: Path, voxels: np.ndarray) -> str:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((1.0, 1.0, 2.0))
    sitk.WriteImage(image, str(path))
    return path.name


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """Three good studies of three patients."""
    return [
        {
            "study_id": f"s{n}", "patient_id": f"p{n}", "modality": "DX", "split": "train",
            "image": picture(tmp_path / f"{n}.png"), "report": "Clear lungs. No effusion.",
        }
        for n in range(3)
    ]  # fmt: skip


def prepare(folder: Path, rows: Rows) -> int:
    with (folder / "cohort.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    toy_recipe(folder / "recipe.yaml", duration="2 steps")
    return unimedi(
        "prepare", folder / "cohort.csv", "--out", folder / "store", "--config", folder / "recipe.yaml", "--workers", 0
    )


def change(**values: str) -> Callable[[Rows], None]:
    return lambda rows: rows[1].update(values)


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (change(image="gone.png"), ["s1", "gone.png"]),
        (change(modality="XR"), ["s1", "XR", "CT"]),
        (change(report=" "), ["s1", "report"]),
        (change(study_id="s0"), ["s0", "row"]),
        (change(patient_id="p0", split="test"), ["p0", "train", "test"]),
        (change(split="holdout"), ["s1", "holdout", "validation"]),
    ],
    ids=["missing file", "unknown modality", "empty report", "duplicate id", "patient in two splits", "unknown split"],
)
def test_a_manifest_with_a_mistake(
    tmp_path: Path, rows: Rows, spoil: Callable[[Rows], None], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(rows)
    assert prepare(tmp_path, rows) == 2
    said = capsys.readouterr().err
    assert said.startswith("unimedi prepare: ")
    for part in parts:
        assert part in said


def test_images_that_cannot_be_used_are_refused_with_the_reason(tmp_path: Path, rows: Rows) -> None:
    (tmp_path / "text.png").write_text("this is no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:200])
    noise = np.random.default_rng(0).integers(-1000, 1000, (12, 40, 40))
    flat, dot = np.full((40, 40), 7, np.uint8), np.full((1, 1), 7, np.uint8)
    holes = np.where(noise > 990, np.nan, noise).astype(np.float32)
    bad = {  # modality, image, what the sentence says
        "unreadable": ("DX", "text.png", "the file is damaged"),
        "cut": ("DX", "cut.png", "truncated"),
        "constant": ("DX", picture(tmp_path / "flat.png", flat), "every pixel is 7"),
        "one-pixel": ("DX", picture(tmp_path / "dot.png", dot), "1 x 1 pixels; at least"),
        "constant-ct": ("CT", volume(tmp_path / "flat.nii", np.zeros((12, 40, 40), np.int16)), "every pixel is 0"),
        "nan": ("CT", volume(tmp_path / "nan.nii", holes), "holds NaN"),
        "thin": ("CT", volume(tmp_path / "thin.nii", noise[:1].astype(np.int16)), "a single slice of a CT; one slab"),
    }
    for name, (modality, image, _) in bad.items():
        rows.append({**rows[0], "study_id": name, "patient_id": name, "modality": modality, "image": image})
    assert prepare(tmp_path, rows) == 0
    refused = {one["study_id"]: one for one in json.loads((tmp_path / "store" / "refused.json").read_text())}
    assert set(refused) == set(bad)
    for name, one in refused.items():
        assert one["reason"], name
        for part in bad[name][1:]:  # which file, and what is wrong with it
            assert part in one["message"], name


def pretrain(folder: Path, name: str, *words: object) -> int:
    return unimedi(
        "pretrain", "--config", folder / "recipe.yaml", "--data", folder / "store", "--out", folder / name, *words
    )


def test_one_modality_trains_and_says_what_is_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_store(tmp_path / "store", radiographs=0, volumes=6)
    toy_recipe(tmp_path / "recipe.yaml", duration="2 steps")
    assert pretrain(tmp_path, "run") == 0
    assert "no radiographs" in capsys.readouterr().err


def test_an_unknown_recipe_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_store(tmp_path / "store")
    toy_recipe(tmp_path / "recipe.yaml", optimisation={"learning_rate": 1e-3})
    assert pretrain(tmp_path, "run") == 2
    assert "unknown key optimisation (did you mean 'optimization'?)" in capsys.readouterr().err
    toy_recipe(tmp_path / "recipe.yaml")
    assert pretrain(tmp_path, "run", "--model.slize", 3) == 2
    assert "did you mean 'model.slices'?" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_two_lengths_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_store(tmp_path / "store")
    toy_recipe(tmp_path / "recipe.yaml")
    assert pretrain(tmp_path, "run", "--steps", 3, "--duration", "3 epochs") == 2
    assert "--steps and --duration" in capsys.readouterr().err
    assert pretrain(tmp_path, "run", "--duration", "3 epochs 5 steps") == 2
    assert "2 lengths at once" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--text.pretrained", "--model.vision_pretrained"])
def test_weights_that_are_not_there(tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that no cache holds, as that of ``recipes/base.yaml`` is on most machines."""
    toy_store(tmp_path / "store")
    toy_recipe(tmp_path / "recipe.yaml")
    assert pretrain(tmp_path, "run", option, "nobody/has-this") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("unimedi pretrain: expected the folder of a")
    assert "got nobody/has-this" in said


def test_a_store_of_other_sizes_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_recipe(tmp_path / "recipe.yaml")
    assert pretrain(tmp_path, "run") == 2
    assert "is not a store" in capsys.readouterr().err
    toy_store(tmp_path / "store")
    assert pretrain(tmp_path, "run", "--preprocess.slice_size=[64,64]") == 2
    assert "slice_size" in capsys.readouterr().err


def test_another_recipe_another_store_or_no_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_store(tmp_path / "store")
    toy_recipe(tmp_path / "recipe.yaml", duration="2 steps")
    assert pretrain(tmp_path, "run") == 0
    before = sorted((tmp_path / "run").rglob("*"))
    capsys.readouterr()
    assert pretrain(tmp_path, "run") == 2
    assert "already holds a run; continue it with --resume" in capsys.readouterr().err
    assert pretrain(tmp_path, "run", "--resume", "--optimization.learning_rate", 2e-3, "--steps", 4) == 2
    said = capsys.readouterr().err
    assert "optimization.learning_rate was 0.001, now 0.002" in said
    assert "duration was '2 steps', now '4 steps'" in said
    toy_store(tmp_path / "other", radiographs=5)
    assert unimedi("pretrain", "--data", tmp_path / "other", "--out", tmp_path / "run", "--resume") == 2
    assert "store was" in capsys.readouterr().err
    assert sorted((tmp_path / "run").rglob("*")) == before


def test_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """From the second checkpoint on nothing can be written; the first stays, and the run goes on from it."""
    toy_store(tmp_path / "store")
    toy_recipe(tmp_path / "recipe.yaml", duration="6 steps")
    assert pretrain(tmp_path, "whole") == 0
    real = checkpoint.save_file

    def full(tensors: object, path: Path) -> None:
        if "step-000006" in str(path):
            path.write_bytes(b"half of it")
            raise OSError(28, "No space left on device")
        real(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full)
        assert pretrain(tmp_path, "full") == 2
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "step-000003 is intact; free some space and continue with --resume" in said
    assert [path.name for path in (tmp_path / "full" / "checkpoints").iterdir()] == ["step-000003"]
    assert pretrain(tmp_path, "full", "--resume") == 0
    weights = [tmp_path / name / "pretrained" / "model.safetensors" for name in ("whole", "full")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
