"""Every file under a root is taken, part of what is taken, or listed with a reason; and the list is always written."""

import csv
import shutil
from pathlib import Path

import pydicom.data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cohort.dicom_files import put_ct, put_enhanced_ct, put_xray
from tests.cohort.trees import put
from unimedi.cli import main
from unimedi.cohort.sources.own_files.folder import scan_folder
from unimedi.cohort.sources.source_cohort import NoStudyError, SourceCohort

FOLDERS = ("", "images", "reports", "p1", "p1/ct", "p2", "p2/x", ".git", "__MACOSX")
NAMES = ("a.png", "a.txt", "A.TXT", "b.png", "b.html", "readme.txt", "t.csv", "n.docx", "lateral.png", "v.mhd", "v.raw")


def scanned(root: Path) -> SourceCohort:
    try:
        return scan_folder(root)
    except NoStudyError as error:
        return error.cohort


def accounted(cohort: SourceCohort, file: Path) -> bool:
    """Whether a line or a study speaks of the file: as itself, as a slice, a report, or by its folder."""
    name = file.relative_to(cohort.root)
    places = {str(name), *map(str, name.parents)}
    listed = {skipped.what for skipped in cohort.skipped}
    images = {study.image for study in cohort.studies}
    is_slice = file.parent in images and file.suffix == ""
    is_voxels = file.suffix == ".raw" and file.with_suffix(".mhd").exists()
    texts = [study.report.text for study in cohort.studies]
    is_report = file.suffix.lower() in (".txt", ".html") and file.read_text("utf-8") in texts
    return bool(places & listed) or file in images or is_slice or is_voxels or is_report


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES)), max_size=14), st.booleans())
def test_every_file_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, files: set, series: bool) -> None:
    root = tmp_path_factory.mktemp("tree") / "root"
    root.mkdir()
    for folder, name in sorted(files):
        put(root / folder / name, f"Effusion in {folder} {name}")
    if series:
        put_ct(root / "p1" / "ct", planes=2)
    cohort = scanned(root)
    missing = [str(file) for file in sorted(root.rglob("*")) if file.is_file() and not accounted(cohort, file)]
    assert not missing
    what = [skipped.what for skipped in cohort.skipped]
    assert len(what) == len(set(what))  # and once
    assert not {str(study.image.relative_to(root)) for study in cohort.studies} & set(what)


def test_copies_links_raw_images_and_films_are_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put_xray(root / "p1" / "x.dcm", PatientID="P1")
    (root / "p2").mkdir()
    shutil.copy(root / "p1" / "x.dcm", root / "p2" / "y.dcm")
    put(root / "p3" / "x.png")
    (root / "p3" / "z.png").symlink_to("x.png")
    for name in ("p1/x", "p2/y", "p3/x", "p3/z"):
        put(root / f"{name}.txt", f"Effusion in {name}.")
    study = {"StudyInstanceUID": "1.2.5", "PatientID": "P4"}
    put_xray(root / "p4" / "raw.dcm", PresentationIntentType="FOR PROCESSING", **study)
    put_xray(root / "p4" / "shown.dcm", PresentationIntentType="FOR PRESENTATION", **study)
    put(root / "p4" / "report.txt", "Effusion.")
    cohort = scan_folder(root)
    assert {str(study.image.relative_to(root)) for study in cohort.studies} == {"p1/x.dcm", "p3/x.png", "p4/shown.dcm"}
    assert {one.what: one.reason for one in cohort.skipped} == {
        "p2/y.dcm": "a copy of p1/x.dcm, which is taken",
        "p2/y.txt": "the file of its name is left out",
        "p3/z.png": "a copy of p3/x.png, which is taken",
        "p3/z.txt": "the file of its name is left out",
        "p4/raw.dcm": "for processing: its examination has an image for presentation",
    }


def test_what_a_header_says_of_view_modality_and_body(tmp_path: Path) -> None:
    said = (
        *({"ViewPosition": "LL"}, {"ViewPosition": ""}, {"Modality": "PT"}, {"Modality": "OT"}, {"Rows": None}),
        *({"BodyPartExamined": "HAND"}, {"ImageType": ["DERIVED", "SECONDARY", "LOCALIZER"]}),
    )
    for k, tags in enumerate(said):
        put(put_xray(tmp_path / f"p{k}" / "x.dcm", PatientID=f"P{k}", **tags).with_suffix(".txt"), f"Effusion {k}.")
    cohort = scan_folder(tmp_path, modality="DX")
    assert [study.patient_id for study in cohort.studies] == ["P1", "P3", "P5"]
    listed = {one.what: one.reason for one in cohort.skipped if one.what.endswith("dcm")}
    assert listed == {
        "p0/x.dcm": "not frontal: LL",
        "p2/x.dcm": "modality PT: expected one of DX, CR, US, CT, MR",
        "p4/x.dcm": "no image: a report, a directory or a presentation",
        "p6/x.dcm": "a localiser",
    }
    assert "view not stated: 1 of 3 DICOM radiographs, taken as frontal" in cohort.notes
    assert "another body part than the chest is stated of 1 images: HAND 1" in cohort.notes


