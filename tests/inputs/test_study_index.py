"""Where the index says that an array lies, its bytes lie."""

import zlib
from pathlib import Path

import blosc2
import numpy as np
import pytest

from tests.pretraining.toy_run import toy_store
from unimedi.inputs.store import Store
from unimedi.inputs.study_index import FILE, mapped, read_index, write_index


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return toy_store(tmp_path_factory.mktemp("index") / "store", radiographs=5, volumes=3)


def test_the_bytes_at_a_place_are_the_studys_array(store: Store) -> None:
    assert isinstance(store.path, Path)
    parts = sorted(store.path.glob("part-*.arrow"))
    table = read_index((store.path / FILE).read_bytes())
    assert table["study_id"].to_pylist() == [study.study_id for study in store.studies]
    for index, place in enumerate(table["pixels"].to_pylist()):
        packed = parts[place["part"]].read_bytes()[place["offset"] : place["offset"] + place["bytes"]]
        assert zlib.crc32(packed) == table["pixels_crc32"][index].as_py()
        array = np.empty(store.pixels(index).shape, np.int16)
        blosc2.decompress2(packed, dst=array)
        np.testing.assert_array_equal(array, store.pixels(index))
    assert table["mask"].to_pylist() == [None] * len(store)  # noise has none


def test_the_index_is_a_function_of_the_parts(store: Store, tmp_path: Path) -> None:
    """The parts twice over have places in twice as many files; ``store.json`` says what lies there."""
    assert isinstance(store.path, Path)
    parts = sorted(store.path.glob("part-*.arrow"))
    names = [f"{copy}-{part.name}" for copy in "ab" for part in parts]
    for name, part in zip(names, parts * 2, strict=True):
        (tmp_path / name).write_bytes(part.read_bytes())
    said = write_index(tmp_path, names)
    data = (tmp_path / FILE).read_bytes()
    assert said == {"file": FILE, "bytes": len(data), "crc32": zlib.crc32(data)}
    once = read_index((store.path / FILE).read_bytes())["pixels"].to_pylist()
    again = [{**place, "part": place["part"] + len(parts)} for place in once]
    assert read_index(data)["pixels"].to_pylist() == once + again


def test_a_map_begins_where_its_file_does(store: Store) -> None:
    assert isinstance(store.path, Path)
    part = min(store.path.glob("part-*.arrow"))
    table, start = mapped(part)
    _, _, data = table["pixels"].chunks[0].buffers()
    assert 0 < data.address - start < part.stat().st_size
