"""The registry: every collection is a command, says what it is, and adds up what it took and what it left out."""

import csv
from pathlib import Path

import pytest

from tests.cohort.test_chexpert import chexpert
from tests.cohort.test_xray_collections import mimic
from unimedi.cli import main
from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.sources.collections.catalogue import COLLECTIONS, read_collection
from unimedi.cohort.sources.source_cohort import SourceError


def test_the_help_lists_every_way_in(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["cohort", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for collection in COLLECTIONS:
        assert f" {collection.name} {collection.about} " in f"{said} "
    assert " folder " in said
    assert " dicom-tree " in said


def test_every_collection_has_a_page_and_another_s_folder_is_refused(tmp_path: Path) -> None:
    pages = Path(__file__).parents[2] / "docs" / "collections"
    listed = (pages / "README.md").read_text(encoding="utf-8")
    (tmp_path / "something.txt").write_text("nothing of use")
    for collection in COLLECTIONS:
        assert f"unimedi cohort {collection.name} " in (pages / f"{collection.name}.md").read_text(encoding="utf-8")
        assert f"[{collection.name}]({collection.name}.md)" in listed
        with pytest.raises(SourceError):
            read_collection(collection.name, tmp_path)
    with pytest.raises(SourceError, match="unknown collection 'mimic'"):
        read_collection("mimic", tmp_path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_is_listed_is_what_is_taken_and_what_is_left_out(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = mimic(tmp_path / "archive", ".jpg")
    out = tmp_path / f"cohort.{kind}"
    assert main(["cohort", "mimic-cxr-jpg", str(root), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "DX: 2 (1 train, 1 test)" in said.out
    assert "patients: 2   reports: 2 in en" in said.out
    assert "listed 6 = taken 2 + left out 4" in said.out
    with (tmp_path / "cohort.skipped.csv").open(newline="") as file:
        left = list(csv.DictReader(file))
    assert len(read_manifest(out)) + len(left) == 6
    assert {"what": "s50000014/c2", "reason": "no image"} in left
    assert "1 no report" in said.err


def test_a_read_only_archive_is_prepared_from_a_manifest_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = chexpert(tmp_path / "archive", "four batches")
    out = tmp_path / "mine" / "cohort.csv"
    out.parent.mkdir()
    before = sorted(root.rglob("*"))
    assert main(["cohort", "chexpert", str(root), "--out", str(out)]) == 0
    assert f"unimedi prepare {out} --root {root} " in capsys.readouterr().out
    assert sorted(root.rglob("*")) == before
    images = [study.image for study in read_manifest(out, root)]
    assert images[0] == root / "CheXpert-v1.0 batch 2 (train 1)/patient00002/study1/view1_frontal.jpg"


def test_a_folder_without_a_study_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = mimic(tmp_path / "archive", ".jpg")
    assert main(["cohort", "mimic-cxr", str(root), "--out", str(tmp_path / "cohort.csv")]) == 2
    said = capsys.readouterr().err
    assert "no study of mimic-cxr under" in said
    assert "4 no image" in said
    assert not (tmp_path / "cohort.csv").exists()