def test_an_enhanced_ct_is_a_file_beside_other_things(tmp_path: Path) -> None:
    put_enhanced_ct(tmp_path / "p1" / "IM1", PatientID="P1")
    put_ct(tmp_path / "p1", planes=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    put(tmp_path / "p1" / "IM1.txt", "Nodule.")
    cohort = scan_folder(tmp_path)
    assert [study.image.name for study in cohort.studies] == ["IM1"]
    assert [(one.what, one.reason) for one in cohort.skipped] == [("p1/IM0", "a localiser")]


def test_an_index_of_a_disc_is_no_image_and_its_files_are(tmp_path: Path) -> None:
    shipped = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests"
    shutil.copytree(shipped / "77654033" / "CR1", tmp_path / "disc" / "CR1")
    shutil.copytree(shipped / "98892001" / "CT5N", tmp_path / "disc" / "CT5N")
    shutil.copy(shipped / "DICOMDIR", tmp_path / "disc" / "DICOMDIR")
    put(tmp_path / "disc" / "VIEWER.EXE")
    put(tmp_path / "disc" / "INDEX.HTM", "Click here.")
    put(tmp_path / "disc" / "CT5N.txt", "Effusion.")
    cohort = scan_folder(tmp_path)
    assert [study.image.name for study in cohort.studies] == ["CT5N"]
    assert {one.what: one.reason for one in cohort.skipped} == {
        "disc/CR1/6154": "not frontal: LL",
        "disc/DICOMDIR": "a DICOMDIR: an index, whose files are looked at by themselves",
        "disc/INDEX.HTM": "no report by its name",
        "disc/VIEWER.EXE": "not an image",
    }


@pytest.mark.parametrize("way", ["folder", "dicom-tree"])
def test_the_list_is_written_where_nothing_is_taken(
    way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    for k in range(30):
        put(root / f"{k:02d}.docx")
    (root / "away").symlink_to(tmp_path)
    put(tmp_path / "c.skipped.csv", "what,reason\nof,yesterday\n")
    assert main(["cohort", way, str(root), "--out", str(tmp_path / "c.csv")]) == 2
    with (tmp_path / "c.skipped.csv").open(newline="") as file:
        rows = {row["what"]: row["reason"] for row in csv.DictReader(file)}
    assert {f"{k:02d}.docx" for k in range(30)} | {"away"} == set(rows) - {"."}
    assert rows["away"] == "a linked folder outside the root"
    said = capsys.readouterr().err
    assert f"all of them: {tmp_path / 'c.skipped.csv'}" in said
    assert "30 .docx" in said
    assert not (tmp_path / "c.csv").exists()


def test_pictures_say_their_view_by_name_or_folder(tmp_path: Path) -> None:
    for name in ("p1/a.png", "p1/a_lateral.png", "Lateral/b.png", "frontal/b.png"):
        put(put(tmp_path / name).with_suffix(".txt"), f"Effusion in {name}.")
    cohort = scan_folder(tmp_path)
    assert [str(study.image.relative_to(tmp_path)) for study in cohort.studies] == ["frontal/b.png", "p1/a.png"]
    listed = [one.reason for one in cohort.skipped if one.what.endswith("png")]
    assert listed == ["not frontal by its name: lateral"] * 2
    assert len(scan_folder(tmp_path, modality="US").studies) == 4


def test_masks_are_no_images_and_take_no_report(tmp_path: Path) -> None:
    for name in ("images/P1/x.nii.gz", "masks/P1/nodule.nii.gz", "images/P2/x.png", "images/P2/x_mask.png"):
        put(tmp_path / name)
    put(tmp_path / "reports" / "P1.txt", "Nodule.")
    put(tmp_path / "reports" / "P2.txt", "Mass.")
    cohort = scan_folder(tmp_path)
    assert [(study.image.name, study.patient_id) for study in cohort.studies] == [("x.nii.gz", "P1"), ("x.png", "P2")]
    assert {one.what: one.reason for one in cohort.skipped} == dict.fromkeys(
        ("masks/P1/nodule.nii.gz", "images/P2/x_mask.png"), "a mask by its name or folder"
    )


def test_a_table_s_images_are_looked_at_too(tmp_path: Path) -> None:
    for k, view in enumerate(("PA", "LL", "XTABLE LATERAL", "")):
        put_xray(tmp_path / f"{k}.dcm", PatientID=f"P{k}", ViewPosition=view)
    put(tmp_path / "t.csv", "image,report\n" + "".join(f"{k}.dcm,Effusion {k}.\n" for k in range(4)))
    cohort = scan_folder(tmp_path, table=tmp_path / "t.csv")
    assert [study.patient_id for study in cohort.studies] == ["P0", "P3"]
    assert {one.what: one.reason for one in cohort.skipped} == {
        "1.dcm": "not frontal: LL",
        "2.dcm": "not frontal: XTABLE LATERAL",
    }
