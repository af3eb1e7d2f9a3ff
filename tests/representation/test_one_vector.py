"""One image has one vector: from Python, the command line and ONNX, alone or in any batch, from a file or an array."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoModel, AutoProcessor

import unimedi
from tests.cohort.dicom_files import put_ct, put_xray
from tests.hospital import SENTENCES
from unimedi.cli import main
from unimedi.errors import InputError, MissingError
from unimedi.inputs.open_image import open_image
from unimedi.representation.load import LoadedModel
from unimedi.representation.table import read_table

TEXTS = [*SENTENCES.values(), "[MASK] " + " ".join(SENTENCES.values())]
Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """X-rays and CTs mixed: DICOM, PNG, NIfTI, and a folder of a series."""
    folder, draws = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    png, nifti = folder / "chest.png", folder / "ct.nii.gz"
    Image.fromarray(draws.integers(0, 255, (48, 40)).astype(np.uint8)).save(png)
    hounsfield = draws.normal(-300, 300, (24, 24, 10)).clip(-1000, 900).astype(np.int16)
    nib.save(nib.Nifti1Image(hounsfield, np.diag([-1, -1, 3, 1.0])), nifti)
    return [put_xray(folder / "chest.dcm"), put_ct(folder / "series"), png, nifti]


@pytest.fixture(scope="module")
def expected(pretrained: Path, files: list[Path]) -> Vectors:
    """Each alone, through the model and its processor."""
    model, processor = AutoModel.from_pretrained(pretrained).eval(), AutoProcessor.from_pretrained(pretrained)
    with torch.no_grad():
        return np.concatenate([model.get_image_features(**processor(images=file)).numpy() for file in files])


def test_python_gives_them_alone_and_in_any_batch_from_files_and_what_they_hold(
    pretrained: Path, files: list[Path], expected: Vectors, tmp_path: Path
) -> None:
    model = unimedi.load(pretrained)
    same(model.images(files), expected)
    same(model.images([*files, *files][::-1]), np.concatenate([expected, expected])[::-1])
    same(model.images([str(file) for file in files[:2]]), expected[:2])
    shutil.make_archive(str(tmp_path / "series"), "zip", files[1])
    same(model.images(tmp_path / "series.zip"), expected[1:2])
    opened = [open_image(file) for file in files]
    same(model.images(opened), expected)
    for image, row in zip(opened, expected, strict=True):
        same(model.images(image), row[None])
        same(model.images(image.array, image.spacing if image.ndim == 3 else None)[0], model.images(image)[0])
    same(model.images(Image.open(files[2])), expected[2:3])
    stored = [model.preprocess.stored(image) for image in opened]
    same(np.stack([model.embedder.rows([array])[0]["embedding"] for array in stored]), expected)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("way", "within"), [("pretrained", 1e-5), ("exported", 1e-4)])
def test_the_command_line_gives_them(
    way: str, within: float, files: list[Path], expected: Vectors, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model, out = request.getfixturevalue(way), tmp_path / "table.parquet"
    main(["embed", *map(str, files), "--model", str(model), "--out", str(out)])
    table = read_table(out)
    assert table.study_ids == tuple(map(str, files))
    assert table.model == unimedi.load(model).embedder.fingerprint
    same(table.embedding, expected, within)


def test_onnx_gives_them(exported: Path, files: list[Path], expected: Vectors) -> None:
    model = unimedi.load(exported)
    same(model.images(files), expected, 1e-4)
    same(np.concatenate([model.images(file) for file in files]), expected, 1e-4)


def test_texts_have_one_vector(pretrained: Path, exported: Path) -> None:
    model, processor = AutoModel.from_pretrained(pretrained).eval(), AutoProcessor.from_pretrained(pretrained)
    with torch.no_grad():
        alone = np.concatenate([model.get_text_features(**processor(text=text)).numpy() for text in TEXTS])
    same(unimedi.load(pretrained).texts(TEXTS), alone)
    same(unimedi.load(pretrained).texts(TEXTS[0]), alone[:1])
    same(unimedi.load(exported).texts(TEXTS), alone, 1e-4)


@pytest.mark.parametrize("way", ["pretrained", "exported"])
def test_similarity_is_the_cosine(way: str, files: list[Path], request: pytest.FixtureRequest) -> None:
    model = unimedi.load(request.getfixturevalue(way))
    assert isinstance(model, LoadedModel)
    found = model.similarity(files, TEXTS)
    assert found.shape == (4, 4)
    np.testing.assert_allclose(found, model.images(files) @ model.texts(TEXTS).T, atol=1e-5)
    with pytest.raises(TypeError, match=r"text\[1\]: expected a string, got int"):
        model.texts(["a", 1])
    with pytest.raises(InputError, match="expected at least one image, got an empty list"):
        model.images([])
    with pytest.raises(TypeError, match=r"images\[1\]: expected a path"):
        model.images([files[0], None])


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"pretrained/config\.json"):
        unimedi.load(tmp_path)


def same(found: Vectors, expected: Vectors, within: float = 1e-5) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=within)
