"""Reading an object store, against a folder at a ``file://`` address: the same client, without a server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from unimedi.files.store_address import Patience, StoreAddress
from unimedi.inputs.object_reader import ObjectReader
from unimedi.inputs.store import StoreError

SHORT = Patience(retries=0, first_wait=0.001, longest_wait=0.002, tries=3)


@pytest.fixture
def reader(tmp_path: Path) -> ObjectReader:
    (tmp_path / "part").write_bytes(bytes(range(200)))
    return ObjectReader(StoreAddress(f"file://{tmp_path}", patience=SHORT))


def test_a_part_and_the_whole(reader: ObjectReader) -> None:
    assert bytes(reader.read("part", "study s1")) == bytes(range(200))
    assert bytes(reader.read("part", "study s1", (20, 25))) == bytes(range(20, 25))
    assert bytes(reader.read("part", "study s1", (20, 25), size=200)) == bytes(range(20, 25))


def rewritten(folder: Path) -> None:
    (folder / "part").write_bytes(bytes(200 * [7])[:150])


def gone(folder: Path) -> None:
    (folder / "part").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rewritten, r"study s1: part is another object than this store's \(200 bytes expected, 150 there\); copy the"),
        (gone, "study s1: part is not there; copy the whole folder"),
    ],
)
def test_an_object_that_changes_is_never_mixed(
    reader: ObjectReader, tmp_path: Path, change: Callable[[Path], None], said: str
) -> None:
    reader.read("part", "study s1", (0, 10))
    change(tmp_path)
    with pytest.raises(StoreError, match=said):
        reader.read("part", "study s1", (10, 20))


def test_another_size_than_the_store_says(reader: ObjectReader) -> None:
    with pytest.raises(StoreError, match="199 bytes expected, 200 there"):
        reader.read("part", "study s1", (0, 10), size=199)


def test_a_part_behind_the_end_is_asked_for_again_and_then_refused(reader: ObjectReader) -> None:
    with pytest.raises(StoreError, match=r"(?s)study s1: part cannot be had, asked again and again: .*--resume"):
        reader.read("part", "study s1", (190, 210))


def test_an_address_of_another_kind_is_refused_without_its_secrets() -> None:
    with pytest.raises(StoreError, match="expected a folder, or an address at s3://") as error:
        ObjectReader(StoreAddress("ftp://name:secret@host/store?signature=secret"))
    assert "secret" not in str(error.value)
