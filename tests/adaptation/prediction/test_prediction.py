"""What finetune and segment keep gives their figures again, bit by bit, and speaks of files as of the store."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from tests.hospital import FINDINGS, write_hospital, write_pretrained
from tests.tiny import PREPROCESS
from unimedi.adaptation.fine_tune import FindingModel, finding_task, fine_tune
from unimedi.adaptation.prediction.predict import NothingPredictedError, predict
from unimedi.adaptation.prediction.trained import (
    Trained,
    TrainedModelError,
    trained_kinds,
)
from unimedi.adaptation.segmentation.masks import masked_splits
from unimedi.adaptation.segmentation.segment import MaskModel, segment
from unimedi.adaptation.settings import FineTuneSettings, SegmentSettings
from unimedi.cli import main
from unimedi.cli.describe import describe
from unimedi.imaging.read import read_image, read_mask
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap
from unimedi.metrics.overlap import overlap_measurements

TUNED = FineTuneSettings(fractions=(0.5, 1.0), seeds=(0, 1), steps=4, batch=4, learning_rates=(1e-3, 1e-2), resamples=9)
MASKED = SegmentSettings(
    fractions=(1.0,), seeds=(0,), steps=3, batch=3, learning_rates=(1e-2,), checks=1, resamples=9, precision="fp32"
)


def silent(_: str) -> None:
    """Nobody listens."""


class Ground:
    """A hospital, a model, and what both trainings left, with their figures."""

    def __init__(self, folder: Path) -> None:
        write_hospital(folder / "store", masked_ndims=(2, 3))
        write_pretrained(folder / "run" / "pretrained")
        self.run, self.data, self.folder = folder / "run", folder / "store", folder
        self.tuned, self.masked = folder / "tuned", folder / "masked"
        for out in (self.tuned, self.masked):
            out.mkdir()
        self.tuned_figures = fine_tune(self.run, self.data, TUNED, silent, self.tuned)
        self.masked_figures = segment(self.run, self.data, MASKED, silent, self.masked)
        self.store = Store.open(self.data)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("prediction"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """X-rays and CTs as files, one of each in a folder of its own, and two files that are none."""
    folder, draws = tmp_path_factory.mktemp("images"), np.random.default_rng(5)
    (folder / "one").mkdir()
    for name in ("a.png", "one/a.png"):
        Image.fromarray(draws.integers(0, 255, (40, 50)).astype(np.uint8)).save(folder / name)
    affine = np.array([[0, 2.0, 0, -10], [1.5, 0, 0, 20], [0, 0, -4.0, 300], [0, 0, 0, 1]])
    for name in ("a.nii.gz", "one/ct.nii"):
        voxels = draws.integers(-1000, 1000, (44, 30, 20)).astype(np.int16)
        nib.save(nib.Nifti1Image(voxels, affine), folder / name)
    (folder / "notes.txt").write_text("read me")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["study_id"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("kind", ["xray", "ct"])
def test_a_loaded_classifier_has_the_figures_that_were_reported(ground: Ground, kind: str) -> None:
    trained = Trained.read(ground.tuned, kind)
    classifier = trained.load(ground.tuned)
    task = finding_task(kind, ground.store, replace(TUNED, precision=trained.precision), silent)
    model = task.model(classifier.model)
    assert isinstance(model, FindingModel)
    again = FindingModel(classifier, ground.store, model.validation, model.held_out, TUNED.resamples)
    assert again.thresholds() == trained.thresholds
    assert again.validate() == trained.validation
    for key, one in again.test().named(task="fine_tune", modality=kind, share=1.0).items():
        assert same(one, ground.tuned_figures[key]), key


@pytest.mark.parametrize("kind", ["xray", "ct"])
def test_a_loaded_segmenter_has_the_figures_that_were_reported(ground: Ground, kind: str) -> None:
    trained = Trained.read(ground.masked, kind)
    splits = masked_splits(kind, ground.store, MASKED)
    model = MaskModel(trained.load(ground.masked), ground.store, splits)
    assert model.validate() == trained.validation
    bootstrap = PatientBootstrap([ground.store.studies[i].patient_id for i in splits.test], MASKED.resamples)
    again = overlap_measurements(model.test(), bootstrap)
    again = again.named(task="segmentation", modality=kind, variant=trained.decoder, share=1.0)
    assert again
    for key, figure in again.items():
        assert same(figure, ground.masked_figures[key]), key


def same(one: Estimate, other: Estimate) -> bool:
    return json.dumps(one.to_json()) == json.dumps(other.to_json())


def test_of_several_decoders_the_best_on_validation_is_kept(ground: Ground, tmp_path: Path) -> None:
    """Each alone keeps itself; together they keep the better, with the very same weights."""
    alone = {}
    for decoder in MASKED.xray_decoders:
        (tmp_path / decoder).mkdir()
        settings = replace(MASKED, kinds=("xray",), xray_decoders=(decoder,))
        segment(ground.run, ground.data, settings, silent, tmp_path / decoder)
        alone[decoder] = Trained.read(tmp_path / decoder, "xray").validation or 0.0
    best = max(alone, key=lambda decoder: alone[decoder])
    assert Trained.read(ground.masked, "xray") == Trained.read(tmp_path / best, "xray")
    kept, own = ((place / "xray.safetensors").read_bytes() for place in (ground.masked, tmp_path / best))
    assert kept == own


def test_what_was_kept_says_what_it_is(ground: Ground) -> None:
    kept = json.loads((ground.tuned / "ct.json").read_text())
    assert (kept["task"], kept["kind"], kept["classes"]) == ("classification", "ct", list(FINDINGS))
    assert kept["model"]["preprocess"] == PREPROCESS.to_dict()
    assert kept["store"] == ground.store.fingerprint
    assert len(kept["pretrained"]) == len(kept["sha256"]) == 64
    assert set(kept["thresholds"]) == set(FINDINGS)
    told = describe(ground.tuned)["path"]
    assert (told["kind"], told["xray"]["task"], told["ct"]["classes"]) == (
        "model of predict",
        "classification",
        list(FINDINGS),
    )


def test_a_later_training_of_one_kind_leaves_no_model_of_the_other(ground: Ground, tmp_path: Path) -> None:
    for kinds in (("xray", "ct"), ("ct",)):
        fine_tune(ground.run, ground.data, replace(TUNED, kinds=kinds, fractions=(1.0,)), silent, tmp_path)
    assert trained_kinds(tmp_path) == ["ct"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.json", "ct.safetensors"]


def test_a_classifier_speaks_of_files(ground: Ground, images: Path, tmp_path: Path) -> None:
    assert main(["predict", str(images), "--model", str(ground.tuned), "--out", str(tmp_path / "new" / "t.csv")]) == 0
    rows = rows_of(tmp_path / "new" / "t.csv")
    names = {"a.png": "xray", "one/a.png": "xray", "a.nii.gz": "ct", "one/ct.nii": "ct"}
    assert set(rows) == {str(images / name) for name in names}
    for name, kind in names.items():
        row, trained = rows[str(images / name)], Trained.read(ground.tuned, kind)
        assert row["modality"] == {"xray": "DX", "ct": "CT"}[kind]
        stored = PREPROCESS.stored(read_image(images / name))
        with torch.no_grad():
            logits = trained.load(ground.tuned).logits(torch.from_numpy(stored)[None])[0]
        for finding, logit in zip(trained.classes, logits.double(), strict=True):
            probability = float(row[f"probability:{finding}"])
            assert probability == 1 / (1 + np.exp(-logit.item())) or probability == pytest.approx(
                logit.sigmoid().item()
            )
            assert row[f"label:{finding}"] == str(int(probability >= trained.thresholds[finding]))
    left_out = (tmp_path / "new" / "t.skipped.csv").read_text()
    assert "notes.txt" in left_out
    assert "broken.png" in left_out


def test_a_segmenter_writes_masks_that_lie_on_the_images(ground: Ground, images: Path, tmp_path: Path) -> None:
    assert main(["predict", str(images), "--model", str(ground.masked), "--out", str(tmp_path / "masks")]) == 0
    rows = rows_of(tmp_path / "masks" / "masks.csv")
    assert len(rows) == 4
    for path, row in rows.items():
        image, trained = read_image(path), Trained.read(ground.masked, "ct" if path.endswith(("nii", "gz")) else "xray")
        stored = PREPROCESS.stored(image)
        found = trained.load(ground.masked).predict(torch.from_numpy(stored)[None])[0].numpy()
        for finding, mask in zip(trained.classes, found, strict=True):
            target = tmp_path / "masks" / row[f"mask:{finding}"]
            expected = PREPROCESS.own_mask(mask.astype(np.uint16), image) != 0
            assert np.array_equal(read_mask(target), expected)
            if image.ndim == 3:
                image_file, mask_file = nib.load(path), nib.load(target)
                assert mask_file.shape == image_file.shape
                assert np.array_equal(mask_file.affine, image_file.affine)


def test_each_image_has_a_place_of_its_own(ground: Ground, images: Path, tmp_path: Path) -> None:
    """Two files of one name, and one given by itself."""
    predict([images / "a.png", images / "one" / "a.png"], ground.masked, tmp_path / "two")
    masks = {row["mask:nodule"] for row in rows_of(tmp_path / "two" / "masks.csv").values()}
    assert masks == {"a.png/nodule.png", "one/a.png/nodule.png"}
    predict([images / "one" / "a.png"], ground.masked, tmp_path / "single")
    assert [row["mask:nodule"] for row in rows_of(tmp_path / "single" / "masks.csv").values()] == ["a.png/nodule.png"]


def test_an_image_of_another_kind_is_left_out_with_the_reason(ground: Ground, images: Path, tmp_path: Path) -> None:
    fine_tune(ground.run, ground.data, replace(TUNED, kinds=("ct",), fractions=(1.0,)), silent, tmp_path)
    count, listed = predict([images / "a.png", images / "a.nii.gz"], tmp_path, tmp_path / "t.csv")
    assert count == 1
    assert [one.reason for one in listed.skipped] == ["the model was trained for ct, this is for xray"]
    with pytest.raises(NothingPredictedError, match="the model was trained for ct"):
        predict([images / "a.png"], tmp_path, tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("model", "out", "sentence"),
    [
        ("run", "t.csv", "expected the --out of finetune or segment"),
        ("tuned", "t.txt", r"expected the name of a \.csv file"),
        ("masked", "images/masks", "is in a folder of images that are read"),
    ],
)
def test_what_cannot_be_done_is_said_first(
    ground: Ground, images: Path, model: str, out: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = images.parent / out.replace("images", images.name)
    assert main(["predict", str(images), "--model", str(ground.folder / model), "--out", str(target)]) == 2
    assert re.search(sentence, capsys.readouterr().err)
    assert not (images / "masks").exists()


def test_damaged_weights_are_refused(ground: Ground, tmp_path: Path) -> None:
    for name in ("xray.json", "xray.safetensors"):
        (tmp_path / name).write_bytes((ground.tuned / name).read_bytes())
    trained, weights = Trained.read(tmp_path, "xray"), tmp_path / "xray.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(TrainedModelError, match="damaged, or of another training"):
        trained.load(tmp_path)
    weights.unlink()
    with pytest.raises(TrainedModelError, match="found none"):
        trained.load(tmp_path)
    (tmp_path / "xray.json").write_text('{"format": 1}')
    with pytest.raises(TrainedModelError, match="format 1, expected 2; train again, into another folder"):
        Trained.read(tmp_path, "xray")
    (tmp_path / "xray.json").write_text('{"format": 2}')
    with pytest.raises(TrainedModelError, match="does not describe a trained model: KeyError: 'task'"):
        Trained.read(tmp_path, "xray")


@pytest.mark.parametrize(("verb", "other"), [("finetune", "masked"), ("segment", "tuned"), ("finetune", "evaluated")])
def test_figures_of_something_else_are_not_written_over(
    ground: Ground, verb: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (ground.folder / "evaluated").mkdir(exist_ok=True)
    (ground.folder / "evaluated" / "metrics.json").write_text("{}")
    words = [verb, str(ground.run), "--data", str(ground.data), "--out", str(ground.folder / other)]
    assert main(words) == 2
    assert "has the metrics.json of something else" in capsys.readouterr().err
