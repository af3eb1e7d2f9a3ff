"""``unimedi explain`` and ``explain-eval`` from the words of a command line to pictures, maps and figures."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.hospital import write_hospital, write_pretrained
from unimedi.cli import main
from unimedi.imaging.read import read_image
from unimedi.metrics.measurement import Measurements

DRAWS = np.random.default_rng(0)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    write_pretrained(folder / "run" / "pretrained", report_languages=("en",))
    voxels = DRAWS.integers(-1000, 600, (40, 30, 12)).astype(np.int16)
    affine = np.diag([0.8, 0.9, 4.0, 1.0])
    affine[:3, 3] = (-10, 20, 300)
    nib.save(nib.Nifti1Image(voxels, affine), folder / "ct.nii.gz")
    Image.fromarray(DRAWS.integers(0, 255, (40, 64)).astype(np.uint8)).save(folder / "chest.png")
    return folder


def words(ground: Path, *more: object) -> list[str]:
    return [str(word) for word in ("explain", *more, "--model", ground / "run")]


def test_a_ct(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ground / "ct"
    asked = ("--text", "There is a nodule in the right lung.", "Verschattung im linken Unterlappen mit Erguss.")
    assert main(words(ground, ground / "ct.nii.gz", "--out", out, *asked)) == 0
    said = capsys.readouterr()
    names = [f"{name}{end}" for name in ("attention", "text-1", "text-2") for end in (".nii.gz", ".png")]
    assert {path.name for path in out.iterdir()} == {*names, "slabs.png", "explanation.json"}
    written = json.loads((out / "explanation.json").read_text())
    assert f"cosine {written['sentences'][0]['cosine']:.3f}  There is a nodule" in said.out
    assert f"chosen planes {' and '.join(map(str, written['chosen_planes']))} of 12" in said.out
    assert "'de'" in said.err
    assert written["notes"][0] in said.err
    image = nib.load(ground / "ct.nii.gz")
    for name in ("attention", "text-1", "text-2"):
        mapped = nib.load(out / f"{name}.nii.gz")
        assert mapped.shape == image.shape
        assert np.array_equal(mapped.affine, image.affine)
        assert np.asarray(mapped.dataobj).max() > 0
        assert Image.open(out / f"{name}.png").size[0] > 600
    assert len(read_image(ground / "ct.nii.gz").array) == written["planes"]


def test_an_xray_without_a_sentence(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(ground, ground / "chest.png", "--out", ground / "xray")) == 0
    assert {path.name for path in (ground / "xray").iterdir()} == {"attention.png", "explanation.json"}
    assert "2 files in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("nothing.png",), "nothing.png"),
        (("chest.png", "--text", " "), "expected a sentence"),
        (("chest.png", "--out", "."), "holds"),
        (("chest.png", "--model", "."), "expected a run"),
    ],
)
def test_what_cannot_be_explained_is_said(
    ground: Path, more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = [str(ground / word) if word in ("nothing.png", "chest.png", ".") else word for word in more]
    asked = words(ground, *placed)
    asked = asked[:-2] if "--model" in placed else asked
    before = sorted(ground.rglob("*"))
    assert main(asked if "--out" in asked else [*asked, "--out", str(ground / "new" / "deeper")]) == 2
    assert said in capsys.readouterr().err
    assert sorted(ground.rglob("*")) == before  # no empty folder


def test_how_faithful_from_words_to_figures(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_hospital(ground / "store")
    assert main(["explain-eval", str(ground / "run"), "--data", str(ground / "store")]) == 0
    said = capsys.readouterr().out
    assert "CT" in said
    assert "same shape, other side" in said
    found = Measurements.read(ground / "run" / "explain_eval.json")
    for kind in ("xray", "ct"):
        for fill in ("mean_image", "blurred"):
            for name in ("text", "other_text", "attention", "difference", "random"):
                row = found.one(task="explanation", modality=kind, variant=fill, method=name, metric="drop@10%")
                assert row is not None
                assert row.low <= row.value <= row.high
            difference = {"variant": fill, "method": "text", "minus": "random", "metric": "area"}
            assert found.one(task="explanation", modality=kind, **difference) is not None
    erased = found.one(task="explanation", modality="ct", variant="mean_image", method="named", metric="erased")
    assert erased is not None
    assert not found.select(modality="xray", metric="erased")  # this store has no masks of X-rays
    assert Image.open(ground / "run" / "explain_eval.png").size[0] > 800


def test_a_store_without_findings_is_said(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_hospital(ground / "bare", labelled=False)
    assert main(["explain-eval", str(ground / "run"), "--data", str(ground / "bare")]) == 2
    assert "no study of the test split with a finding" in capsys.readouterr().err
