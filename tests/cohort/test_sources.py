"""The ways in: a phantom's index, and anyone's own folder or table. What cannot be used is counted, never lost."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from unimedi.cohort.manifest import read_manifest, write_manifest
from unimedi.cohort.sources.dicom.quick_header import is_dicom, modality_of
from unimedi.cohort.sources.own_files.folder import scan_folder
from unimedi.cohort.sources.phantom import is_phantom, phantom_cohort
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.split import SplitError
from unimedi.cohort.study import Modality, Split
from unimedi.imaging.read import read_image
from unimedi.phantom.hospital import build_hospital


def put(path: Path, text: str = "image") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def put_dicom(path: Path, modality: str, implicit: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.StudyDate, dataset.Modality, dataset.PatientID = "20200101", modality, "X"
    dataset.Rows = dataset.Columns = 10
    dataset.PixelData = np.zeros(200_000, np.uint8).tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.save_as(path, enforce_file_format=True)
    return path


def reasons(cohort: SourceCohort) -> dict[str, str]:
    return {skipped.what: skipped.reason for skipped in cohort.skipped}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "hospital"
    build_hospital(out, "micro", seed=2, workers=1, progress=False)
    return out


def test_a_phantom_becomes_studies(hospital: Path, tmp_path: Path) -> None:
    studies = phantom_cohort(hospital)
    assert len(studies) == 17
    assert {study.split for study in studies} == set(Split)
    assert all(len(study.labels) == 12 and None not in study.labels.values() for study in studies)
    assert all(mask.path and mask.path.is_file() for study in studies for mask in study.masks.values())
    for study in studies[:4]:
        assert read_image(study.image).ndim == study.modality.ndim
    write_manifest(studies, hospital / "manifest.csv")
    assert read_manifest(hospital / "manifest.csv") == studies


def test_no_phantom_and_an_unfinished_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no phantom hospital"):
        phantom_cohort(tmp_path)
    (tmp_path / ".building").mkdir()
    with pytest.raises(FileNotFoundError, match="an unfinished phantom hospital"):
        phantom_cohort(tmp_path)


def test_a_cohort_is_the_phantoms_where_every_image_is(hospital: Path, tmp_path: Path) -> None:
    studies = phantom_cohort(hospital)
    assert is_phantom(studies)
    assert not is_phantom([])
    image = tmp_path / "mine" / "chest.png"
    image.parent.mkdir()
    image.write_bytes(studies[0].image.read_bytes() if studies[0].image.is_file() else b"")
    own = replace(studies[0], study_id="own", image=image)
    assert not is_phantom([*studies, own])
    for text in ("{}", "[1]", "not JSON", "3"):  # a file of that name that is somebody's own
        (image.parent / "hospital.json").write_text(text)
        assert not is_phantom([own])


def test_a_phantom_is_found_as_a_folder_once_its_reports_lie_beside(hospital: Path, tmp_path: Path) -> None:
    studies = phantom_cohort(hospital)
    for study in studies:
        place = tmp_path / study.patient_id / study.study_id
        place.parent.mkdir(exist_ok=True)
        if study.image.is_dir():
            shutil.copytree(study.image, place)
        else:
            shutil.copy(study.image, place.with_name(place.name + "".join(study.image.suffixes)))
        put(place.with_name(f"{place.name}.txt"), study.report.text)
    cohort = scan_folder(tmp_path)
    assert not cohort.skipped
    found = {study.study_id.split("_")[1]: (study.patient_id, study.modality, study.report) for study in cohort.studies}
    stripped = {s.study_id: (s.patient_id, s.modality, replace(s.report, text=s.report.text.strip())) for s in studies}
    assert found == stripped  # DX and CR are told apart by their headers


def test_images_with_texts_of_their_name(tmp_path: Path) -> None:
    for name in ("a/one.png", "a/two.jpg", "b/scan.nii.gz", "c.x.png"):
        put(tmp_path / name)
    for name in ("a/one.txt", "a/two.txt", "b/scan.txt", "c.x.txt"):
        put(tmp_path / name, f"Findings: {name} is clear.")
    cohort = scan_folder(tmp_path)
    assert cohort.complaint() == ""
    told = {study.study_id: (study.patient_id, study.modality, study.report.text) for study in cohort.studies}
    assert told == {
        "a_one": ("a", Modality.DX, "Findings: a/one.txt is clear."),
        "a_two": ("a", Modality.DX, "Findings: a/two.txt is clear."),
        "b_scan": ("b", Modality.CT, "Findings: b/scan.txt is clear."),
        "c.x": ("c.x", Modality.DX, "Findings: c.x.txt is clear."),
    }
    assert {study.modality for study in scan_folder(tmp_path, modality="cr").studies} == {Modality.CR}


def test_a_folder_s_only_text_belongs_to_its_image(tmp_path: Path) -> None:
    put(tmp_path / "p1" / "scan.nii")
    put(tmp_path / "p1" / "report.txt", "Sin derrame pleural en el tórax.")
    (study,) = scan_folder(tmp_path).studies
    assert study.report.language == "es"


@pytest.mark.parametrize("text", ["p1/ct/report.txt", "p1/ct.txt", "p1/report.txt"])
def test_a_folder_of_slices_is_one_study(tmp_path: Path, text: str) -> None:
    for number in range(3):
        put_dicom(tmp_path / "p1" / "ct" / f"{number}", "CT", implicit=number == 0)  # without a suffix, as PACS export
    put(tmp_path / text, "No nodule.")
    (study,) = scan_folder(tmp_path).studies
    assert (study.image, study.modality, study.patient_id) == (tmp_path / "p1" / "ct", Modality.CT, "p1")
    assert study.study_id == "p1_ct"


def test_what_cannot_be_used_is_listed_and_told(tmp_path: Path) -> None:
    put(tmp_path / "p1" / "good.png")
    put(tmp_path / "p1" / "good.txt", "Clear lungs.")
    put(tmp_path / "p2" / "silent.png")
    put(tmp_path / "p3" / "blank.png")
    put(tmp_path / "p3" / "blank.txt", " \n ")
    put(tmp_path / "p4" / "lonely.txt", "Clear lungs.")
    put(tmp_path / "p5" / "notes.docx")
    put_dicom(tmp_path / "p6" / "odd.dcm", "SR")
    put(tmp_path / "p6" / "odd.txt", "Clear lungs.")
    put_dicom(tmp_path / "slice.dcm", "CT")
    cohort = scan_folder(tmp_path)
    assert [study.study_id for study in cohort.studies] == ["p1_good"]
    assert reasons(cohort) == {
        "p2/silent.png": "no report",
        "p3/blank.png": "empty report",
        "p3/blank.txt": "the file of its name is left out",
        "p4/lonely.txt": "no image",
        "p5/notes.docx": "not an image but a document: a report is .txt, .rtf or .html",
        "p6/odd.dcm": "modality SR: expected one of DX, CR, US, CT, MR",
        "p6/odd.txt": "the file of its name is left out",
        "slice.dcm": "DICOM slices in the root: each series needs a folder of its own, or `cohort dicom-tree`",
    }
    assert "8 left out (" in cohort.complaint()
    assert "p2/silent.png: no report" in cohort.complaint()


def test_a_folder_with_nothing_to_use_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="it holds no images"):
        scan_folder(tmp_path)
    put(tmp_path / "a.png")
    with pytest.raises(SourceError, match=r"(?s)no study under .*1 no report.*a.png"):
        scan_folder(tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        scan_folder(tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"unknown modality 'CTT' \(did you mean 'CT'\?\), expected one of"):
        scan_folder(tmp_path, modality="CTT")


def test_splits_go_by_patient_and_stay_when_others_are_added(tmp_path: Path) -> None:
    for patient in range(60):
        for number in range(2):
            put(tmp_path / f"p{patient}" / f"{number}.png")
            put(tmp_path / f"p{patient}" / f"{number}.txt", "Clear lungs.")
    before = {study.study_id: study.split for study in scan_folder(tmp_path, validation=0.2, test=0.3).studies}
    assert set(before.values()) == set(Split)
    assert all(before[f"p{patient}_0"] == before[f"p{patient}_1"] for patient in range(60))
    put(tmp_path / "a-new-one" / "0.png")
    put(tmp_path / "a-new-one" / "0.txt", "Clear lungs.")
    after = {study.study_id: study.split for study in scan_folder(tmp_path, validation=0.2, test=0.3).studies}
    assert before.items() <= after.items()


def table(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


COLUMNS = {"image": "file", "report": "text", "patient_id": "subject", "modality": "kind", "split": "fold"}


def test_a_table_in_anyone_s_columns(tmp_path: Path) -> None:
    put(tmp_path / "x" / "1.png")
    put(tmp_path / "x" / "2.nii")
    put(tmp_path / "x" / "2.txt", "Text from a file.")
    rows = (
        {
            "file": "x/1.png",
            "text": "Clear, both lungs.",
            "report_path": "",
            "subject": "s1",
            "kind": "cr",
            "fold": "test",
        },
        {
            "file": "x/2.nii",
            "report_path": "x/2.txt",
            "subject": "s2",
            "kind": "",
            "fold": "train",
            "label:nodule": "1",
        },
        {"file": "x/3.png", "text": "Gone.", "subject": "s3"},
        {"file": "x/1.png", "text": "", "subject": "s4", "fold": "train"},
        {"file": "x/1.png", "text": "Clear.", "subject": "s5", "kind": "XR", "fold": "train"},
        {"file": "../out.png", "text": "Clear.", "subject": "s6"},
        {"file": "x/1.png", "text": "Clear.", "subject": "s7", "fold": "tset"},
    )
    put(tmp_path.parent / "out.png")
    cohort = scan_folder(tmp_path, table=table(tmp_path / "t.csv", *rows), columns=COLUMNS)
    first, second = cohort.studies
    assert (first.patient_id, first.modality, first.split) == ("s1", Modality.CR, Split.TEST)
    assert (second.report.text, second.modality, second.labels) == ("Text from a file.", Modality.CT, {"nodule": True})
    told = reasons(cohort)
    assert told["row 4 (x/3.png)"] == "no image"
    assert "unknown modality 'XR'" in cohort.skipped[2].reason
    assert [skipped.reason for skipped in cohort.skipped][1] == "no report"
    assert told["row 7 (../out.png)"] == "image outside the root"
    assert (
        "unknown split 'tset' (did you mean 'test'?), expected one of train, validation, test"
        in cohort.skipped[4].reason
    )


def test_a_table_that_leaks_or_lacks_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "1.png")
    put(tmp_path / "2.png")
    leak = table(
        tmp_path / "leak.csv",
        {"image": "1.png", "report": "Clear.", "patient_id": "p", "split": "train"},
        {"image": "2.png", "report": "Clear.", "patient_id": "p", "split": "test"},
    )
    with pytest.raises(SplitError, match="patient p"):
        scan_folder(tmp_path, table=leak)
    with pytest.raises(SourceError, match="column 'file' is missing; found image, report, patient_id, split"):
        scan_folder(tmp_path, table=leak, columns={"image": "file"})
    with pytest.raises(SourceError, match="unknown field 'picture'"):
        scan_folder(tmp_path, table=leak, columns={"picture": "file"})
    with pytest.raises(SourceError, match="column 'report' is missing"):
        scan_folder(tmp_path, table=table(tmp_path / "bare.csv", {"image": "1.png"}))
    with pytest.raises(SourceError, match="no such file"):
        scan_folder(tmp_path, table=tmp_path / "none.csv")
    with pytest.raises(SourceError, match="no table"):
        scan_folder(tmp_path, columns={"image": "file"})


def test_duplicate_ids_of_a_table_are_listed(tmp_path: Path) -> None:
    put(tmp_path / "1.png")
    row = {"image": "1.png", "report": "Clear.", "study_id": "s"}
    cohort = scan_folder(tmp_path, table=table(tmp_path / "t.csv", row, row))
    assert len(cohort.studies) == 1
    assert reasons(cohort) == {"row 3 (s)": "duplicate study_id s"}


def test_a_table_may_not_lead_out_of_the_folder_or_hold_a_label_that_is_none(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "1.png")
    put(tmp_path / "secret.png")
    put(tmp_path / "secret.txt", "Not for this cohort.")
    (root / "away.png").symlink_to(tmp_path / "secret.png")
    rows = (
        {"image": "../secret.png", "report": "Clear."},
        {"image": str(tmp_path / "secret.png"), "report": "Clear."},
        {"image": "away.png", "report": "Clear."},
        {"image": "1.png", "report": "", "report_path": "../secret.txt"},
        {"image": "1.png", "report": "Clear.", "label:nodule": "maybe"},
        {"image": "1.png", "report": "Clear.", "label:nodule": "True"},
    )
    names = dict.fromkeys(("image", "report", "report_path", "label:nodule"), "")
    cohort = scan_folder(root, table=table(tmp_path / "t.csv", *({**names, **row} for row in rows)))
    assert [(study.report.text, study.labels) for study in cohort.studies] == [("Clear.", {"nodule": True})]
    assert list(reasons(cohort).values()) == [
        *["image outside the root"] * 3,
        "report outside the root",
        "label:nodule is 'maybe', expected 1, 0 or empty (1.0, true, 0.0, false and NA are read, too)",
    ]


def test_headers_are_read_without_pydicom(tmp_path: Path) -> None:
    for modality in Modality:
        for implicit in (False, True):
            path = put_dicom(tmp_path / "a.dcm", modality.value, implicit)
            assert is_dicom(path)
            assert modality_of(path) == modality
    assert modality_of(put_dicom(tmp_path / "b.dcm", "SR")) is None
    assert not is_dicom(put(tmp_path / "short.dcm"))
