"""A store on an S3-compatible server that fails: the batches are those of the folder, to the last bit."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.inputs.test_dataset import records, tokenize
from tests.inputs.test_store import FINDINGS, POLICY
from tests.inputs.test_store import records as masked_records
from tests.object_store import Faults, faults, faulty_bucket
from tests.tiny import PREPROCESS
from unimedi.files.store_address import Patience, StoreAddress
from unimedi.inputs import dataset, remote_store
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.inputs.dataset import TrainingSteps, training_loader
from unimedi.inputs.remote_store import RemoteStore
from unimedi.inputs.store import Store, StoreError
from unimedi.inputs.store_writer import finish_store, write_part, write_store
from unimedi.pretraining.gradient_cache import twice

__all__ = ["faults", "faulty_bucket"]
URI = "s3://hospital/images/store"
QUICK = Patience(retries=3, first_wait=0.001, longest_wait=0.01, in_all=5.0)
STEPS = 24  # of 3 radiographs and 2 volumes: 5 epochs and more of each
BATCH = BatchRecipe(radiographs=3, volumes=2)


@pytest.fixture
def local(faulty_bucket: Path) -> Store:
    """13 radiographs and 9 volumes in three parts, in the bucket."""
    path, made = faulty_bucket / "images" / "store", records(13, 9)
    path.mkdir(parents=True)
    for number, start in enumerate(range(0, 22, 8)):
        write_part(path, number, made[start : start + 8], ())
    finish_store(path, PREPROCESS, (), parts=3)
    return Store.open(path)


def address(cache: Path | None = None, limit: int = 0, patience: Patience = QUICK) -> StoreAddress:
    return StoreAddress(URI, cache, limit, patience=patience)


def steps_of(store: Store) -> TrainingSteps:
    return TrainingSteps(store, BATCH, tokenize, seed=3, count=STEPS)


def everything(store: Store, first: int = 0, workers: int = 0) -> list[tuple[tuple[str, ...], torch.Tensor, ...]]:
    return [
        (batch.study_ids, batch.radiographs, batch.hires_volumes, batch.input_ids, batch.report_keys)
        for batch in training_loader(steps_of(store), range(first, STEPS), workers)
    ]


def assert_same(found: list[tuple], expected: list[tuple]) -> None:
    assert [batch[0] for batch in found] == [batch[0] for batch in expected]
    for one, other in zip(found, expected, strict=True):
        assert all(map(torch.equal, one[1:], other[1:]))


def test_batches_of_several_epochs_are_those_of_the_folder_whatever_fails(local: Store, faults: Faults) -> None:
    faults.share = 0.8
    store = Store.open(address())
    assert isinstance(store, RemoteStore)
    assert (store.fingerprint, store.studies, len(store)) == (local.fingerprint, local.studies, 22)
    assert_same(everything(store), everything(local))
    assert min(faults.made[kind] for kind in faults.kinds) > 2  # each kind of fault has been met


def test_a_run_goes_on_in_the_middle_of_an_epoch_and_reads_what_is_left(local: Store, faults: Faults) -> None:
    whole = everything(local)
    store = Store.open(address())
    reader = training_loader(steps_of(store), range(STEPS))
    for _ in range(4):
        next(reader)
    reader.close()
    assert store._coming[True].bytes == 0
    assert_same(everything(Store.open(address()), first=5), whole[5:])


def test_a_step_that_is_read_twice_gives_the_same_twice(local: Store, faults: Faults) -> None:
    loaders = [training_loader(steps_of(store), twice(range(8), 4)) for store in (local, Store.open(address()))]
    for one, other in zip(*loaders, strict=True):
        assert one.study_ids == other.study_ids
        assert torch.equal(one.radiographs, other.radiographs)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core
def test_two_worker_processes_give_the_same(local: Store, faults: Faults, tmp_path: Path) -> None:
    faults.share = 0.2
    store = Store.open(address(tmp_path / "cache", 10**9))
    assert_same(everything(store, first=1, workers=2), everything(local)[1:])
    kept = list((tmp_path / "cache" / local.fingerprint / "pixels" / "0").iterdir())
    assert len(kept) == len(local)  # by both of them, into one cache


def test_micro_batches_are_announced_to_the_worker_that_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "AHEAD", 3)
    told = list(dataset._announced(range(9), 2))
    assert [number for number, _ in told] == list(range(9))
    assert [coming for _, coming in told[:5]] == [[0, 2, 4], [1, 3, 5], [6], [7], [8]]
    assert [number for _, coming in told[::2] for number in coming] == [0, 2, 4, 6, 8]
    assert [number for _, coming in told[1::2] for number in coming] == [1, 3, 5, 7]


def test_what_is_read_ahead_is_bounded(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = max(len(local._bytes["pixels"][i].as_py()) for i in range(len(local)))
    monkeypatch.setattr(remote_store, "AHEAD", 2 * 3 * largest)
    store = Store.open(address())
    assert_same(everything(store), everything(local))
    assert 2 * largest < store._coming[True].most <= 3 * largest


def test_masks_are_fetched_too(faulty_bucket: Path) -> None:
    local = write_store(faulty_bucket / "images" / "store", masked_records(), POLICY, FINDINGS)
    store = Store.open(address(), expect=POLICY)
    store.ahead([1, 0])
    for index in (0, 1, -1):
        assert np.array_equal(store.pixels(index), local.pixels(index))
    assert np.array_equal(store.mask(0), local.mask(0))
    assert store.mask(1) is None
    assert store.pixels(0).flags.writeable
    with pytest.raises(StoreError, match=r"images/store was prepared with another policy \(hires_shape"):
        Store.open(address(), expect=PREPROCESS)


def test_a_cache_saves_requests_and_a_damaged_file_of_it_is_fetched_anew(
    local: Store, faults: Faults, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    everything(Store.open(address(cache, 10**9)))
    kept = sorted((cache / local.fingerprint / "pixels").rglob("[0-9]*/[0-9]*"))
    assert len(kept) == len(local)
    faults.asked.clear()
    assert_same(everything(Store.open(address(cache, 10**9))), everything(local))
    assert {path.rpartition("/")[2] for path, _ in faults.asked} == {"store.json", "refused.json"}
    content = kept[0].read_bytes()
    kept[0].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    kept[1].write_bytes(b"")
    assert_same(everything(Store.open(address(cache, 10**9))), everything(local))
    assert sum("part-" in path for path, _ in faults.asked) == 2
    assert kept[0].read_bytes() == content


def test_a_cache_is_of_one_content(local: Store, tmp_path: Path) -> None:
    everything(Store.open(address(tmp_path / "cache", 10**9)))
    other = write_store(local.path, records(3, 2)[::-1], PREPROCESS)
    assert_same(everything(Store.open(address(tmp_path / "cache", 10**9))), everything(other))


def test_a_store_without_an_index_says_how_to_make_one(local: Store) -> None:
    header = json.loads((local.path / "store.json").read_text())
    (local.path / "store.json").write_text(json.dumps({name: header[name] for name in header if name != "index"}))
    with pytest.raises(StoreError, match=r"no index of its studies.*run the same `unimedi prepare` again"):
        Store.open(address())
    assert len(Store.open(local.path)) == len(local)
    (local.path / "store.json").write_text(json.dumps(header))
    (local.path / "studies.arrow").write_bytes(b"?" * header["index"]["bytes"])
    with pytest.raises(StoreError, match="its index: damaged there"):
        Store.open(address())


def test_an_address_where_nothing_is(local: Store) -> None:
    with pytest.raises(StoreError, match=r"s3://hospital/else: no store can be read there: store.json is not there"):
        Store.open("s3://hospital/else")
    with pytest.raises(StoreError, match=r"ftp://hospital/store: expected a folder, or an address at s3://"):
        Store.open("ftp://hospital/store")


def test_an_object_that_is_gone_is_named_with_the_study(local: Store) -> None:
    store = Store.open(address())
    (local.path / "part-00002.arrow").unlink()
    store.ahead([20, 21])
    with pytest.raises(StoreError, match=rf"{URI}: the pixels of study s20: part-00002.arrow is not there; copy"):
        store.pixels(20)


def test_an_object_that_changes_is_an_error(local: Store, faults: Faults) -> None:
    store = Store.open(address())
    before = local.pixels(0)
    assert np.array_equal(store.pixels(0), before)
    part = local.path / "part-00000.arrow"
    content = part.read_bytes()
    part.write_bytes(content[:-8] + b"\1" * 8)
    with pytest.raises(StoreError, match=r"study s1: part-00000.arrow is another object than this store's"):
        store.pixels(1)
    part.write_bytes(content + b"\0")
    with pytest.raises(StoreError, match=rf"\({len(content)} bytes expected, {len(content) + 1} there\)"):
        Store.open(address()).pixels(1)
    part.write_bytes(content)
    faults.damage = True
    with pytest.raises(StoreError, match=r"study s9: damaged there, or changed"):
        store.pixels(9)


def test_it_pickles_as_its_address_and_another_store_there_is_an_error(local: Store) -> None:
    data = pickle.dumps(Store.open(address()))
    assert len(data) < 700
    assert np.array_equal(pickle.loads(data).pixels(2), local.pixels(2))
    write_store(local.path, records(2, 2), PREPROCESS)
    with pytest.raises(StoreError, match="another store lies there now than when this began; start anew"):
        pickle.loads(data)


def test_a_server_that_is_down_ends_in_a_sentence(local: Store, faults: Faults) -> None:
    store = Store.open(address(patience=Patience(1, 0.001, 0.001, 5.0, tries=2)))
    faults.share, faults.kinds, faults.most = 1.0, ("503",), 10**6
    faults.asked.clear()
    with pytest.raises(StoreError, match=r"study s7: part-00000.arrow cannot be had.*503.*with --resume\)") as caught:
        store.pixels(7)
    assert faults.requests == 4  # the client twice, twice
    assert "\n" not in str(caught.value)


def test_a_slow_answer_is_asked_for_again(local: Store, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_TIMEOUT", "500ms")
    faults.share, faults.kinds, faults.most, faults.delay = 1.0, ("stall",), 1, 0.04
    assert np.array_equal(Store.open(address()).pixels(3), local.pixels(3))
    assert set(faults.asked.values()) == {2}


def test_wrong_keys_are_said_at_once_and_not_shown(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stranger")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    with pytest.raises(StoreError, match=r"store.json may not be read.*AWS_ACCESS_KEY_ID") as caught:
        Store.open(address(patience=Patience()))
    assert "stranger" not in str(caught.value)
    assert "hush" not in str(caught.value)
    secret = StoreAddress("az://me:hush@example.org/store?sig=hush")
    assert str(secret) == "az://…@example.org/store?…"


def test_a_uri_of_files_is_the_folder(local: Store) -> None:
    opened = Store.open(local.path.absolute().as_uri())
    assert (opened.path, opened.remote) == (local.path, False)
