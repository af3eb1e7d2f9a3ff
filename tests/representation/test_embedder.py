"""Embedding a store and files: order kept, a batch equals its elements, what is unreadable is said."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.transfer.hospital import write_hospital, write_pretrained
from unimedi.representation.embedder import Embedder, embed_files, images_under
from unimedi.representation.table import EmbeddingTable, read_table, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("model"))


def test_mixed_batches_equal_one_by_one_in_the_order_asked(folder: Path, tmp_path: Path) -> None:
    store, embedder = write_hospital(tmp_path), Embedder.from_pretrained(folder, batch_size=3)
    indices = [*store.select(split="test", ndim=3)[:4], *store.select(split="test", ndim=2)[:3]][::-1]
    table = embedder.images(store, indices)
    assert table.study_ids == tuple(store.studies[i].study_id for i in indices)
    np.testing.assert_allclose(np.linalg.norm(table.embedding, axis=1), 1, rtol=1e-5)
    for row, index in enumerate(indices):
        alone = embedder.images(store, [index])
        np.testing.assert_allclose(table.embedding[row], alone.embedding[0], atol=1e-5)
        np.testing.assert_allclose(table.attention[row], alone.attention[0], atol=1e-5)
    assert table.slice_scores is None
    volumes = embedder.images(store, store.select(ndim=3)[:2])
    assert volumes.slice_scores is not None
    assert volumes.slice_scores.shape == (2, 4)
    assert volumes.selected is not None
    # The [CLS] row over the patches alone sums to one, so the slab scores times the tokens of a slab do.
    np.testing.assert_allclose(volumes.slice_scores.sum(axis=1) * 4, 1, rtol=1e-4)


def test_batches_side_by_side_are_what_they_are_alone_and_give_the_threads_back(folder: Path, tmp_path: Path) -> None:
    store, embedder = write_hospital(tmp_path), Embedder.from_pretrained(folder, batch_size=2)
    indices = [*store.select(ndim=3)[:5], *store.select(ndim=2)[:4]]
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


def test_files_become_a_table_and_the_unreadable_are_named(folder: Path, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    good = [tmp_path / f"{name}.png" for name in "ab"]
    for path in good:
        Image.fromarray(draws.integers(0, 255, (48, 40)).astype(np.uint8)).save(path)
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    out = tmp_path / "embeddings.parquet"
    table, refused = embed_files([good[0], tmp_path / "bad.png", good[1]], folder, out)
    assert table.study_ids == tuple(str(path) for path in good)
    assert [path.name for path, _ in refused] == ["bad.png"]
    back = read_table(out)
    assert back.study_ids == table.study_ids
    assert back.modalities == ("DX", "DX")
    np.testing.assert_array_equal(back.embedding, table.embedding)
    assert back.model == Embedder.from_pretrained(folder).fingerprint
    with pytest.raises(ValueError, match=r"at least one readable image.*bad\.png"):
        embed_files([tmp_path / "bad.png"], folder, out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: no image in it"):
        embed_files([tmp_path / "empty"], folder, out)


def test_table_refuses_what_does_not_fit_and_files_without_columns(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    with pytest.raises(ValueError, match="one embedding and one modality a study"):
        EmbeddingTable(("a", "b"), ("CT",), np.zeros((2, 3), np.float32), "m")
    pyarrow.parquet.write_table(pyarrow.table({"study_id": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"missing \['embedding', 'modality'\]"):
        read_table(tmp_path / "other.parquet")
    write_table(EmbeddingTable((), (), np.zeros((0, 3), np.float32), "m"), tmp_path / "empty.parquet")
    assert len(read_table(tmp_path / "empty.parquet")) == 0


def test_a_folder_gives_its_images_and_a_run_its_model(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new" / "deeper").mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 255, (40, 40)).astype(np.uint8)
    for name in ("new/b.png", "new/deeper/a.jpg"):
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "new" / "notes.txt").write_text("no image")
    assert [str(path.relative_to(tmp_path)) for path in images_under(tmp_path)] == ["new/b.png", "new/deeper/a.jpg"]
    run = tmp_path / "run"
    run.mkdir()
    (run / "pretrained").symlink_to(folder)
    table, refused = embed_files([tmp_path / "new"], run, tmp_path / "out.parquet")
    assert (len(table), refused) == (2, [])
    with pytest.raises(FileNotFoundError, match=r"pretrained/config\.json"):
        Embedder.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        images_under(tmp_path / "elsewhere")
