"""A model in ONNX gives torch's vectors where torch is not installed, and says what is wrong with its folder."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from tests.hospital import SENTENCES, write_hospital
from unimedi.cli import main
from unimedi.errors import InputError, UnimediError
from unimedi.files.destination import DestinationError
from unimedi.inputs.open_image import open_image
from unimedi.representation.embedder import Embedder
from unimedi.representation.onnx_embedder import OnnxEmbedder
from unimedi.representation.onnx_export import export_onnx
from unimedi.representation.onnx_graphs import _averaged, _sorted

REPORT = f"FINDINGS: {' '.join(SENTENCES.values())} {SENTENCES['nodule']}\nIMPRESSION: The lungs are clear."
TEXTS = ["The heart is enlarged.", "[MASK] No [SEP] effusion</s>", "", REPORT, "Überraschung, 3.5 mm; ÆØ"]
WITHOUT_TORCH = """
import sys
class Missing:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "jaxtyping", "datasets", "pyarrow"):
            raise ImportError(name)
sys.meta_path.insert(0, Missing)
import json, numpy, unimedi
folder, given, out = sys.argv[1:]
model, (files, texts) = unimedi.load(folder), json.loads(given)
arrays = numpy.load(f"{out}/arrays.npz")
rows = [model.embedder.rows([arrays[name]])[0]["embedding"] for name in ("xray", "ct")]
numpy.savez(f"{out}/vectors.npz", files=model.images(files), texts=model.texts(texts), arrays=rows)
"""


def write_images(folder: Path) -> list[Path]:
    draws = np.random.default_rng(0)
    xray, ct = folder / "xray.png", folder / "ct.nii.gz"
    Image.fromarray(draws.integers(0, 60000, (70, 51)).astype(np.uint16)).save(xray)
    hounsfield = draws.integers(-1000, 1000, (41, 37, 19)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(hounsfield, np.diag([-1, -1, 2, 1])), ct)
    return [xray, ct]


def test_the_graphs_are_compared_before_they_are_kept(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parity = json.loads((exported / "parity.json").read_text())
    for name in ("radiograph", "volume", "text"):
        assert parity[name]["compared"] == 8
        assert parity[name]["largest_difference"] < 1e-5
        assert parity[name]["least_cosine"] == pytest.approx(1, abs=1e-5)
    assert parity["volume"]["same_planes"] is True
    assert parity["compared_on"] == "random images, seed 0"
    assert "## In ONNX" in (exported / "README.md").read_text()
    main(["info", str(exported), "--json"])
    found = json.loads(capsys.readouterr().out)["path"]
    assert found["kind"] == "model in ONNX"
    assert found["parity"] == parity


def test_without_torch_files_arrays_and_texts_have_the_vectors_of_torch(
    pretrained: Path, exported: Path, tmp_path: Path
) -> None:
    files = write_images(tmp_path)
    embedder = Embedder.from_pretrained(pretrained)
    stored = [embedder.processor.preprocess.stored(open_image(file)) for file in files]
    np.savez(tmp_path / "arrays.npz", xray=stored[0], ct=stored[1])
    given = json.dumps([[str(file) for file in files], TEXTS])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, exported, given, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "vectors.npz")
    expected = np.stack([embedder.rows([array])[0]["embedding"] for array in stored])
    np.testing.assert_allclose(found["arrays"], expected, atol=1e-5)
    np.testing.assert_allclose(found["files"], expected, atol=1e-4)
    np.testing.assert_allclose(found["texts"], embedder.texts(TEXTS), atol=1e-5)


def test_any_batch_of_a_store_is_as_each_study_alone_with_scores_and_planes(
    pretrained: Path, exported: Path, tmp_path: Path
) -> None:
    store = write_hospital(tmp_path)
    torch_way, onnx_way = Embedder.from_pretrained(pretrained), OnnxEmbedder(exported)
    assert onnx_way.fingerprint == torch_way.fingerprint
    assert onnx_way.scale == torch_way.scale
    for kind in ("ct", "xray"):
        stored = [store.pixels(index) for index in store.select(image_kind=kind)[:5]]
        expected = torch_way.rows(stored)
        for batch in (stored, stored[:2], stored[:1]):
            for ours, theirs in zip(onnx_way.rows(batch), expected, strict=False):
                for name, value in ours.items():
                    np.testing.assert_allclose(value, theirs[name], atol=1e-5)
    assert set(onnx_way.rows([stored[0]])[0]) == {"embedding"}


PIECES = ["nodule", "lung", "[MASK]", "[SEP]", "</s>", "heart", ".", "é", "5", "[", "]", "IMPRESSION:", "FINDINGS:"]
words = st.sampled_from([*PIECES, "\n"])


@pytest.fixture(scope="module")
def both(pretrained: Path, exported: Path) -> tuple[Embedder, OnnxEmbedder]:
    return Embedder.from_pretrained(pretrained), OnnxEmbedder(exported)


@given(texts=st.lists(st.lists(words | st.text(max_size=4), max_size=40).map(" ".join), min_size=1, max_size=4))
def test_every_text_becomes_the_tokens_of_the_processor(both: tuple[Embedder, OnnxEmbedder], texts: list[str]) -> None:
    tokens = both[1]._tokens(texts)
    for name, value in both[0].processor.text(texts).items():
        np.testing.assert_array_equal(tokens[name], value.numpy())


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=3))
def test_what_stands_for_pooling_in_onnx_is_pooling(sizes: list[tuple[int, int]]) -> None:
    images = torch.randn(2, 1, *(old for old, _ in sizes))
    new = [new for _, new in sizes]
    pool = F.adaptive_avg_pool2d if len(sizes) == 2 else F.adaptive_avg_pool3d
    torch.testing.assert_close(_averaged(images, new), pool(images, tuple(new)), atol=1e-5, rtol=0)


def test_what_stands_for_a_stable_sort_is_one() -> None:
    values = torch.randn(3, 20)
    for descending in (True, False):
        expected = values.sort(stable=True, dim=1, descending=descending)
        assert torch.equal(_sorted(values, stable=True, dim=1, descending=descending)[1], expected.indices)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("onnx.json", Path.unlink, "expected a folder that unimedi export wrote, with onnx.json"),
        ("onnx.json", cut, "onnx.json is not that of an exported model, or damaged"),
        ("onnx.json", lambda file: file.write_text('{"format": 2}'), "is of format 2, and this unimedi reads 1"),
        ("volume.onnx", Path.unlink, "expected volume.onnx beside onnx.json"),
        ("volume.onnx", cut, "volume.onnx is damaged"),
        ("tokenizer.json", Path.unlink, "expected tokenizer.json beside onnx.json"),
        ("tokenizer.json", cut, "tokenizer.json is damaged"),
    ],
)
def test_a_folder_that_is_not_whole(
    exported: Path, tmp_path: Path, name: str, spoil: Callable[[Path], object], said: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    spoil(folder / name)
    with pytest.raises(UnimediError, match=said):
        OnnxEmbedder(folder)


def test_what_cannot_be_exported_leaves_what_was_there(pretrained: Path, exported: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DestinationError, match="holds other files than those of an export"):
        export_onnx(pretrained, tmp_path)
    control = tmp_path / "control"
    shutil.copytree(pretrained, control)
    config = json.loads((control / "config.json").read_text())
    (control / "config.json").write_text(json.dumps(config | {"selector": "random"}))
    before = sorted(os.listdir(exported))
    with pytest.raises(InputError, match="expected selector attentive, got random"):
        export_onnx(control, exported)
    assert sorted(os.listdir(exported)) == before
