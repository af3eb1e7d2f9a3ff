"""Batches dealt out to devices: the answers of one device bit for bit, in order; an error or Ctrl-C ends all threads.

Two CPU "devices" stand for two GPUs, each with threads of its own.
"""

import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.hospital import SENTENCES, write_hospital, write_pretrained
from unimedi.archive.archive import Archive
from unimedi.cli import main
from unimedi.errors import InputError
from unimedi.inputs.store import Store
from unimedi.representation.cached_embedder import CachedEmbedder
from unimedi.representation.devices import AHEAD, dealt, find_devices
from unimedi.representation.embedder import Embedder
from unimedi.representation.table import EmbeddingTable

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return write_hospital(tmp_path_factory.mktemp("store"))


def assert_same(ours: EmbeddingTable, theirs: EmbeddingTable) -> None:
    assert (ours.study_ids, ours.modalities, ours.model) == (theirs.study_ids, theirs.modalities, theirs.model)
    for name in ("embedding", "cls", "slice_scores", "selected"):
        a, b = getattr(ours, name), getattr(theirs, name)
        assert (a is None) == (b is None)
        assert a is None or np.array_equal(a, b)
    assert all(np.array_equal(a, b) for a, b in zip(ours.attention, theirs.attention, strict=True))


def encoding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("encode")]


@pytest.mark.parametrize("kind", [Embedder, CachedEmbedder])
@pytest.mark.parametrize("count", [2, 3])
def test_studies_and_texts_are_those_of_one_device(
    folder: Path, store: Store, kind: type[Embedder], count: int
) -> None:
    one, many = kind.from_pretrained(folder, 2), kind.from_pretrained(folder, 2, [CPU] * count)
    cts, xrays = store.select(image_kind="ct"), store.select(image_kind="xray")
    for indices in ([*cts[:5], *xrays[:8]][::-1], cts[:7], xrays[:1], []):
        assert_same(many.images(store, indices), one.images(store, indices))
    texts = [f"{sentence} {word}" for sentence in SENTENCES.values() for word in ("a", "b", "c", "d")]
    np.testing.assert_array_equal(many.texts(texts), one.texts(texts))
    assert many.texts([]).shape == (0, 8)
    assert encoding_threads() == []


def test_each_device_has_weights_of_its_own_and_gets_every_second_batch(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``cpu:0`` is the same processor under another name, so the model is copied as it is to a second GPU."""
    used: dict[tuple[int, ...], int] = {}
    encode = Embedder.encode

    def noted(self: Embedder, stored: list[np.ndarray]) -> object:
        weights = self.model.logit_scale.data_ptr()
        used[tuple(int(array.sum()) for array in stored)] = weights
        return encode(self, stored)

    monkeypatch.setattr(Embedder, "encode", noted)
    loaded = Embedder.from_pretrained(folder)
    one = Embedder(deepcopy(loaded.model), loaded.processor, 2)
    indices = store.select(image_kind="xray")[:8]
    expected = one.images(store, indices)
    used.clear()
    assert_same(Embedder(one.model, one.processor, 2, [CPU, torch.device("cpu:0")]).images(store, indices), expected)
    batches = [tuple(int(store.pixels(i).sum()) for i in indices[start : start + 2]) for start in range(0, 8, 2)]
    assert used[batches[0]] == used[batches[2]] != used[batches[1]] == used[batches[3]]


def test_an_error_of_one_device_ends_the_call_with_it_and_no_thread_goes_on() -> None:
    begun: list[int] = []
    release = threading.Event()

    def sound(batch: int) -> int:
        begun.append(batch)
        assert release.wait(60)
        return batch

    def broken(batch: int) -> int:
        release.set()
        raise OSError(f"batch {batch} is lost")

    with pytest.raises(OSError, match="batch 1 is lost"):
        list(dealt([sound, broken], range(1000)))
    assert max(begun) <= 2 * AHEAD
    assert encoding_threads() == []


@pytest.mark.parametrize("source", ["batches", "lane"])
def test_ctrl_c_stops_all_threads_and_gives_the_threads_of_torch_back(source: str) -> None:
    before = torch.get_num_threads()

    def batches() -> Iterator[int]:
        yield from range(6)
        if source == "batches":
            raise KeyboardInterrupt  # as where the main thread reads an image
        yield from range(6, 1000)

    def lane(batch: int) -> int:
        if source == "lane" and batch == 6:
            raise KeyboardInterrupt
        return batch

    seen: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(dealt([lane, lane], batches()))
    assert seen == list(range(len(seen)))
    assert encoding_threads() == []
    assert torch.get_num_threads() == before


def test_batches_are_not_taken_far_ahead() -> None:
    taken: list[int] = []

    def batches() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    answers = dealt([abs, abs, abs], batches())
    assert [next(answers), next(answers)] == [0, 1]
    assert len(taken) <= 3 * AHEAD + 1
    answers.close()  # type: ignore[attr-defined]
    assert encoding_threads() == []


def test_gpus_are_all_taken_or_so_many_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (find_devices(), find_devices(1), find_devices(2)) == ([CPU], [CPU], [CPU, CPU])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    three = [torch.device("cuda", number) for number in range(3)]
    assert (find_devices(), find_devices(2)) == (three, three[:2])
    with pytest.raises(InputError, match="at most the 3 GPUs that are here, got 4"):
        find_devices(4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="two devices are two CPU copies here")
def test_the_commands_give_what_they_give_on_one_device(folder: Path, store: Store, tmp_path: Path) -> None:
    import nibabel as nib
    from PIL import Image

    from unimedi.representation.table import read_table

    draws = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(20):
        Image.fromarray(draws.integers(0, 255, (40, 40)).astype(np.uint8)).save(tmp_path / "in" / f"{number}.png")
    for number in range(3):
        voxels = draws.normal(-300, 300, (24, 24, 10)).clip(-1000, 900).astype(np.int16)
        nib.save(nib.Nifti1Image(voxels, np.diag([1, 1, 2, 1])), tmp_path / "in" / f"{number}.nii")
    (tmp_path / "in" / "broken.png").write_text("no image")
    for devices in ("1", "2"):
        model = ("--model", str(folder), "--devices", devices)
        out = tmp_path / f"{devices}.parquet"
        assert main(["embed", str(tmp_path / "in"), *model, "--out", str(out)]) == 0
        for what, name in ((tmp_path / "in", "files"), (store.path, "store")):
            assert main(["index", str(what), *model, "--out", str(tmp_path / f"{name}{devices}")]) == 0
    one, two = (read_table(tmp_path / f"{devices}.parquet") for devices in "12")
    assert len(one) == 23
    assert_same(two, one)
    skipped = [(tmp_path / f"{devices}.skipped.csv").read_bytes() for devices in "12"]
    assert skipped[0] == skipped[1]
    for name in ("files", "store"):
        mine, theirs = (Archive(tmp_path / f"{name}{devices}") for devices in "12")
        assert mine.stamps() == theirs.stamps()
        for study_id in mine.stamps():
            np.testing.assert_array_equal(mine.study(study_id).vector, theirs.study(study_id).vector)
