import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from unimedi.cohort.study import Modality, Split
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import Store, StoredStudy, StoreError
from unimedi.inputs.store_writer import Record, finish_store, part_is_done, write_part, write_store

POLICY = Preprocess(radiograph_size=(8, 8), hires_shape=(4, 8, 8), volume_shape=(4, 8, 8), slice_size=(8, 8))
FINDINGS = ("nodule", "mass")
RNG = np.random.default_rng(0)
PIXELS = {
    "ct": RNG.integers(-1024, 2000, size=(4, 8, 8)).astype(np.int16),
    "dx": RNG.integers(0, 4096, size=(8, 8)).astype(np.int16),
}
MASK = RNG.integers(0, 4, size=(4, 8, 8)).astype(np.uint16)


def records() -> list[Record]:
    where = ("p1", Modality.CT, Split.TRAIN)
    ct = StoredStudy("ct", *where, "A nodule.", "en", {"nodule": True, "mass": None}, True, (5.0, 2.0, 2.0))
    dx = StoredStudy("dx", "p2", Modality.DX, Split.TEST, "Sin hallazgos.", "es", {"nodule": False, "mass": None})
    return [Record(ct, PIXELS["ct"], MASK), Record(dx, PIXELS["dx"])]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_store(tmp_path / "store", records(), POLICY, FINDINGS)


def test_what_is_written_comes_back(store: Store) -> None:
    assert len(store) == 2
    assert store.studies == [record.study for record in records()]
    assert store.findings == FINDINGS
    assert store.preprocess == POLICY
    assert store.refused == []
    assert np.array_equal(store.pixels(0), PIXELS["ct"])
    assert np.array_equal(store.pixels(-1), PIXELS["dx"])
    assert np.array_equal(store.mask(0), MASK)  # type: ignore[arg-type]
    assert store.mask(1) is None
    assert store.pixels(0).flags.writeable
    with pytest.raises(IndexError):
        store.pixels(2)


def test_selection_by_split_and_dimension(store: Store) -> None:
    assert store.select() == [0, 1]
    assert store.select(split="train") == [0]
    assert store.select(split=Split.TEST, image_kind="ct") == []
    assert store.select(image_kind="xray") == [1]


def test_a_store_is_a_hugging_face_dataset(store: Store) -> None:
    from datasets import load_from_disk

    rows = load_from_disk(str(store.path))
    assert rows["study_id"][:] == ["ct", "dx"]
    assert rows[0]["shape"] == [4, 8, 8]


def test_a_store_goes_to_worker_processes_as_its_path(store: Store) -> None:
    assert len(pickle.dumps(store)) < 500
    assert np.array_equal(pickle.loads(pickle.dumps(store)).pixels(0), PIXELS["ct"])


def test_the_fingerprint_is_of_the_content(store: Store, tmp_path: Path) -> None:
    assert write_store(tmp_path / "same", records(), POLICY, FINDINGS).fingerprint == store.fingerprint
    assert write_store(tmp_path / "less", records()[:1], POLICY, FINDINGS).fingerprint != store.fingerprint
    (tmp_path / "parts").mkdir()
    for number, record in enumerate(records()):
        write_part(tmp_path / "parts", number, [record], FINDINGS)
    finish_store(tmp_path / "parts", POLICY, FINDINGS, parts=2)
    assert Store.open(tmp_path / "parts").fingerprint == store.fingerprint


def test_another_policy_is_refused_with_the_difference(store: Store) -> None:
    assert Store.open(store.path, expect=POLICY).fingerprint == store.fingerprint
    with pytest.raises(StoreError, match=r"hu_window: store \[-1000.0, 1000.0\], expected \[-800.0, 400.0\]") as caught:
        Store.open(store.path, expect=Preprocess.from_dict({**POLICY.to_dict(), "hu_window": [-800, 400]}))
    assert "hires_shape" not in str(caught.value)


def test_damaged_pixels_are_noticed_and_named(store: Store) -> None:
    path = store.path / "part-00000.arrow"
    content = path.read_bytes()
    packed = store._bytes["pixels"][1].as_py()
    at = content.index(packed) + len(packed) // 2
    path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
    damaged = Store.open(store.path)
    assert np.array_equal(damaged.pixels(0), PIXELS["ct"])
    with pytest.raises(StoreError, match="pixels of study dx are damaged"):
        damaged.pixels(1)


def test_a_store_that_is_not_whole_cannot_be_opened(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        Store.open(tmp_path / "absent")
    path = store.path / "part-00000.arrow"
    content = path.read_bytes()
    path.write_bytes(content[:-64])
    with pytest.raises(StoreError, match=r"part-00000.arrow has \d+ bytes, expected"):
        Store.open(store.path)
    path.unlink()
    with pytest.raises(StoreError, match=r"part-00000.arrow is missing"):
        Store.open(store.path)
    (store.path / "store.json").unlink()
    with pytest.raises(StoreError, match="has not finished"):
        Store.open(store.path)


def test_a_part_is_done_only_when_it_is_whole_and_made_from_the_same(tmp_path: Path) -> None:
    assert not part_is_done(tmp_path, 0, "a")
    write_part(tmp_path, 0, records(), FINDINGS, inputs="a")
    assert part_is_done(tmp_path, 0, "a")
    assert not part_is_done(tmp_path, 0, "b")
    with (tmp_path / "part-00000.arrow").open("ab") as file:
        file.write(b"x")
    assert not part_is_done(tmp_path, 0, "a")


def test_a_failing_writer_leaves_nothing_behind(tmp_path: Path) -> None:
    bad = Record(records()[1].study, PIXELS["ct"])
    with pytest.raises(StoreError, match=r"study dx \(DX\): expected int16 with 2 axes"):
        write_part(tmp_path, 0, [records()[0], bad], FINDINGS)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match=r"study ct: labels \['mass'\]"):
        write_part(tmp_path, 0, records(), ("nodule",))


def test_parts_of_a_larger_cohort_before_are_removed(tmp_path: Path) -> None:
    for number in range(3):
        write_part(tmp_path, number, records()[:1], FINDINGS)
    finish_store(tmp_path, POLICY, FINDINGS, parts=1)
    assert [path.name for path in sorted(tmp_path.glob("part-*"))] == ["part-00000.arrow", "part-00000.json"]
    assert len(Store.open(tmp_path)) == 1


def test_an_empty_store_opens(tmp_path: Path) -> None:
    assert len(write_store(tmp_path / "s", [], POLICY)) == 0


def test_a_store_of_another_format_says_so(store: Store) -> None:
    header = json.loads((store.path / "store.json").read_text())
    (store.path / "store.json").write_text(json.dumps(header | {"format": 99}))
    with pytest.raises(StoreError, match="format 99"):
        Store.open(store.path)
