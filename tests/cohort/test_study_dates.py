"""The day of an examination on its way from a header or a table into a manifest, and out of it again."""

import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cohort.dicom_files import put_ct, put_xray
from tests.cohort.test_ct_collections import STUDY_1A, ricord_tree
from unimedi.cli import main
from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.sources.collections.ricord import ricord
from unimedi.cohort.sources.dicom.header import header_of
from unimedi.cohort.sources.own_files.folder import scan_folder
from unimedi.cohort.sources.phantom import phantom_cohort
from unimedi.phantom.files import study_date
from unimedi.phantom.hospital import build_hospital

DAY = datetime.date(2024, 1, 31)


def dates(manifest: Path) -> dict[str, datetime.date | None]:
    return {study.image.name: study.date for study in read_manifest(manifest)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A CT, two X-rays and a picture; of the last X-ray and the picture no header says the day."""
    put_ct(tmp_path / "in" / "ct", StudyDate="20231224", StudyInstanceUID="1.2.3", PatientID="P1")
    put_xray(tmp_path / "in" / "a.dcm", StudyDate="20240131", StudyInstanceUID="1.2.4", PatientID="P2")
    put_xray(tmp_path / "in" / "b.dcm", StudyDate="", StudyInstanceUID="1.2.5", PatientID="P3")
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / "in" / "c.png")
    for name in ("ct/ct", "a", "b", "c"):
        (tmp_path / "in" / f"{name}.txt").write_text("Clear lungs.", "utf-8")
    return tmp_path / "in"


def test_headers_date_a_folder_and_a_tree(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cohort", "folder", str(root), "--out", str(root / "cohort.csv")]) == 0
    known = {"ct": datetime.date(2023, 12, 24), "a.dcm": DAY, "b.dcm": None}
    assert dates(root / "cohort.csv") == {**known, "c.png": None}
    assert "with a date: 2" in capsys.readouterr().out
    table = root.parent / "reports.csv"
    table.write_text("key,report\n1.2.3,Clear.\n1.2.4,Clear.\n1.2.5,Clear.\n", "utf-8")
    words = ["cohort", "dicom-tree", str(root), "--table", str(table), "--out", str(root / "tree.parquet")]
    assert main(words) == 0
    assert dates(root / "tree.parquet") == known


def test_a_table_goes_before_the_headers_and_what_is_no_day_is_told(root: Path) -> None:
    table = root.parent / "t.csv"
    rows = ("a.dcm,Clear.,20240201", "b.dcm,Clear.,31.1.2024", "c.png,Clear.,2024-01-31", "ct,Clear.,")
    table.write_text("\n".join(("image,report,day", *rows)), "utf-8")
    cohort = scan_folder(root, table=table, columns={"study_date": "day"})
    found = {study.image.name: study.date for study in cohort.studies}
    assert found == {
        "a.dcm": datetime.date(2024, 2, 1), "b.dcm": None, "c.png": DAY, "ct": datetime.date(2023, 12, 24)
    }  # fmt: skip
    (told,) = cohort.told
    assert "row 3" in told.what
    assert told.reason == "taken without the date '31.1.2024': expected one like 2024-01-31"
    table.write_text("\n".join(("image,report,Study Date", *rows)), "utf-8")  # under a name of one's own: not read
    assert {study.image.name: study.date for study in scan_folder(root, table=table).studies}["c.png"] is None


def test_a_phantom_hospital_dates_every_study_as_its_dicom_files_do(tmp_path: Path) -> None:
    build_hospital(tmp_path / "h", "micro", seed=2, workers=1, progress=False)
    assert main(["cohort", "phantom", str(tmp_path / "h"), "--out", str(tmp_path / "cohort.csv")]) == 0
    studies = read_manifest(tmp_path / "cohort.csv")
    assert studies == phantom_cohort(tmp_path / "h")
    headers = [(study, header) for study in studies if (header := header_of(study.image))]
    assert 0 < len(headers) < len(studies)  # the others are NIfTI and PNG
    assert all(study.date == study_date(study.study_id) for study in studies)
    assert all(study.date == header.date for study, header in headers)


def test_the_days_of_ricord_are_those_of_its_files(tmp_path: Path) -> None:
    root = ricord_tree(tmp_path)
    for number in range(50):  # more than any other series of the study
        put_xray(root / STUDY_1A / "4.000000-real" / f"{number:02d}.dcm", StudyDate="20021023", Modality="CT")
    found = {study.study_id: study.date for study in ricord(root).studies}
    assert found.pop("1A_419639-000906_10-23-2002-NA-CT-CHEST-WITHOUT-03488") == datetime.date(2002, 10, 23)
    assert set(found.values()) == {None}
