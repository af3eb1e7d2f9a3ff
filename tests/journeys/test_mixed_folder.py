"""Some 300 real files in one folder, through every way in: each is taken, or stands in a list with a reason."""

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pydicom
import pytest
from pydicom.misc import is_dicom

from tests.hospital import write_pretrained
from tests.journeys import mixed_folder
from tests.pretraining.toy_run import toy_recipe
from unimedi.cli import main
from unimedi.cohort.manifest import read_manifest
from unimedi.files.text_file import TextError, read_text
from unimedi.representation.table import read_table

SERIES = re.compile(r"(.+) \((\d+) files? of series (.+)\)")

pytestmark = pytest.mark.filterwarnings("ignore")  # what pydicom thinks of its own test files


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mixed") / "Meine Dateien (süß)"
    root.mkdir()
    mixed_folder.build(root)
    return root


def run(*words: object) -> int:
    return main([str(word) for word in words])


def listed(path: Path) -> dict[str, str]:
    """What a list of what was left out says, by file."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["what"]: row["reason"] for row in csv.DictReader(file)}


def unaccounted(root: Path, images: Iterable[Path], reports: set[str], told: dict[str, str]) -> list[str]:
    """The files that are no image, no slice in the folder of one, no report of one, and in no list.

    A folder's line speaks for all that lies in it.
    """
    taken = {image.relative_to(root).as_posix() for image in images}

    def known(name: str) -> bool:
        path = root / name
        above = [name, *(parent.as_posix() for parent in Path(name).parents)]
        if not taken.isdisjoint(above[:1]) or any(place in told for place in above if place != "."):
            return True
        if Path(name).parent.as_posix() in taken and path.is_file() and is_dicom(path):
            return True
        try:
            return path.is_file() and read_text(path).strip() in reports
        except (TextError, OSError):
            return False

    return [name for name in mixed_folder.files_under(root) if not known(name)]


def with_slices(root: Path, told: dict[str, str]) -> dict[str, str]:
    """The list with the files of each series that it names by folder, number and UID."""
    more = {}
    for what, reason in told.items():
        if found := SERIES.fullmatch(what):
            slices = [path for path in (root / found[1]).iterdir() if path.is_file() and is_dicom(path)]
            uids = {path: pydicom.dcmread(path, specific_tags=["SeriesInstanceUID"]) for path in slices}
            of_series = [path for path, header in uids.items() if header.get("SeriesInstanceUID") == found[3]]
            of_series = [path for path in of_series if path.relative_to(root).as_posix() not in told]
            assert len(of_series) == int(found[2]), what
            more |= {path.relative_to(root).as_posix(): reason for path in of_series}
    return {**told, **more}


def with_reports(root: Path, told: dict[str, str]) -> dict[str, str]:
    """The list with the structured reports that it names by their examination."""
    files = [name for name in mixed_folder.files_under(root) if (root / name).is_file() and is_dicom(root / name)]
    headers = {name: pydicom.dcmread(root / name, specific_tags=["StudyInstanceUID", "Modality"]) for name in files}
    reports = {
        name: header.get("StudyInstanceUID") for name, header in headers.items() if header.get("Modality") == "SR"
    }
    return {**told, **{name: told[study] for name, study in reports.items() if study in told}}


@pytest.fixture(scope="module")
def manifest(root: Path) -> Path:
    out = root.parent / "cohort.csv"
    assert run("cohort", "folder", root, "--out", out) == 0
    return out


def test_the_folder_is_a_folder_of_hundreds(root: Path) -> None:
    assert len(mixed_folder.files_under(root)) > 200


def test_cohort_folder_loses_nothing(root: Path, manifest: Path) -> None:
    studies = read_manifest(manifest)
    told = listed(manifest.with_suffix(".skipped.csv"))
    assert all(told.values())
    reports = {study.report.text for study in studies}
    assert unaccounted(root, (study.image for study in studies), reports, told) == []
    names = {study.image.relative_to(root).as_posix(): study for study in studies}
    for name, words in (
        ("CT Müller 1", "Großer Pleuraerguss"),
        ("Patient 2/CT thorax", "Nódulo pulmonar"),
        ("Röntgen Süd/Aufnahme 2.PNG", "größer"),
        ("Röntgen Süd/ñ.png", "Nódulo"),
        ("Röntgen Süd/d.tif", "Clear lungs."),
        ("Röntgen Süd/é 1.png", "épanchement"),
        ("Archiv/images/study 3.png", "Effusion, 3"),
    ):
        assert words in names[name].report.text
        assert "<" not in names[name].report.text
        assert "\\" not in names[name].report.text
    assert not any("secret" in name for name in names)


def test_dicom_tree_loses_nothing(root: Path, tmp_path: Path) -> None:
    """Without a table few have a report; what matters is that every file is listed."""
    table = tmp_path / "reports.csv"
    key = pydicom.dcmread(next((root / "CT Müller 1").glob("*.dcm"))).StudyInstanceUID
    table.write_text(f"key;report\n{key};Großer Erguss, rechts.\n", encoding="utf-16")
    assert run("cohort", "dicom-tree", root, "--out", tmp_path / "tree.csv", "--table", table) == 0
    studies = read_manifest(tmp_path / "tree.csv", root)
    assert "Großer Erguss, rechts." in {study.report.text for study in studies}
    told = with_reports(root, with_slices(root, listed(tmp_path / "tree.skipped.csv")))
    assert unaccounted(root, (study.image for study in studies), set(), told) == []


def test_doctor_and_prepare_account_for_every_study(manifest: Path, tmp_path: Path) -> None:
    count = len(read_manifest(manifest))
    run("doctor", manifest, "--out", tmp_path / "doctor.html", "--workers", 1)
    figures = json.loads((tmp_path / "doctor.json").read_text())
    assert figures["listed"] == count == figures["read"] + sum(figures["refused"].values())
    toy_recipe(tmp_path / "recipe.yaml")
    words = ("--config", tmp_path / "recipe.yaml", "--workers", 0)
    assert run("prepare", manifest, "--out", tmp_path / "store", *words) == 0
    refused = json.loads((tmp_path / "store" / "refused.json").read_text())
    header = json.loads((tmp_path / "store" / "store.json").read_text())
    assert sum(part["rows"] for part in header["parts"]) + len(refused) == count
    assert all(row["reason"] and row["study_id"] for row in refused)


def test_embed_loses_nothing(root: Path, tmp_path: Path) -> None:
    model, out = write_pretrained(tmp_path / "model"), tmp_path / "table.parquet"
    assert run("embed", root, "--model", model, "--out", out) == 0
    told = {
        Path(what).relative_to(root).as_posix(): reason
        for what, reason in listed(out.with_suffix(".skipped.csv")).items()
    }
    images = [Path(name) for name in read_table(out).study_ids]
    assert unaccounted(root, images, set(), told) == []
