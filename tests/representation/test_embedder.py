"""Embedding a store and sentences: order kept, a batch equals its elements, any type of weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.hospital import write_hospital, write_pretrained
from unimedi.model.pretrained import PretrainedError
from unimedi.model.processor import UniMediProcessor
from unimedi.model.unimedi import UniMediModel
from unimedi.representation.embedder import Embedder
from unimedi.representation.table import EmbeddingTable, read_table, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("model"))


def test_mixed_batches_equal_one_by_one_in_the_order_asked(folder: Path, tmp_path: Path) -> None:
    store, embedder = write_hospital(tmp_path), Embedder.from_pretrained(folder, batch_size=3)
    indices = [*store.select("test", "ct")[:4], *store.select("test", "xray")[:3]][::-1]
    table = embedder.images(store, indices)
    assert table.study_ids == tuple(store.studies[i].study_id for i in indices)
    np.testing.assert_allclose(np.linalg.norm(table.embedding, axis=1), 1, rtol=1e-5)
    for row, index in enumerate(indices):
        alone = embedder.images(store, [index])
        np.testing.assert_allclose(table.embedding[row], alone.embedding[0], atol=1e-5)
        np.testing.assert_allclose(table.attention[row], alone.attention[0], atol=1e-5)
    assert table.slice_scores is None
    volumes = embedder.images(store, store.select(image_kind="ct")[:2])
    assert volumes.slice_scores is not None
    assert volumes.slice_scores.shape == (2, 4)
    assert volumes.selected is not None
    # The [CLS] row over the patches alone sums to one, so the slab scores times the tokens of a slab do.
    np.testing.assert_allclose(volumes.slice_scores.sum(axis=1) * 4, 1, rtol=1e-4)


def test_batches_side_by_side_are_what_they_are_alone_and_give_the_threads_back(folder: Path, tmp_path: Path) -> None:
    store, embedder = write_hospital(tmp_path), Embedder.from_pretrained(folder, batch_size=2)
    indices = [*store.select(image_kind="ct")[:5], *store.select(image_kind="xray")[:4]]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = embedder.images(store, indices)
        torch.set_num_threads(3)
        found = embedder.images(store, indices)
        assert torch.get_num_threads() == 3
        with pytest.raises(IndexError):
            embedder.images(store, [*indices, len(store.studies)])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert found.study_ids == expected.study_ids
    np.testing.assert_array_equal(found.embedding, expected.embedding)
    np.testing.assert_array_equal(found.cls, expected.cls)
    for ours, theirs in zip(found.attention, expected.attention, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_texts_keep_order_and_duplicates(folder: Path) -> None:
    embedder = Embedder.from_pretrained(folder, batch_size=1)
    texts = ["The heart is enlarged.", "There is a nodule in the right lung.", "The heart is enlarged."]
    rows = embedder.texts(texts)
    assert (rows[0] == rows[2]).all()
    np.testing.assert_allclose(rows[1], embedder.texts(texts[1:2])[0], atol=1e-5)
    assert embedder.texts([]).shape == (0, 8)


def test_table_refuses_what_does_not_fit_and_files_without_columns(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    with pytest.raises(ValueError, match="one embedding and one modality a study"):
        EmbeddingTable(("a", "b"), ("CT",), np.zeros((2, 3), np.float32), "m")
    pyarrow.parquet.write_table(pyarrow.table({"study_id": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"missing \['embedding', 'modality'\]"):
        read_table(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("study_id,embedding")
    with pytest.raises(ValueError, match=r"text\.parquet: expected a Parquet table of embeddings"):
        read_table(tmp_path / "text.parquet")
    for rows, sizes in (([[1.0, 0.0], [1.0]], "1, 2"), ([[1.0, 0.0], None], "0, 2")):
        columns = {"study_id": ["a", "b"], "modality": ["CT", "CT"], "embedding": rows}
        pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "ragged.parquet")
        with pytest.raises(ValueError, match=f"embeddings of one size, got {sizes}"):
            read_table(tmp_path / "ragged.parquet")
    columns = {"study_id": ["a", "b"], "modality": ["CT", "CT"], "embedding": [[1.0, 0.0], [1.0, None]]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "hole.parquet")
    with pytest.raises(ValueError, match="expected finite numbers in embedding, got nan for study b"):
        read_table(tmp_path / "hole.parquet")
    write_table(EmbeddingTable((), (), np.zeros((0, 3), np.float32), "m"), tmp_path / "empty.parquet")
    assert len(read_table(tmp_path / "empty.parquet")) == 0


def test_a_run_is_its_model_and_another_folder_is_none(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "pretrained").symlink_to(folder)
    assert Embedder.from_pretrained(run).fingerprint == Embedder.from_pretrained(folder).fingerprint
    with pytest.raises(FileNotFoundError, match=r"pretrained/config\.json"):
        Embedder.from_pretrained(tmp_path)


def test_a_model_in_bf16_gives_embeddings_in_fp32_and_the_common_limit_of_the_scale(
    folder: Path, tmp_path: Path
) -> None:
    exact = Embedder.from_pretrained(folder)
    half = Embedder(UniMediModel.from_pretrained(folder, dtype=torch.bfloat16), exact.processor)
    store = write_hospital(tmp_path)
    indices = [*store.select(image_kind="ct")[:2], *store.select(image_kind="xray")[:2]]
    found, expected = half.images(store, indices), exact.images(store, indices)
    sentences = ["The heart is enlarged."]
    for ours, theirs in (
        (found.embedding, expected.embedding),
        (found.cls, expected.cls),
        (half.texts(sentences), exact.texts(sentences)),
    ):
        assert ours is not None
        assert theirs is not None
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=0.05)
    half.model.logit_scale.data.fill_(9.0)
    assert half.scale == pytest.approx(100, rel=0.01)


def test_a_model_saved_in_bf16_is_measured_and_goes_on_to_learn_in_fp32(folder: Path, tmp_path: Path) -> None:
    model = UniMediModel.from_pretrained(folder, dtype=torch.bfloat16)
    UniMediProcessor.from_pretrained(folder).save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    loaded = Embedder.from_pretrained(tmp_path)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert loaded.fingerprint == Embedder(model, loaded.processor).fingerprint


def test_a_model_that_is_not_whole_is_refused_and_not_filled_up_at_random(folder: Path, tmp_path: Path) -> None:
    UniMediProcessor.from_pretrained(folder).save_pretrained(tmp_path)
    UniMediModel.from_pretrained(folder).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "centre.1" not in name}
    save_file({name: value.clone() for name, value in kept.items()}, file, {"format": "pt"})
    with pytest.raises(
        PretrainedError, match=r"lacks 2 weights of a UniMedI model: image_projection\.centre\.1\.mean, "
    ):
        Embedder.from_pretrained(tmp_path)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(PretrainedError, match="is not a UniMedI model"):
        Embedder.from_pretrained(tmp_path)
