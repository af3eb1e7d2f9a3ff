"""Maps lie on their image whatever its axes; pictures show a hot place where it is; a folder is ours or refused."""

import io
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.hospital import write_pretrained
from tests.imaging.test_write_mask import ORIENTATIONS, stored_as
from tests.tiny import PREPROCESS
from unimedi.explanation.explain import Explanation, explain
from unimedi.explanation.pictures import slab_picture, text_picture
from unimedi.explanation.write import write_explanation
from unimedi.files.destination import DestinationError
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.read import read_image
from unimedi.imaging.write_mask import write_map
from unimedi.representation.embedder import Embedder

XRAY = Radiograph(np.random.default_rng(0).random((64, 64)).astype(np.float32), (2.0, 2.0))


def hot(image: Radiograph | Volume, place: tuple[int, ...], sign: float = 1.0) -> Explanation:
    """One sentence, whose map is hot at one place of 8 x 8, or 4 x 8 x 8."""
    grid = (8, 8) if image is XRAY else (4, 8, 8)
    relevance = np.zeros((1, *grid), np.float32)
    relevance[(0, *place)] = 0.4 * sign
    volume = isinstance(image, Volume)
    return Explanation(
        image=image,
        preprocess=PREPROCESS,
        texts=("A $nodule$ in the _left_ lung.",),
        similarity=np.array([0.4], np.float32),
        relevance=relevance,
        attention=np.ones(grid, np.float32),
        slab_scores=np.array([1.0, 4.0, 2.0, 3.0], np.float32) if volume else None,
        planes=np.array([6, 14]) if volume else None,
    )


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("packed", [".nii", ".nii.gz"])
def test_a_map_of_a_nifti_image_has_its_axes_and_its_affine(tmp_path: Path, orientation: str, packed: str) -> None:
    voxels, affine = stored_as(orientation)
    source, target = tmp_path / f"ct{packed}", tmp_path / "map.nii.gz"
    nib.save(nib.Nifti1Image(voxels, affine), source)
    image = read_image(source)
    write_map(image.array.astype(np.float32) / 8, image, source, target)  # type: ignore[arg-type]
    written = nib.load(target)
    assert np.array_equal(np.asarray(written.dataobj), voxels / np.float32(8))
    assert written.get_data_dtype() == np.float32
    assert np.array_equal(written.affine, nib.load(source).affine)
    assert (written.header["cal_min"], written.header["cal_max"]) == (0, voxels.max() / 8)


def test_a_map_of_an_array_has_its_spacing(tmp_path: Path) -> None:
    values = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    write_map(values, Volume(np.zeros((4, 5, 6), np.int16), (5.0, 2.0, 1.5)), None, tmp_path / "map.nii.gz")
    written = nib.load(tmp_path / "map.nii.gz")
    assert written.header.get_zooms() == (1.5, 2.0, 5.0)
    assert np.array_equal(np.asarray(written.dataobj), values.T)


def coloured(drawn: bytes, orange: bool) -> np.ndarray:
    """The pixels that are more red than blue, or more blue than red: rows and columns, as shares of the picture."""
    pixels = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"), dtype=int)
    pixels = pixels[:, : int(0.85 * pixels.shape[1])]  # without the colour bar
    difference = (pixels[..., 0] - pixels[..., 2]) * (1 if orange else -1)
    return np.argwhere(difference > 60) / pixels.shape[:2]


@pytest.mark.parametrize("orange", [True, False])
def test_a_hot_place_of_an_xray_is_coloured_where_it_is(orange: bool) -> None:
    explanation = hot(XRAY, (6, 1), 1.0 if orange else -1.0)
    drawn = text_picture(explanation, 0, explanation.own(explanation.relevance[0]))
    at = coloured(drawn, orange)
    assert len(at) > 50
    assert len(coloured(drawn, not orange)) == 0
    assert at[:, 1].min() > 0.5  # in the second panel: the first is plain
    assert np.median(at[:, 1]) < 0.7  # on its left
    assert np.median(at[:, 0]) > 0.6  # and low


def test_a_hot_place_of_a_ct_is_in_the_plane_that_is_called_highest() -> None:
    voxels = np.random.default_rng(0).integers(-1000, 500, (20, 40, 40)).astype(np.int16)
    explanation = hot(Volume(voxels, (4.0, 1.0, 1.0)), (0, 1, 6))
    at = coloured(text_picture(explanation, 0, explanation.own(explanation.relevance[0])), True)
    assert at[:, 0].min() > 0.5  # below the plain planes
    assert 0.15 < np.median(at[:, 1]) < 0.4  # the first of three columns, the patient's left: on its right
    assert Image.open(io.BytesIO(slab_picture(explanation))).size[0] == 1100


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder.from_pretrained(write_pretrained(tmp_path_factory.mktemp("model")))


def test_a_second_explanation_takes_the_place_of_the_first(embedder: Embedder, tmp_path: Path) -> None:
    two = explain(embedder, XRAY, ["One nodule.", "Two nodules."])
    names = {path.name for path in write_explanation(two, None, "model", tmp_path / "out")}
    assert names == {"attention.png", "text-1.png", "text-2.png", "explanation.json"}
    one = explain(embedder, XRAY, "One nodule.")
    names = {path.name for path in write_explanation(one, None, "model", tmp_path / "out")}
    assert names == {"attention.png", "text.png", "explanation.json"}
    written = json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert written["sentences"][0]["cosine"] == pytest.approx(float(one.similarity[0]))
    assert written["slab_scores"] is None


@pytest.mark.parametrize("name", ["notes.txt", "text.png", "explanation.png"])
def test_a_folder_of_somebody_else_is_left_as_it_is(embedder: Embedder, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(DestinationError, match=name):
        write_explanation(explain(embedder, XRAY), None, "model", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_write_that_fails_leaves_the_old_explanation(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = explain(embedder, XRAY, "One nodule.")
    write_explanation(found, None, "model", tmp_path / "out")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_explanation(replace(found, similarity=np.array([np.nan], np.float32)), None, "model", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "explanation.json").read_text())["sentences"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
