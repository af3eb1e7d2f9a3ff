"""CT collections with labels or reports, as they are unpacked: the same paths and columns, a few rows, their quirks."""

import datetime
import gzip
import json
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cohort.trees import put, reasons, sound
from unimedi.cohort.reports.report import training_text
from unimedi.cohort.sources.collections.bimcv import bimcv_covid19, bimcv_r, findings_of, text_of
from unimedi.cohort.sources.collections.cc_ccii import cc_ccii
from unimedi.cohort.sources.collections.ct_rate import ct_rate
from unimedi.cohort.sources.collections.luna16 import luna16
from unimedi.cohort.sources.collections.radchestct import radchestct
from unimedi.cohort.sources.collections.ricord import ricord
from unimedi.cohort.sources.nifti_header import Planes, is_picture, planes_of
from unimedi.cohort.sources.own_files.images import guess_modality
from unimedi.cohort.sources.source_cohort import SourceError
from unimedi.cohort.study import Modality, Split
from unimedi.evaluation.task_file import find_task


def put_volume(path: Path, planes: int, axes: str = "RAS") -> Path:
    """A NIfTI volume of 4 x 5 x ``planes``, its third axis along the third letter of ``axes``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(axes), (4, 5, planes))
    nib.save(nib.Nifti1Image(np.zeros((4, 5, planes), np.int16), affine), path)
    return path


# -- CT-RATE ----------------------------------------------------------------------------------------------------------

CTRATE_REPORTS = "VolumeName,ClinicalInformation_EN,Technique_EN,Findings_EN,Impressions_EN"
CTRATE_LABELS = "VolumeName,Medical material,Arterial wall calcification,Lung nodule,Pleural effusion"
TRAIN = {
    "train_1_a_1": "Not given.,MDCT.,Nodule seen.,Nodule.",
    "train_1_a_2": "Not given.,MDCT.,Nodule seen.,Nodule.",
    "train_2_a_1": "Cough.,MDCT.,Clear.,Not given.",
    "train_2_a_2": "Cough.,MDCT.,Clear.,Not given.",
    "train_2_b_1": "Cough.,MDCT.,Brain.,Brain.",
    "train_3_a_1": "Not given.,Not given.,Not given.,Not given.",
    "train_4_a_1": "Cough.,MDCT.,Old file.,Old.",
    "train_5_a_1": "Cough.,MDCT.,Not here.,No.",
    "scout": "a,b,c,d",
}


def ctrate(base: Path) -> Path:
    put(
        base / "radiology_text_reports/train_reports.csv",
        "\n".join([CTRATE_REPORTS, *(f"{n}{'.nii.gz' if '_' in n else ''},{text}" for n, text in TRAIN.items())]),
    )
    put(
        base / "radiology_text_reports/validation_reports.csv", f"{CTRATE_REPORTS}\nvalid_1_a_1.nii.gz,x,y,Clear.,No.\n"
    )
    put(base / "multi_abnormality_labels/train_predicted_labels.csv", f"{CTRATE_LABELS}\ntrain_1_a_1.nii.gz,0,0,1,0\n")
    put(base / "multi_abnormality_labels/valid_predicted_labels.csv", f"{CTRATE_LABELS}\nvalid_1_a_1.nii.gz,0,1,0,0\n")
    put(base / "metadata/no_chest_train.txt", "train_fixed/train_2/train_2_b/train_2_b_1.nii.gz\n")
    for name in ("train_1_a_1", "train_1_a_2", "train_2_a_2", "train_2_b_1", "train_3_a_1", "valid_1_a_1"):
        part, patient, scan, _ = name.split("_")
        put(base / f"{part}_fixed/{part}_{patient}/{part}_{patient}_{scan}/{name}.nii.gz")
    put(base / "train/train_4/train_4_a/train_4_a_1.nii.gz")
    put(base / "metadata/train_metadata.csv", "VolumeName,Rows,StudyDate\ntrain_1_a_1.nii.gz,512,20210427\n")
    return base


@pytest.mark.parametrize("inner", ["", "dataset"])
def test_ct_rate(tmp_path: Path, inner: str) -> None:
    base = ctrate(tmp_path / inner)
    cohort = ct_rate(tmp_path)
    splits = sound(cohort, len(TRAIN) + 1)
    assert list(splits) == ["train_1_a", "train_2_a", "valid_1_a"]
    assert splits["valid_1_a"] is Split.TEST
    assert Split.TEST not in (splits["train_1_a"], splits["train_2_a"])
    first, second, _ = cohort.studies
    assert first.image == base / "train_fixed/train_1/train_1_a/train_1_a_1.nii.gz"
    assert second.image.name == "train_2_a_2.nii.gz"  # the first reconstruction was not downloaded
    assert (first.patient_id, first.modality) == ("train_1", Modality.CT)
    assert first.report.text == "TECHNIQUE: MDCT.\nFINDINGS: Nodule seen.\nIMPRESSION: Nodule."
    assert training_text(first.report) == "Nodule. Nodule seen."
    assert training_text(second.report) == "Clear."
    assert first.labels["lung_nodule"] is True
    assert first.labels["arterial_wall_calcification"] is False
    assert (first.date, second.date) == (datetime.date(2021, 4, 27), None)
    assert second.labels == {}  # its second reconstruction has no row of labels here
    assert reasons(cohort) == {
        "another reconstruction of a scan that is taken": 1,
        "not a chest CT, by the collection's own list": 1,
        "only the uncorrected volume, without Hounsfield units": 1,
        "empty report": 1,
        "no image": 2,
        "a name that is not train_1_a_1.nii.gz or the like": 1,
    }


def test_ct_rate_in_part_and_not_at_all(tmp_path: Path) -> None:
    base = ctrate(tmp_path)
    (base / "radiology_text_reports/train_reports.csv").unlink()
    assert [study.study_id for study in ct_rate(tmp_path).studies] == ["valid_1_a"]
    (base / "multi_abnormality_labels/valid_predicted_labels.csv").unlink()
    with pytest.raises(SourceError, match=r"has no valid_predicted_labels\.csv"):
        ct_rate(tmp_path)
    (base / "radiology_text_reports/validation_reports.csv").unlink()
    with pytest.raises(SourceError, match=r"has no train_reports\.csv"):
        ct_rate(tmp_path)


# -- BIMCV-COVID19 ----------------------------------------------------------------------------------------------------

BIMCV_LABELS = (
    "\tPatientID\tReportID\tReport\tLabels\tLocalizations\tLabelsLocalizationsBySentence\tlabelCUIS\tLocalizationsCUIS"
)
SESSION = "session_id\tstudy_date\tmedical_evaluation"


def bimcv_part(part: Path, table: str, rows: list[str]) -> None:
    put(part / "participants.tsv", "participant\tmodality_dicom\tbody_parts\tage\tgender\n")
    lines = [f"{n}\t{row}\t[]\t[]\t[]\t[]" for n, row in enumerate(rows)]
    put(part / "derivatives/labels" / table, "\n".join([BIMCV_LABELS, *lines]) + "\n")
    put(part / "derivatives/labels/tree_term_CUI_counts_image_covid_posi.csv", "not,a,table,of,reports\n")


def bimcv(root: Path) -> Path:
    """Two parts; the first session has an X-ray and a CT, with all that a session can hold besides."""
    bimcv_part(
        root / "covid19_posi",
        "labels_covid_posi.tsv",
        [
            "sub-S1\tses-E1\tinfiltrado en lobulo superior izquierdo .\t\"['COVID 19', ' pneumonia', '', 'exclude']\"",
            "sub-S1\tses-E2\tsin hallazgos .\t['normal']",
            "sub-S9\tses-E9\tno descargado .\t['normal']",
        ],
    )
    bimcv_part(root / "covid19_neg", "Labels_covid_NEG_JAN21.tsv", ["sub-S5\tses-E5\tderrame .\t['pleural effusion']"])
    one = root / "covid19_posi/sub-S1/ses-E1/mod-rx"
    for name in ("acq-2_run-1_bp-chest_vp-pa_dx", "acq-1_run-1_bp-chest_vp-pa_dx", "run-3_bp-chest_cr"):
        put(one / f"sub-S1_ses-E1_{name}.png")
    put(one / "sub-S1_ses-E1_run-2_bp-chest_vp-lateral_dx.png")
    put(one / "sub-S1_ses-E1_acq-0_run-1_bp-chest_vp-ap_dx.png")
    put(
        one / "sub-S1_ses-E1_acq-0_run-1_bp-chest_vp-ap_dx.json",
        json.dumps({"00280004": {"vr": "CS", "Value": ["MONOCHROME1"]}}),
    )
    put(one / "sub-S1_ses-E1_run-1_bp-chest_ct.png")
    put_volume(one / "sub-S1_ses-E1_run-1_bp-chest_ct.nii.gz", 25)
    put_volume(one / "sub-S1_ses-E1_run-2_bp-chest_ct.nii.gz", 40)
    put_volume(one / "sub-S1_ses-E1_run-3_bp-chest_ct.nii.gz", 60, "RSA")  # coronal
    put_volume(one / "sub-S1_ses-E1_run-4_bp-chest_ct.nii.gz", 3)
    put(one / "sub-S1_ses-E1_run-5_bp-chest_ct.nii.gz", "no volume")
    put(root / "covid19_posi/sub-S1/ses-E2/mod-rx/sub-S1_ses-E2_run-1_bp-chest_vp-ap_cr.png")
    put(root / "covid19_posi/sub-S1/ses-E3/mod-rx/sub-S1_ses-E3_run-1_bp-chest_vp-ap_cr.png")
    put(root / "covid19_posi/sub-S1/ses-E4/mod-rx/sub-S1_ses-E4_run-1_bp-chest_vp-ap_cr.png")
    put(root / "covid19_posi/sub-S1/ses-E4/sub-S1_ses-E4_scans.tsv", "a table\n")
    put(
        root / "covid19_posi/sub-S1/sub-S1_sessions.tsv",
        f"{SESSION}\nses-E2\t20200401\t['otro']\nses-E3\t20200402\t['Torax AP .', 'Sin   derrame .']\n",
    )
    put_volume(root / "covid19_neg/sub-S5/ses-E5/mod-ct/sub-S5_ses-E5_run-1_bp-chest_ct.nii.gz", 30)
    return root


def test_bimcv_covid19(tmp_path: Path) -> None:
    cohort = bimcv_covid19(bimcv(tmp_path))
    sound(cohort, 11 + 3 + 1 + 1)  # files of the first session, of the others, of the negative, the missing session
    found = {study.study_id: study for study in cohort.studies}
    assert list(found) == ["ses-E5_ct", "ses-E1_xray", "ses-E1_ct", "ses-E2_xray", "ses-E3_xray"]
    xray, ct = found["ses-E1_xray"], found["ses-E1_ct"]
    assert xray.image.name == "sub-S1_ses-E1_acq-1_run-1_bp-chest_vp-pa_dx.png"
    assert ct.image.name == "sub-S1_ses-E1_run-2_bp-chest_ct.nii.gz"  # the axial one with most planes
    assert (xray.modality, ct.modality, found["ses-E2_xray"].modality) == (Modality.DX, Modality.CT, Modality.CR)
    assert xray.patient_id == ct.patient_id == "sub-S1"
    assert (xray.split, xray.report) == (ct.split, ct.report)
    assert (ct.report.language, ct.report.text) == ("es", "infiltrado en lobulo superior izquierdo .")
    assert ct.labels == {"covid_19": True, "pneumonia": True, "normal": False, "pleural_effusion": False}
    assert found["ses-E2_xray"].report.text == "sin hallazgos ."  # the table of labels goes before the session's
    assert found["ses-E3_xray"].date == datetime.date(2020, 4, 2)
    assert ct.date is None
    assert found["ses-E3_xray"].report.text == "Torax AP .\nSin derrame ."
    assert set(found["ses-E3_xray"].labels.values()) == {None}
    assert reasons(cohort) == {
        "view lateral: not frontal": 1,
        "another image of a session that is taken": 2,
        "MONOCHROME1: the picture is stored inverted": 1,
        "a picture that is no X-ray": 1,
        "another series of a session that is taken": 1,
        "not an axial series of at least 20 planes": 2,
        "no NIfTI volume that tells its orientation": 1,
        "no report": 1,
        "no image": 1,
    }


def test_bimcv_covid19_of_one_part_and_of_another_folder(tmp_path: Path) -> None:
    (only,) = bimcv_covid19(bimcv(tmp_path) / "covid19_neg").studies
    assert (only.study_id, only.labels) == ("ses-E5_ct", {"pleural_effusion": True})
    with pytest.raises(SourceError, match=r"has no sub-\.\.\. folders"):
        bimcv_covid19(tmp_path / "covid19_neg" / "derivatives")


@pytest.mark.parametrize("text", ["", "nan", "['a'", "__import__('os')", "{'a': 1}", "[" * 9999])
def test_a_cell_that_is_no_list_gives_no_findings(text: str) -> None:
    assert findings_of(text) is None
    assert text_of(text) == text


@given(st.permutations("RAS"), st.tuples(*[st.sampled_from((1, -1))] * 3), st.integers(1, 30), st.booleans())
def test_planes_are_what_nibabel_finds(order: list[str], signs: tuple[int, ...], planes: int, little: bool) -> None:
    codes = [
        letter if sign > 0 else {"R": "L", "A": "P", "S": "I"}[letter]
        for letter, sign in zip(order, signs, strict=True)
    ]
    affine = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(codes), (4, 5, planes))
    image = nib.Nifti1Image(
        np.zeros((4, 5, planes), np.int16), affine, nib.Nifti1Header(endianness="<" if little else ">")
    )
    assert image.header.endianness == ("<" if little else ">")
    for sform, qform in ((1, 0), (0, 1), (0, 0)):
        image.set_sform(affine, sform)
        image.set_qform(affine, qform)
        axial = nib.aff2axcodes(image.affine)[2] in "SI"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "v.nii"
            path.write_bytes(image.to_bytes())
            assert planes_of(path) == (Planes(planes, axial) if sform or qform else None)


@pytest.mark.parametrize(
    "data", [b"", b"\x1f\x8b", gzip.compress(b"x" * 400, mtime=0)[:20], b"\x5c\x01\0\0", b"\0" * 400]
)
def test_a_header_that_is_none_has_no_planes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "v.nii.gz"
    path.write_bytes(data)
    assert planes_of(path) is None
    assert not is_picture(path)


@pytest.mark.parametrize(
    ("shape", "flat"), [((8, 9), True), ((8, 9, 1), True), ((8, 9, 1, 1), True), ((8, 9, 2), False), ((1, 8, 9), False)]
)
def test_a_nifti_of_one_plane_is_an_xray(tmp_path: Path, shape: tuple[int, ...], flat: bool) -> None:
    path = tmp_path / "x.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros(shape, np.int16), np.eye(4)), path)
    assert is_picture(path) is flat
    assert guess_modality(path, None) == (Modality.DX if flat else Modality.CT)


# -- BIMCV-R ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [",ct_path", ""])
def test_bimcv_r(tmp_path: Path, last: str) -> None:
    """``path`` names the volume, or only its folder where another column names the volume."""
    header = "PatientID,ReportID,Report,Labels,Localizations,labelCUIS,num,path,Report_en" + last
    folder = "/raid/BIMCV_CT/covid19_posi/{0}/{1}/mod-rx"
    lines = [header]
    for patient, session, run, spanish, english in (
        ("sub-S1", "ses-E1", "run-4", "tac sin derrame .", "TAC without effusion."),
        ("sub-S1", "ses-E1", "run-5", "tac sin derrame .", "TAC without effusion."),
        ("sub-S1", "ses-E2", "run-1", "", "Only English."),
        ("sub-S2", "ses-E3", "acq-1_run-2", "no descargado .", "Not downloaded."),
        ("sub-S3", "ses-E4", "run-1", "", ""),
    ):
        place, file = folder.format(patient, session), f"{patient}_{session}_{run}_bp-chest_ct.nii.gz"
        where = place if last else f"{place}/{file}"
        line = f"{patient},{session},{spanish},\"['normal', ' nodule']\",[],[],2.0,{where},{english}"
        lines.append(line + (f",{place}/{file}" if last else ""))
        if session != "ses-E3":
            put(tmp_path / "CT1/ct" / file)
    put(tmp_path / "meta/curated_ct_report_path_En.csv", "\n".join(lines) + "\n")
    cohort = bimcv_r(tmp_path)
    sound(cohort, 5)
    first, second = cohort.studies
    assert (first.study_id, first.patient_id) == ("ses-E1", "sub-S1")
    assert (first.report.text, first.report.language) == ("tac sin derrame .", "es")
    assert first.report.translation == "TAC without effusion."
    assert (second.report.text, second.report.language, second.report.translation) == ("Only English.", "en", "")
    assert first.labels == {"normal": True, "nodule": True}
    assert reasons(cohort) == {"no image": 1, "another series of a study that is taken": 1, "empty report": 1}


# -- RAD-ChestCT ------------------------------------------------------------------------------------------------------


def test_radchestct(tmp_path: Path) -> None:
    header = "NoteAcc_DEID,nodule*left_upper,nodule*right_lung,pleural_effusion*left_lung,gi_tube*other_location"
    put(tmp_path / "imgtrain_Abnormality_and_Location_Labels.csv", f"{header}\ntrn00001,0,1,0,0\ntrn00002,0,0,0,0\n")
    put(tmp_path / "imgvalid_Abnormality_and_Location_Labels.csv", f"{header}\nval00001,1.0,0.0,1.0,0.0\n")
    put(tmp_path / "imgtest_Abnormality_and_Location_Labels.csv", f"{header}\ntst00001,0,0,0,1\n")
    put(tmp_path / "trn00001.npz")
    put(tmp_path / "images/val00001.npz")
    put(tmp_path / "tst00001.npz")
    cohort = radchestct(tmp_path)
    splits = sound(cohort, 4)
    assert splits == {"trn00001": Split.TRAIN, "val00001": Split.VALIDATION, "tst00001": Split.TEST}
    assert [study.labels for study in cohort.studies] == [
        {"nodule": True, "pleural_effusion": False, "gi_tube": False},
        {"nodule": True, "pleural_effusion": True, "gi_tube": False},
        {"nodule": False, "pleural_effusion": False, "gi_tube": True},
    ]
    assert reasons(cohort) == {"no image": 1}
    (tmp_path / "imgtest_Abnormality_and_Location_Labels.csv").unlink()
    with pytest.raises(SourceError, match="has no imgtest_Abnormality"):
        radchestct(tmp_path)


# -- CC-CCII ----------------------------------------------------------------------------------------------------------

CCCCII = "zip_file,label,patient_id,scan_id,n_slice\n"


def ccccii(root: Path) -> Path:
    listed = [("NCP", 123, 1387, 2), ("NCP", 123, 1388, 2), ("CP", 1303, 3607, 1), ("Normal", 1831, 286, 1)]
    listed += [("CP", 1170, 3388, 3), ("Normal", 788, 223, 1), ("Other", 1, 2, 1)]
    lines = [f"{label}-1.zip,{label},{patient},{scan},{slices}" for label, patient, scan, slices in listed]
    put(root / "unzip_filenames.csv", CCCCII + "\n".join(lines) + "\n")
    put(root / "lesions_slices.csv", "imgpath\nNCP/123/1387/0001.png\n")
    for scan in ("NCP/123/1387/0000.png", "NCP/123/1387/0001.png", "NCP/NCP/123/1388/0000.jpg"):
        put(root / scan)
    put(root / "NCP/NCP/123/1388/0001.jpg")
    put(root / "images/CP/1303/3607/0000.png")
    put(root / "286.nii.gz")
    put(root / "CP/1170/3388/0000.png")
    return root


def test_cc_ccii(tmp_path: Path) -> None:
    cohort = cc_ccii(ccccii(tmp_path))
    sound(cohort, 7)
    assert [(study.study_id, study.patient_id) for study in cohort.studies] == [
        *(("1387", "123"), ("1388", "123"), ("3607", "1303"), ("286", "1831"))
    ]
    assert [next(name for name, value in study.labels.items() if value) for study in cohort.studies] == [
        *("covid_19", "covid_19", "common_pneumonia", "normal")
    ]
    assert set(cohort.studies[0].labels) == set(find_task("cc_ccii").classes)
    assert cohort.studies[1].image == tmp_path / "NCP/NCP/123/1388"
    assert reasons(cohort) == {
        "another number of pictures than listed": 1,
        "no image": 1,
        "unknown class 'Other'": 1,
    }


def test_cc_ccii_by_the_lists_of_simcrop(tmp_path: Path) -> None:
    """A patient who is in both lists stays in the test split only."""
    root = ccccii(tmp_path)
    put(root / "train_list.csv", "img_list,label\n1387.nii.gz,2\n3607.nii.gz,1\n")
    with pytest.raises(SourceError, match=r"train_list\.csv and not the other"):
        cc_ccii(root)
    put(root / "test_list.csv", "img_list,label\n1388.nii.gz,2\n")
    cohort = cc_ccii(root)
    splits = sound(cohort, 7)
    assert splits["1388"] is Split.TEST
    assert splits["3607"] is not Split.TEST
    assert set(splits) == {"1388", "3607"}
    found = reasons(cohort)
    assert (found["its patient is in the test split"], found["in none of the lists of the split"]) == (1, 3)


# -- RICORD -----------------------------------------------------------------------------------------------------------

SERIES = {
    "2.000000-ROUTINE CHEST NON-CON-46543": 30,
    "3.000000-0.625mm bone alg-94216": 45,
    "601.000000-COR 3X3-60319": 60,
    "1.000000-SCOUT-11111": 2,
}
STUDY_1A = "manifest-1608266677008/MIDRC-RICORD-1A/MIDRC-RICORD-1A-419639-000906/10-23-2002-NA-CT CHEST WITHOUT-03488"


def ricord_tree(root: Path) -> Path:
    for series, files in SERIES.items():
        for number in range(files):
            put(root / STUDY_1A / series / f"1-{number + 1:03d}.dcm")
    negative = root / "manifest-1612365584013/MIDRC-RICORD-1B/MIDRC-RICORD-1B-SITE2-000334/09-14-1999-NA-NA-39001"
    for number in range(20):
        put(negative / "2.000000-NA-39035" / f"1-{number:02d}.dcm")
    put(negative.with_name("09-15-1999-NA-NA-39002") / "1.000000-NA-1" / "1-1.dcm")
    put(root / "manifest-1612365584013/metadata.csv", "Series UID,Collection\n")
    put(root / "1c/midrc_ricord_1c/MIDRC-RICORD-1C-419639-000906/03387/77899/68e2f84b-6be6-470f-9376.dcm")
    return root


def test_ricord(tmp_path: Path) -> None:
    cohort = ricord(ricord_tree(tmp_path))
    sound(cohort, 7)
    found = {study.study_id: study for study in cohort.studies}
    xray, ct, negative = found.values()
    assert list(found) == [
        "1C_419639-000906_03387_77899_0",
        "1A_419639-000906_10-23-2002-NA-CT-CHEST-WITHOUT-03488",
        "1B_SITE2-000334_09-14-1999-NA-NA-39001",
    ]
    assert ct.image == tmp_path / STUDY_1A / "3.000000-0.625mm bone alg-94216"  # most files, and no reformat
    assert (xray.patient_id, xray.split) == (ct.patient_id, ct.split)  # the same patient's
    assert (xray.modality, ct.modality) == (Modality.DX, Modality.CT)
    assert [study.labels["covid_19"] for study in (xray, ct, negative)] == [True, True, False]
    assert set(find_task("ricord").classes) <= set(ct.labels)
    assert reasons(cohort) == {
        "another series of a study that is taken": 3,
        "no axial series of 20 files in this study": 1,
    }


def test_ricord_by_the_lists_of_unimiss(tmp_path: Path) -> None:
    """Series, reformats among them, and split are those of the lists; the X-ray goes with its patient."""
    root = ricord_tree(tmp_path)
    line = "data_nii_v0/MIDRC-RICORD-1{}/ID{}.nii.gz {}\n"
    put(root / "RICORD_train.txt", line.format("B", "SITE2-000334_date09-14-1999_2.000000-NA-39035", 0))
    with pytest.raises(SourceError, match=r"has RICORD_train\.txt; expected all of"):
        ricord(root)
    put(root / "RICORD_val.txt", line.format("B", "SITE2-000516_date03-28-2002_2.000000-NA-61950", 0))
    test = ("2.000000-ROUTINE-CHEST-NON-CON-46543", "601.000000-COR-3X3-60319")
    lines = [line.format("A", f"419639-000906_date10-23-2002_{series}", 1) for series in test]
    put(root / "RICORD_test.txt", "".join(lines))
    cohort = ricord(root)
    assert list(sound(cohort, 8).values()) == [Split.TEST, Split.TEST, Split.TEST, Split.TRAIN]
    assert [study.image.name for study in cohort.studies[1:3]] == [*list(SERIES)[:1], list(SERIES)[2]]
    assert reasons(cohort) == {"in none of the lists of the split": 3, "no image": 1}


def test_ricord_of_another_folder(tmp_path: Path) -> None:
    put(tmp_path / "a/b/c/d.dcm")
    with pytest.raises(SourceError, match="has no folder MIDRC-RICORD-1A"):
        ricord(tmp_path)


# -- LUNA16 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tables", ["", "CSVFILES"])
def test_luna16(tmp_path: Path, tables: str) -> None:
    uid = "1.3.6.1.4.1.14519.5.2.1.6279.6001.{}"
    annotations = [f"{uid.format(n)},-128.6994211,-175.3192718,-298.3875064,5.651470635" for n in (1, 1, 9)]
    put(
        tmp_path / tables / "annotations.csv",
        "\n".join(["seriesuid,coordX,coordY,coordZ,diameter_mm", *annotations]) + "\n",
    )
    candidates = [f"{uid.format(n)},1.0,2.0,3.0,0" for n in (1, 2, 3, 4, 9, 10)]
    put(tmp_path / tables / "candidates.csv", "\n".join(["seriesuid,coordX,coordY,coordZ,class", *candidates]) + "\n")
    for number, subset in ((1, 0), (2, 7), (3, 9), (4, 9)):
        put(tmp_path / f"subset{subset}" / f"{uid.format(number)}.mhd")
        if number != 4:
            put(tmp_path / f"subset{subset}" / f"{uid.format(number)}.raw")
    cohort = luna16(tmp_path)
    splits = sound(cohort, 6)
    assert list(splits.values()) == [Split.TRAIN, Split.VALIDATION, Split.TEST]
    assert [study.labels for study in cohort.studies] == [{"nodule": True}, {"nodule": False}, {"nodule": False}]
    assert set(cohort.studies[0].labels) == set(find_task("luna16").classes)
    assert reasons(cohort) == {"no image": 2, "no voxels: the .raw file beside the .mhd is missing": 1}
