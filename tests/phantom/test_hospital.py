"""The hospital on disk: complete, true to its shares, the same bytes however it was built."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from unimedi.cohort.reports.report import training_text
from unimedi.cohort.reports.same_report import words_of
from unimedi.cohort.study import Report, Split
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.read import read_image
from unimedi.phantom import hospital
from unimedi.phantom.ct import render_ct
from unimedi.phantom.files import Header, write_nifti
from unimedi.phantom.hospital import HospitalError, build_hospital
from unimedi.phantom.patient.catalogue import FINDINGS
from unimedi.phantom.patient.patient import sample_patient
from unimedi.phantom.planning import patient_seed, plan_hospital
from unimedi.phantom.presets import COUNTS, PRESETS, find_preset
from unimedi.phantom.xray import render_xray

Row = dict[str, str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "hospital"
    build_hospital(out, "micro", seed=5, workers=1, progress=False, overrides={"prevalence": {"nodule": 0.9}})
    return out


@pytest.fixture(scope="module")
def rows(built: Path) -> list[Row]:
    with (built / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_two_workers_write_the_same_bytes_as_one(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hospital, "PART", 5)  # several parts, in another cut than the other hospital's
    options = {"prevalence": {"nodule": 0.9}}
    build_hospital(tmp_path / "again", "micro", seed=5, workers=2, progress=False, overrides=options)
    assert digest(tmp_path / "again") == digest(built)


def test_an_interrupted_hospital_is_completed_to_the_same_bytes(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "cut"
    options = {"prevalence": {"nodule": 0.9}}
    monkeypatch.setattr(hospital, "PART", 4)
    write = hospital.write_part
    done = []

    def cut_off(*arguments: object) -> int:
        if done:
            raise KeyboardInterrupt
        done.append(write(*arguments))  # type: ignore[arg-type]
        return done[-1]

    monkeypatch.setattr(hospital, "write_part", cut_off)
    with pytest.raises(KeyboardInterrupt):
        build_hospital(out, "micro", seed=5, workers=1, progress=False, overrides=options)
    assert not (out / "hospital.json").exists()
    monkeypatch.setattr(hospital, "write_part", lambda *a: done.append(write(*a)) or done[-1])
    build_hospital(out, "micro", seed=5, workers=1, progress=False, overrides=options)
    assert sorted(done) == [0, 1, 2]  # the first part was not written twice
    assert digest(out) == digest(built)


def test_a_finished_hospital_is_recognised_and_another_is_refused(built: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    options = {"prevalence": {"nodule": 0.9}}
    summary = build_hospital(built, "micro", seed=5, workers=1, progress=False, overrides=options)
    assert summary == json.loads((built / "hospital.json").read_text("utf-8"))
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before
    with pytest.raises(HospitalError, match=r"another phantom \(seed 5 there, 6 asked for\)"):
        build_hospital(built, "micro", seed=6, overrides=options)
    with pytest.raises(HospitalError, match="train_ct 3 there, 1 asked for"):
        build_hospital(built, "micro", seed=5, overrides={**options, "train_ct": 1})
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(HospitalError, match="not empty"):
        build_hospital(tmp_path, "micro")


def test_every_row_of_the_index_is_complete(built: Path, rows: list[Row]) -> None:
    assert len(rows) == len({row["study_id"] for row in rows}) == 17
    for row in rows:
        assert (built / row["image"]).exists(), row
        assert (built / row["report_path"]).read_text("utf-8").strip(), row
        assert {row[f"label:{name}"] for name in FINDINGS} <= {"0", "1"}
        assert (row["view"] in ("PA", "AP")) == (row["modality"] != "CT")
        assert bool(row["pair"]) == (row["split"] != "train")
    pairs = {row["study_id"]: row for row in rows}
    for row in rows:
        if row["pair"]:
            other = pairs[row["pair"]]
            assert (other["pair"], other["patient_id"], other["split"]) == (
                row["study_id"],
                row["patient_id"],
                row["split"],
            )
    modalities = {row["patient_id"]: row["modality"] for row in rows if row["split"] == "train"}
    assert len(modalities) == 7  # a training patient has one study
    listed = {row["image"] for row in rows} | {row["report_path"] for row in rows}
    listed |= {row[f"mask:{name}"] for row in rows for name in FINDINGS} | {"index.csv", "hospital.json"}
    for path in digest(built):
        assert path in listed or any(path.startswith(f"{folder}/") for folder in listed if folder), f"stray {path}"


def test_images_read_back_as_they_were_rendered(built: Path, rows: list[Row]) -> None:
    preset = PRESETS["micro"]
    plans = {s.study_id: (p, s) for p in plan_hospital(preset, 5) for s in p.studies}
    for row in rows:
        plan, study = plans[row["study_id"]]
        patient = sample_patient(plan.patient_id, patient_seed(5, plan.split), {"nodule": 0.9})
        image = read_image(built / row["image"])
        if row["modality"] == "CT":
            scan = render_ct(patient, preset.ct_shape)
            assert isinstance(image, Volume), row
            np.testing.assert_array_equal(image.voxels, scan.voxels, err_msg=str(row))
            assert image.spacing == pytest.approx(scan.spacing, rel=1e-4)
        else:
            xray = render_xray(patient, study.view, study.size)  # type: ignore[arg-type]
            assert isinstance(image, Radiograph), row
            scale = {"PNG": 16, "JPEG": 1 / 16}.get(row["format"], 1)
            tolerance = 12 if row["format"] == "JPEG" else 0  # 8-bit steps at quality 95
            np.testing.assert_allclose(image.pixels, xray.pixels * scale, atol=tolerance, err_msg=str(row))
            if row["format"] in ("DX", "CR"):
                assert image.spacing == pytest.approx(xray.spacing, rel=1e-4)


def test_masks_lie_in_the_image_s_geometry_and_only_where_the_finding_is(built: Path, rows: list[Row]) -> None:
    masked = 0
    for row in rows:
        for name in FINDINGS:
            if not row[f"mask:{name}"]:
                continue
            masked += 1
            path = built / row[f"mask:{name}"]
            if row["modality"] == "CT":
                mask, image = sitk.ReadImage(str(path)), read_image(path)
                assert set(np.unique(sitk.GetArrayViewFromImage(mask))) == {0, 1}
                scan = read_image(built / row["image"])
                assert image.spacing == pytest.approx(scan.spacing, rel=1e-4)
                assert image.voxels.shape == scan.voxels.shape  # type: ignore[union-attr]
                assert row[f"label:{name}"] == "1"
            else:
                mask_pixels = np.asarray(Image.open(path))
                assert set(np.unique(mask_pixels)) == {0, 255}
                assert mask_pixels.shape == read_image(built / row["image"]).pixels.shape  # type: ignore[union-attr]
    assert masked > 15


def test_reoriented_masks_stay_on_their_volume(tmp_path: Path) -> None:
    voxels = np.arange(9 * 10 * 11, dtype=np.int16).reshape(9, 10, 11)
    for orientation in ("LPS", "RAS", "PIR", "SAL"):
        write_nifti(tmp_path / "a.nii", voxels, (3.0, 2.0, 1.0), orientation)
        image = read_image(tmp_path / "a.nii")
        assert isinstance(image, Volume)
        np.testing.assert_array_equal(image.voxels, voxels, err_msg=orientation)
        assert image.spacing == pytest.approx((3, 2, 1))
        stored = sitk.ReadImage(str(tmp_path / "a.nii"))
        code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(stored.GetDirection())
        assert code == orientation


def test_dicom_files_say_what_they_are(built: Path, rows: list[Row]) -> None:
    kinds = set()
    for row in rows:
        if row["format"] not in ("DX", "CR", "DICOM"):
            continue
        path = built / row["image"]
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        headers = [pydicom.dcmread(file) for file in files]
        first = headers[0]
        assert first.PatientID == row["patient_id"]
        assert first.Modality == row["modality"]
        assert first.SOPClassUID == first.file_meta.MediaStorageSOPClassUID
        assert first.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert (first.BitsAllocated, first.BitsStored, first.HighBit, first.PixelRepresentation) == (16, 12, 11, 0)
        assert all(len(header.SOPInstanceUID) <= 64 for header in headers)
        if row["format"] == "DICOM":
            assert first.SOPClassUID.name == "CT Image Storage"
            heights = [float(header.ImagePositionPatient[2]) for header in headers]
            assert len(headers) == 32
            assert heights != sorted(heights)  # names do not give the order away
            assert len({header.SOPInstanceUID for header in headers}) == 32
            assert len({header.SeriesInstanceUID for header in headers}) == 1
            steps = np.diff(sorted(heights))
            np.testing.assert_allclose(steps, float(first.SliceThickness), rtol=1e-3)
            assert (first.RescaleSlope, first.RescaleIntercept, first.PatientPosition) == (1, -1024, "HFS")
        else:
            name = "Computed Radiography" if row["format"] == "CR" else "Digital X-Ray"
            assert first.SOPClassUID.name.startswith(name)
            assert first.ViewPosition == row["view"]
            assert list(first.PatientOrientation) == ["L", "F"]
            assert len(first.PixelSpacing) == 2
            assert first.pixel_array.max() <= 4095
            kinds.add(first.PhotometricInterpretation)
    assert kinds == {"MONOCHROME1", "MONOCHROME2"}


def test_held_out_reports_are_distinct(tmp_path: Path) -> None:
    never = dict.fromkeys(FINDINGS, 0.0)  # everyone is healthy: the hardest case
    counts = {"train_xray": 0, "train_ct": 0, "validation_paired": 1, "test_paired": 60}
    small = {"ct_shape": (8, 16, 16), "xray_size": (16, 16)}
    options = {**counts, **small, "prevalence": never, "share_spanish": 0.0}
    build_hospital(tmp_path / "h", "micro", seed=1, workers=1, progress=False, overrides=options)
    with (tmp_path / "h" / "index.csv").open(encoding="utf-8", newline="") as file:
        test = [row for row in csv.DictReader(file) if row["split"] == "test"]
    texts = [(tmp_path / "h" / row["report_path"]).read_text("utf-8") for row in test]
    assert len({words_of(training_text(Report(text))) for text in texts}) == len(test) == 120


def test_shares_are_kept() -> None:
    preset = find_preset("tiny")
    studies = [(plan, study) for plan in plan_hospital(preset, 0) for study in plan.studies]
    xrays = [study for _, study in studies if study.view]
    scans = [study for _, study in studies if not study.view]
    assert (len(xrays), len(scans)) == (4120, 2520)
    for name in ("DX", "CR", "PNG", "JPEG"):
        share = getattr(preset, f"share_xray_{name.lower()}")
        assert sum(study.format == name for study in xrays) == pytest.approx(share * len(xrays), abs=1)
    assert sum(study.format == "DICOM" for study in scans) == pytest.approx(0.03 * len(scans), abs=1)
    assert sum(study.language == "es" for study in xrays) == pytest.approx(0.05 * len(xrays), abs=1)
    assert {min(study.size) for study in xrays} == set(range(128, 161))
    assert {study.masks for plan, study in studies if plan.split == Split.TRAIN} == {False}
    assert {study.masks for plan, study in studies if plan.split != Split.TRAIN} == {True}
    numbers = [int(plan.patient_id[1:]) for plan in plan_hospital(preset, 0)]
    assert sorted(numbers) == list(range(1, preset.patients + 1)) != numbers


def test_test_patients_come_from_a_seed_of_their_own() -> None:
    assert patient_seed(0, Split.TRAIN) == patient_seed(0, Split.VALIDATION) != patient_seed(0, Split.TEST)
    assert patient_seed(0, Split.TEST) != patient_seed(1, Split.TEST)


def test_patients_rescale_the_preset_in_proportion() -> None:
    tiny = find_preset("tiny")
    for patients in (4, 5, 41, 412, 4120, 9999):
        scaled = tiny.with_patients(patients)
        assert scaled.patients == patients
        for name in COUNTS:
            assert getattr(scaled, name) >= 1
            if patients > 400:  # below, each group keeps one
                assert getattr(scaled, name) == pytest.approx(getattr(tiny, name) * patients / tiny.patients, abs=1.01)
    with pytest.raises(ValueError, match="3 patients cannot fill the 4 groups"):
        tiny.with_patients(3)


def test_a_hospital_that_died_at_once_can_be_begun_with_other_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*arguments: object) -> int:
        (tmp_path / "h" / "patients" / "P000001").mkdir()
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(hospital, "write_part", full_disk)
        with pytest.raises(OSError, match="No space left"):
            build_hospital(tmp_path / "h", "micro", seed=1, workers=1, progress=False)
    summary = build_hospital(tmp_path / "h", "micro", seed=2, workers=1, patients=4, progress=False)
    assert summary["patients"] == len(list((tmp_path / "h" / "patients").iterdir())) == 4
    assert not (tmp_path / "h" / ".building").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share_ct_dicm": 0.5}, "did you mean 'share_ct_dicom'"),
        ({"share_ap": "half"}, "share_ap: expected a number such as 0.25, got 'half'"),
        ({"train_xray": 1.5}, "train_xray: expected a whole number such as 4, got 1.5"),
        ({"ct_shape": 32}, "ct_shape: expected whole numbers such as "),
        ({"prevalence": [0.5]}, "prevalence: expected a probability for each finding"),
        ({"share_spanish": 1.5}, "share_spanish must lie between 0 and 1, got 1.5"),
        ({"share_xray_dx": 0.9}, "must add up to 1, got 1.4"),
        ({"train_ct": -1}, "train_ct must not be negative, got -1"),
        ({"ct_shape": (64, 128, 4)}, "three numbers of at least 8"),
        ({"mask_innocents": True}, "mask_innocents has been renamed: it is mask_distractors now"),
        ({"mask_distractors": "maybe"}, "mask_distractors: expected true or false, got 'maybe'"),
        ({"prevalence": {"nodul": 0.5}}, "unknown finding 'nodul'"),
        ({"prevalence": {"nodule": 2.0}}, "between 0 and 1, got 2.0"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_hospital(tmp_path / "h", "micro", workers=1, progress=False, overrides=options)
    with pytest.raises(ValueError, match="no preset 'nano'"):
        find_preset("nano")


def test_identifiers_are_hashes_of_the_study() -> None:
    header = Header("P1", "P1-CT", "CT", "F", 60)
    assert header.uid("slice", 1) == Header("P1", "P1-CT", "CT", "M", 61).uid("slice", 1)
    assert header.uid("slice", 1) != header.uid("slice", 2)
    assert pydicom.uid.UID(header.uid()).is_valid
