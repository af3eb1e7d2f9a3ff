"""Where results go is looked at before the work: what cannot be written, or must not be, is said in a sentence."""

import sys
from pathlib import Path

import pytest

from unimedi.files.destination import (
    MANIFESTS,
    DestinationError,
    file_to_write,
    folder_to_write,
    no_empty_folder,
)


def test_folders_are_made_and_nothing_is_left_in_them(tmp_path: Path) -> None:
    assert file_to_write(tmp_path / "new" / "deep" / "c.csv", MANIFESTS) == tmp_path / "new" / "deep" / "c.csv"
    assert folder_to_write(tmp_path / "other" / "store") == tmp_path / "other" / "store"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "new", "other", "store"]


def test_a_result_may_be_written_again(tmp_path: Path) -> None:
    for name, text in {"c.csv": "\ufeffstudy_id,patient_id\n", "d.html": "<!DOCTYPE html>", "e.csv": ""}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        file_to_write(tmp_path / name, (Path(name).suffix,))
        assert (tmp_path / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("c.txt", r"c\.txt: expected the name of a \.csv or \.parquet file"),
        ("folder.csv", "a folder is there"),
        ("mine.csv", "not what this command writes"),
        ("mine.parquet", "not what this command writes"),
        ("read.csv", "is read by this command"),
        ("mine.csv/c.csv", "a file stands where its folder .*mine.csv should be"),
        ("mine.csv/deep/c.csv", "a file stands where its folder .*deep should be"),
        ("listed.csv", r"listed\.skipped\.csv: expected the name of a file to write, a folder is there"),
        ("n" * 300 + ".csv", "cannot be written: File name too long"),
    ],
)
def test_a_file_that_cannot_be_written(tmp_path: Path, name: str, sentence: str) -> None:
    for folder in ("folder.csv", "listed.skipped.csv"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mine.csv").write_text("age,sex\n70,F\n")
    (tmp_path / "mine.parquet").write_text("a note")
    (tmp_path / "read.csv").write_text("study_id,report\n")
    with pytest.raises(DestinationError, match=sentence):
        file_to_write(tmp_path / name, MANIFESTS, (".skipped.csv",), (tmp_path / "read.csv", None))
    assert (tmp_path / "mine.csv").read_text() == "age,sex\n70,F\n"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a note")
    with pytest.raises(DestinationError, match="expected a folder to write into, a file is there"):
        folder_to_write(tmp_path / "file")
    with pytest.raises(DestinationError, match="a file stands where its folder"):
        folder_to_write(tmp_path / "file" / "run")


@pytest.mark.skipif(sys.platform != "linux", reason="a place where the system lets nobody make a file")
@pytest.mark.parametrize("place", ["/sys/x", "/proc/x"])
def test_a_place_where_nothing_can_be_made(place: str) -> None:
    with pytest.raises(DestinationError, match=f"{place} cannot be written"):
        folder_to_write(Path(place))
    with pytest.raises(DestinationError, match="cannot be written"):
        file_to_write(Path(place) / "c.csv", MANIFESTS)


def test_a_failure_leaves_no_empty_folder_of_its_own(tmp_path: Path) -> None:
    def stop(folder: Path, *files: Path) -> None:
        with no_empty_folder(folder):
            folder_to_write(folder)
            for file in files:
                file.write_text("kept")
            raise KeyboardInterrupt

    def fail(*where: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            stop(*where)

    (tmp_path / "mine").mkdir()  # empty, and there before
    fail(tmp_path / "mine" / "new" / "deep")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]
    fail(tmp_path / "a" / "b" / "c", tmp_path / "a" / "beside.txt")
    assert sorted(path.name for path in (tmp_path / "a").rglob("*")) == ["beside.txt"]
    fail(tmp_path / "full", tmp_path / "full" / "one.txt")
    assert (tmp_path / "full" / "one.txt").read_text() == "kept"
    with no_empty_folder(tmp_path / "done"):
        folder_to_write(tmp_path / "done")
    assert (tmp_path / "done").is_dir()
