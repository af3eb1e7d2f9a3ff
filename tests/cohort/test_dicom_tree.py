"""A PACS export with names that mean nothing: one folder of everything, real DICOM files."""

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset

from tests.cohort.dicom_files import put_ct, put_enhanced_ct, put_xray
from tests.imaging.test_dicom import CT, XRAY, dataset, save
from unimedi.cli import main
from unimedi.cohort.manifest import ManifestError, read_manifest
from unimedi.cohort.sources.own_files.dicom_tree import dicom_tree
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.study import Modality
from unimedi.imaging.image import Volume
from unimedi.imaging.read import read_image

THICK, THIN, SCOUT = "1.2.9.1", "1.2.9.2", "1.2.9.3"


def put_series(folder: Path, uid: str, voxels: np.ndarray, **tags: object) -> None:
    for k, plane in enumerate(voxels):
        place = {"ImagePositionPatient": [0, 0, 5.0 * k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        about = {"RescaleSlope": 1, "RescaleIntercept": -1024, "PixelSpacing": [3.0, 2.0], "SeriesInstanceUID": uid}
        study = {"StudyInstanceUID": "1.2.9", "PatientID": "p9", "AccessionNumber": "A9"}
        header = dataset((plane + 1024).astype(np.int16), "CT", **place, **about, **study, **tags)
        save(header, folder / f"IM{hash((uid, k)) % 10**9:09d}")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """One CT examination of three series, a frontal and a lateral X-ray, a report object and a note, in one folder."""
    root = tmp_path / "export"
    root.mkdir()
    put_series(root, THICK, CT[:5])
    put_series(root, THIN, CT)
    put_series(root, SCOUT, CT[:1], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    for name, view in (("frontal", "PA"), ("lateral", "LL")):
        save(dataset(XRAY, "DX", PatientID="p1", StudyInstanceUID="1.2.1", ViewPosition=view), root / name)
    report = dataset(XRAY, "SR", PatientID="p1", StudyInstanceUID="1.2.1")
    for name in ("PixelData", "Rows", "Columns"):
        del report[name]
    save(report, root / "report")
    (root / "readme.txt").write_text("An export.")
    return root


def table(root: Path) -> Path:
    path = root.parent / "reports.csv"
    path.write_text("Accession,Text,label:nodule\nA9,FINDINGS: Nodule.,1\n1.2.1,FINDINGS: Clear.,0\n")
    return path


COLUMNS = {"key": "Accession", "report": "Text"}


def test_the_largest_series_of_an_examination_and_frontal_x_rays_are_taken(export: Path) -> None:
    cohort = dicom_tree(export, table(export), COLUMNS)
    flat, deep = sorted(cohort.studies, key=lambda study: study.modality.ndim)
    assert (flat.image.name, flat.modality, flat.patient_id) == ("frontal", Modality.DX, "p1")
    assert (flat.report.text, flat.labels) == ("FINDINGS: Clear.", {"nodule": False})
    assert (deep.study_id, deep.series, deep.image) == ("1.2.9", THIN, export)
    assert (deep.report.text, deep.labels) == ("FINDINGS: Nodule.", {"nodule": True})
    assert Counter(skipped.reason for skipped in cohort.skipped) == {
        "not frontal: LL": 1,
        "a localiser": 1,
        "no image: a report, a directory or a presentation": 1,
        "not a DICOM image": 1,
        "another series of its examination has more slices (6)": 1,
    }


@pytest.mark.parametrize(("uid", "slices"), [(THICK, 5), (THIN, 6)])
def test_a_series_is_read_out_of_a_folder_of_several(export: Path, uid: str, slices: int) -> None:
    image = read_image(export, uid)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT[:slices])


def test_a_manifest_may_stand_elsewhere_and_is_prepared_with_its_root(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "elsewhere" / "cohort.csv"
    out.parent.mkdir()
    words = ["cohort", "dicom-tree", str(export), "--out", str(out), "--table", str(table(export))]
    assert main([*words, "--column", "key=Accession", "--column", "report=Text"]) == 0
    said = capsys.readouterr()
    assert "listed 7 = taken 2 + left out 5" in said.out
    assert f"unimedi prepare {out} --root {export}" in said.out
    assert len(out.with_suffix(".skipped.csv").read_text().splitlines()) == 6
    with pytest.raises(ManifestError, match="does not exist under"):
        read_manifest(out)
    (study,) = (study for study in read_manifest(out, export) if study.series)
    assert (study.image, study.series) == (export, THIN)


def test_a_folder_that_is_reached_by_a_link(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The manifest's folder is above the files by one name and not by the other: its paths are the root's."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    words = ["--table", str(table(export)), "--column", "key=Accession", "--column", "report=Text"]
    assert main(["cohort", "dicom-tree", str(export), "--out", str(link / "cohort.csv"), *words]) == 0
    assert f"--root {export}" in capsys.readouterr().out
    assert len(read_manifest(link / "cohort.csv", export)) == 2
    assert main(["cohort", "dicom-tree", str(link / "export"), "--out", str(link / "cohort.csv"), *words]) == 0
    assert "--root" not in capsys.readouterr().out
    assert len(read_manifest(link / "cohort.csv")) == 2
    assert len(read_manifest(tmp_path / "cohort.csv")) == 2


def test_without_a_table_everything_is_listed_and_nothing_taken(export: Path, tmp_path: Path) -> None:
    cohort = dicom_tree(export)
    assert cohort.studies == []
    reasons = Counter(skipped.reason for skipped in cohort.skipped)
    assert (reasons["no report"], reasons["no table of reports or labels was given: --table"]) == (2, 1)
    with pytest.raises(SourceError, match="no such folder"):
        dicom_tree(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="column 'Study' is missing; found Accession, Text"):
        dicom_tree(export, table(export), {"key": "Study"})


def test_pipes_and_broken_links_are_listed_and_a_link_out_is_refused(export: Path, tmp_path: Path) -> None:
    os.mkfifo(export / "pipe")
    (export / "broken").symlink_to(tmp_path / "nothing")
    outside = tmp_path / "outside"
    save(dataset(XRAY, "DX", PatientID="p2", StudyInstanceUID="1.2.2", ViewPosition="PA"), outside)
    (export / "away").symlink_to(outside)
    cohort = dicom_tree(export, table(export), COLUMNS)
    assert len(cohort.studies) == 2
    reasons = Counter(skipped.reason for skipped in cohort.skipped)
    assert (reasons["a broken link"], reasons["neither a file nor a folder"]) == (1, 1)
    assert reasons["image outside the root"] == 1


def test_reports_of_which_no_image_is_taken_are_listed(export: Path) -> None:
    path = table(export)
    path.write_text(path.read_text() + "A77,FINDINGS: Elsewhere.,0\n")
    cohort = dicom_tree(export, path, COLUMNS)
    assert [s.what for s in cohort.skipped if s.reason == "a report of which no image is taken"] == ["A77"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A9,again,1", r"row 4: Accession is there twice: A9"),
        (",no key,1", r"row 4: Accession is empty"),
        ("A8,text,perhaps", r"row 4 \(A8\): label:nodule is 'perhaps', expected 1, 0 or empty"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(export: Path, line: str, message: str) -> None:
    path = table(export)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(SourceError, match=message):
        dicom_tree(export, path, COLUMNS)
    with pytest.raises(SourceError, match="column 'Words' is missing"):
        dicom_tree(export, path, {"key": "Accession", "report": "Words"})


def test_the_table_goes_before_a_structured_report(export: Path) -> None:
    text = dataset(XRAY, "SR", PatientID="p9", StudyInstanceUID="1.2.9")
    for name in ("PixelData", "Rows", "Columns"):
        del text[name]
    item = Dataset()
    item.TextValue = "From the reporting system."
    text.ContentSequence = [item]
    save(text, export / "structured")
    by_study = {study.study_id: study.report.text for study in dicom_tree(export, table(export), COLUMNS).studies}
    assert by_study["1.2.9"] == "FINDINGS: Nodule."
    assert [study.report.text for study in dicom_tree(export).studies] == ["From the reporting system."]


def listed(cohort: SourceCohort) -> dict[str, str]:
    return {skipped.what: skipped.reason for skipped in cohort.skipped}


def keys(path: Path, *studies: str) -> Path:
    path.write_text("key,report\n" + "".join(f"{study},Clear lungs.\n" for study in studies))
    return path


def test_a_file_of_frames_is_a_series_beside_anything_else(tmp_path: Path) -> None:
    root = tmp_path / "in"
    put_enhanced_ct(root / "IM1", StudyInstanceUID="1.2.9", PatientID="p9")
    put_enhanced_ct(root / "SCOUT", StudyInstanceUID="1.2.9", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"])
    put_series(root, THICK, CT[:5])  # of the same examination, with fewer slices
    save(dataset(XRAY, "RTDOSE", StudyInstanceUID="1.2.9"), root / "dose")
    cohort = dicom_tree(root, keys(tmp_path / "t.csv", "1.2.9"))
    (study,) = cohort.studies
    assert (study.image, study.series, study.modality) == (root / "IM1", "", Modality.CT)
    image = read_image(study.image, study.series)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    assert listed(cohort) == {
        "SCOUT": "a localiser",
        "dose": "modality RTDOSE: expected one of DX, CR, US, CT, MR",
        f". (5 files of series {THICK})": "another series of its examination has more slices (6)",
    }


def test_copies_are_told_and_do_not_make_a_series_longer(tmp_path: Path) -> None:
    root = tmp_path / "in"
    put_ct(root / "ct", PatientID="p9", StudyInstanceUID="1.2.9")
    shutil.copytree(root / "ct", root / "again")
    put_xray(root / "x", StudyInstanceUID="1.2.3")
    shutil.copy(root / "x", root / "y")
    cohort = dicom_tree(root, keys(tmp_path / "t.csv", "1.2.9", "1.2.3"))
    assert sorted(study.image.name for study in cohort.studies) == ["again", "x"]
    assert listed(cohort) == {"y": "a copy of x", **{f"ct/IM{k}": f"a copy of again/IM{k}" for k in range(5)}}


def test_views_raw_images_and_an_index(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name, tags in (
        ("ap", {"ViewPosition": "AP"}),
        ("swimmers", {"ViewPosition": "SWIMMERS"}),
        ("described", {"ViewPosition": "", "SeriesDescription": "Thorax seitlich"}),
        ("unstated", {"ViewPosition": ""}),
        ("raw", {"PresentationIntentType": "FOR PROCESSING"}),
    ):
        put_xray(root / name, StudyInstanceUID="1.2.3", PatientID="p1", **tags)
    shutil.copy(Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests" / "DICOMDIR", root / "INDEX")
    cohort = dicom_tree(root, keys(tmp_path / "t.csv", "1.2.3"))
    assert sorted(study.image.name for study in cohort.studies) == ["ap", "unstated"]
    assert listed(cohort) == {
        "INDEX": "a DICOMDIR: an index, whose files are looked at by themselves",
        "swimmers": "not frontal: SWIMMERS",
        "described": "not frontal: Thorax seitlich",
        "raw": "for processing: its examination has an image for presentation",
    }
    assert "view not stated: 1 of 2 DICOM radiographs, taken as frontal" in cohort.notes


def test_a_ct_goes_before_a_longer_mr_and_series_without_a_uid_are_not_mixed(tmp_path: Path) -> None:
    root = tmp_path / "in"
    put_ct(root / "ct", 4, StudyInstanceUID="1.2.9", SeriesInstanceUID="1.2.9.1", PatientID="p9")
    put_ct(root / "mr", 6, StudyInstanceUID="1.2.9", SeriesInstanceUID="1.2.9.2", PatientID="p9", Modality="MR")
    for k in (1, 2):
        put_ct(root / f"nameless{k}", 5, StudyInstanceUID=f"1.2.{k}", SeriesInstanceUID="", PatientID=f"p{k}")
    cohort = dicom_tree(root, keys(tmp_path / "t.csv", "1.2.9", "1.2.1", "1.2.2"))
    assert sorted(study.image.name for study in cohort.studies) == ["ct", "nameless1", "nameless2"]
    assert listed(cohort) == {"mr (6 files of series 1.2.9.2)": "another series of its examination"}


def test_linked_folders_of_a_tree(tmp_path: Path) -> None:
    put_ct(tmp_path / "outside" / "ct", StudyInstanceUID="1.2.1")
    root = tmp_path / "in"
    put_ct(root / ".annex" / "ct", StudyInstanceUID="1.2.2", PatientID="p2")
    (root / "p1").symlink_to(tmp_path / "outside")
    (root / "p2").symlink_to(root / ".annex" / "ct")
    (root / "p3").symlink_to(root / "p2")
    cohort = dicom_tree(root, keys(tmp_path / "t.csv", "1.2.1", "1.2.2"))
    assert [study.image for study in cohort.studies] == [root / "p2"]
    assert listed(cohort) == {
        ".annex": "a hidden folder",
        "p1": "a linked folder outside the root",
        "p3": "a link to a folder that is read as .annex/ct",
        "1.2.1": "a report of which no image is taken",
    }


def test_slices_that_are_links_out_of_the_root_are_no_series(tmp_path: Path) -> None:
    put_ct(tmp_path / "outside", StudyInstanceUID="1.2.1")
    root = tmp_path / "in"
    (root / "ct").mkdir(parents=True)
    for file in (tmp_path / "outside").iterdir():
        (root / "ct" / file.name).symlink_to(file)
    cohort = dicom_tree(root, keys(tmp_path / "t.csv", "1.2.1"))
    assert cohort.studies == []
    assert listed(cohort)["ct (5 files of series 1.2.7)"] == "image outside the root"


def test_pictures_alone_are_told_with_the_way_that_reads_them(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (note,) = dicom_tree(tmp_path).notes
    assert note == "no DICOM image among 1 files (1 .png); other kinds: `unimedi cohort folder`"


def test_the_axial_series_goes_before_a_longer_one_of_reformats_or_renderings(tmp_path: Path) -> None:
    for name in ("axial", "coronal", "rendered"):
        (tmp_path / name).mkdir()
    put_series(tmp_path / "axial", THICK, CT[:5])
    for k, plane in enumerate(CT):
        place = {"ImagePositionPatient": [0, 5.0 * k, 0], "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
        about = {"StudyInstanceUID": "1.2.9", "PatientID": "p9"}
        save(dataset(plane, "CT", SeriesInstanceUID=THIN, **place, **about), tmp_path / "coronal" / f"{k}")
        save(dataset(plane, "CT", SeriesInstanceUID=SCOUT, **about), tmp_path / "rendered" / f"{k}")
    (tmp_path / "t.csv").write_text("key,report\n1.2.9,Nodule.\n")
    cohort = dicom_tree(tmp_path, tmp_path / "t.csv")
    assert [study.image.name for study in cohort.studies] == ["axial"]
    reasons = {one.what.split()[0]: one.reason for one in cohort.skipped if one.what != "t.csv"}
    axial = "another series of its examination is axial"
    assert reasons == {"coronal": axial, "rendered": axial}


def test_a_series_of_two_patients_is_no_study(tmp_path: Path) -> None:
    put_series(tmp_path, THICK, CT)
    for k, path in enumerate(sorted(tmp_path.iterdir())):
        header = pydicom.dcmread(path)
        header.PatientID = "p9" if k % 2 else "P8"
        header.save_as(path)
    (tmp_path / "t.csv").write_text("key,report\nA9,Nodule.\n")
    cohort = dicom_tree(tmp_path, tmp_path / "t.csv")
    assert not cohort.studies
    assert "slices of several patients under one SeriesInstanceUID" in [one.reason for one in cohort.skipped]
