"""A file or folder is there whole or as it was before."""

from pathlib import Path

import pytest

from unimedi.files.atomic import atomic_file, atomic_folder, leftovers, temporary_name, write_json, write_text


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_takes_the_place_of_the_old_one(durable: bool, tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    write_text(target, "né\r\n\n", durable)
    assert target.read_bytes() == b"n\xc3\xa9\r\n\n"
    assert list(tmp_path.iterdir()) == [target]


def test_while_it_is_written_the_old_one_is_read(tmp_path: Path) -> None:
    target = tmp_path / "mask.nii.gz"
    target.write_text("old")
    with atomic_file(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert (temporary.parent, temporary.suffixes[-2:]) == (tmp_path, [".nii", ".gz"])
        assert leftovers(tmp_path) == [temporary]
    assert target.read_text() == "new"


def test_a_writer_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"é": [1, None]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"a": float("nan")})
    with pytest.raises(OSError, match="full"), atomic_file(target) as temporary:
        _fill(temporary)
    assert target.read_text("utf-8") == '{\n "é": [\n  1,\n  null\n ]\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_writer_is_recognised(tmp_path: Path) -> None:
    temporary_name(tmp_path / "part-00001.arrow").touch()
    (tmp_path / "part-00000.arrow").touch()
    assert [path.name.endswith("part-00001.arrow") for path in leftovers(tmp_path)] == [True]


@pytest.mark.parametrize("durable", [False, True])
def test_a_folder_takes_the_place_of_the_old_one_with_all_that_was_in_it(durable: bool, tmp_path: Path) -> None:
    target = tmp_path / "above" / "folder"
    target.mkdir(parents=True)
    (target / "old").touch()
    (tmp_path / "above" / ".folder.partial").mkdir()  # of a process that was killed
    (tmp_path / "above" / ".folder.partial" / "half").touch()
    with atomic_folder(target, durable) as partial:
        (partial / "new").touch()
        assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError, match="full"), atomic_folder(target) as partial:
        _fill(partial / "new")
    assert list(tmp_path.rglob("*")) == [target]


def test_a_folder_that_cannot_be_renamed_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(FileNotFoundError), atomic_folder(target) as partial:
        partial.rmdir()
    assert list(tmp_path.iterdir()) == [target]
    assert [path.name for path in target.iterdir()] == ["old"]


def _fill(path: Path) -> None:
    path.write_text("half")
    raise OSError("the disk is full")
