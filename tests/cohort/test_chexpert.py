"""CheXpert in its three layouts and CheXpert Plus: the same paths, columns and quirks, and the real table."""

import json
from pathlib import Path

import pytest

from tests.cohort.trees import put, reasons, shipped
from unimedi.cohort.reports.report import training_text
from unimedi.cohort.sources.collections.catalogue import read_collection
from unimedi.cohort.sources.collections.listing import rows
from unimedi.cohort.sources.source_cohort import SourceError
from unimedi.cohort.study import Split
from unimedi.evaluation.task_file import find_task

HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
ROW = "{}train/{}/study1/{},Female,87,{},AP,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,"
BATCHES = {
    "train/patient00002": "CheXpert-v1.0 batch 2 (train 1)/patient00002",
    "train/patient21513": "CheXpert-v1.0 batch 3 (train 2)/patient21513",
    "valid/": "CheXpert-v1.0 batch 1 (validate & csv)/valid",
    "": "CheXpert-v1.0 batch 1 (validate & csv)",
}
LAYOUTS = {
    "the folder": ("CheXpert-v1.0-small/", {"": ""}),
    "the folder above": ("CheXpert-v1.0-small/", {"": "CheXpert-v1.0-small"}),
    "four batches": ("CheXpert-v1.0/", BATCHES),
}


def chexpert(root: Path, layout: str) -> Path:
    """Two patients and a lateral to train, one whose image was not downloaded, one to test; one image too many."""
    prefix, places = LAYOUTS[layout]

    def at(name: str) -> Path:
        begin = next(begin for begin in places if name.startswith(begin))
        return root / places[begin] / name.removeprefix(begin).lstrip("/")

    images = [
        ("patient00002", "view1_frontal.jpg", "Frontal"),
        ("patient00002", "view2_lateral.jpg", "Lateral"),
        ("patient21513", "view1_frontal.jpg", "Frontal"),
        ("patient00003", "view1_frontal.jpg", "Frontal"),
    ]
    put(at("train.csv"), "\n".join([HEADER, *(ROW.format(prefix, *image) for image in images)]) + "\n")
    test = f"{prefix}valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,0.0,1.0,0.0,1.0" + ",0.0" * 10
    put(at("valid.csv"), f"{HEADER}\n{test}\n")
    for patient, name, _ in images[:3]:
        put(at(f"train/{patient}/study1/{name}"))
    put(at("train/patient00002/study9/view1_frontal.jpg"))
    put(at("valid/patient64541/study1/view1_frontal.jpg"))
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_chexpert_is_the_same_in_every_layout(tmp_path: Path, layout: str) -> None:
    cohort = read_collection("chexpert", chexpert(tmp_path, layout))
    assert [(study.study_id, study.patient_id) for study in cohort.studies] == [
        ("train_patient00002_study1_view1_frontal", "patient00002"),
        ("train_patient21513_study1_view1_frontal", "patient21513"),
        ("valid_patient64541_study1_view1_frontal", "patient64541"),
    ]
    first, _, last = cohort.studies
    assert (first.split, last.split) == (Split.TRAIN, Split.TEST)
    uncertain = {name: first.labels[name] for name in ("atelectasis", "edema", "pleural_effusion", "cardiomegaly")}
    assert uncertain == {"atelectasis": True, "edema": True, "pleural_effusion": True, "cardiomegaly": False}
    assert first.labels["fracture"] is True
    assert first.labels["support_devices"] is False  # not mentioned
    assert len(last.labels) == 14
    assert set(find_task("chexpert").classes) <= set(last.labels)
    assert last.report.text == ""
    assert reasons(cohort) == {"not frontal": 1, "no image": 1, "listed in no table": 1}


def test_a_label_that_is_none_is_refused(tmp_path: Path) -> None:
    table = chexpert(tmp_path, "the folder") / "train.csv"
    put(table, table.read_text().replace(",1.0,\n", ",yes,\n", 1))
    with pytest.raises(SourceError, match=r"Fracture is 'yes', expected 1\.0, 0\.0, -1\.0 or empty"):
        read_collection("chexpert", tmp_path)


def test_validation_is_a_small_share_of_the_training_patients(tmp_path: Path) -> None:
    names = [f"patient{number:05}" for number in range(1, 2001)]
    lines = [ROW.format("CheXpert-v1.0-small/", name, "view1_frontal.jpg", "Frontal") for name in names]
    put(tmp_path / "train.csv", "\n".join([HEADER, *lines]) + "\n")
    put(tmp_path / "valid.csv", f"{HEADER}\n")
    for name in names:
        put(tmp_path / "train" / name / "study1/view1_frontal.jpg")
    splits = [study.split for study in read_collection("chexpert", tmp_path).studies]
    assert 30 <= splits.count(Split.VALIDATION) <= 70  # 50 expected, standard deviation 7


def test_the_real_table_of_chexpert_has_what_is_read() -> None:
    listed = list(rows(shipped("chexpert_train.csv.gz"), *HEADER.split(",")))
    assert len(listed) == 223_414
    assert sum(row["Frontal/Lateral"] == "Frontal" for row in listed) == 191_027
    labels = HEADER.split(",")[5:]
    assert {row[label] for row in listed[:20_000] for label in labels} == {"", "0.0", "1.0", "-1.0"}


PLUS = (
    ",path_to_image,path_to_dcm,frontal_lateral,ap_pa,deid_patient_id,patient_report_date_order,report,"
    "section_narrative,section_clinical_history,section_history,section_comparison,section_technique,"
    "section_procedure_comments,section_findings,section_impression,section_end_of_impression,section_summary,"
    "section_accession_number,age,sex,race,ethnicity,interpreter_needed,insurance_type,recent_bmi,deceased,split"
)


def plus_row(name: str, view: str, findings: str, impression: str) -> str:
    values = dict.fromkeys(PLUS.split(","), "")
    values |= {"path_to_image": name, "frontal_lateral": view, "report": f"NARRATIVE: {findings} {impression}"}
    values |= {"section_findings": findings, "section_impression": impression, "section_history": "cough"}
    return ",".join(f'"{value}"' for value in values.values())


@pytest.mark.parametrize("images", ["PNG/PNG", "PNG", "PNGs", ""])
def test_chexpert_plus(tmp_path: Path, images: str) -> None:
    lines = [
        plus_row("train/patient00002/study1/view1_frontal.jpg", "Frontal", "", "\n1. SMALL EFFUSION.\n2. NO CHANGE."),
        plus_row("train/patient00002/study1/view2_lateral.jpg", "Lateral", "", "1. SMALL EFFUSION."),
        plus_row("train/patient00003/study1/view1_frontal.jpg", "Frontal", "", ""),
        plus_row("train/patient00004/study1/view1_frontal.jpg", "Frontal", "Clear.", "Normal."),
        plus_row("valid/patient64541/study1/view1_frontal.jpg", "Frontal", "Clear.", "Normal."),
    ]
    put(tmp_path / "df_chexpert_plus_240401.csv", "\n".join([PLUS, *lines]) + "\n")
    for name in ("patient00002/study1/view1_frontal", "patient00002/study1/view2_lateral"):
        put(tmp_path / images / "train" / f"{name}.png")
    put(tmp_path / images / "train/patient00003/study1/view1_frontal.png")
    put(tmp_path / images / "valid/patient64541/study1/view1_frontal.png")
    label = {"path_to_image": "train/patient00002/study1/view1_frontal.jpg", "Pleural Effusion": 1.0, "Edema": -1.0}
    put(tmp_path / "chexbert_labels/impression_fixed.json", json.dumps({**label, "Fracture": None}) + "\n")
    cohort = read_collection("chexpert-plus", tmp_path)
    first, last = cohort.studies
    assert (first.study_id, first.split) == ("train_patient00002_study1_view1_frontal", Split.TRAIN)
    assert training_text(first.report) == "SMALL EFFUSION. NO CHANGE."
    assert first.labels == {"pleural_effusion": True, "edema": None, "fracture": None}
    assert (last.patient_id, last.split, training_text(last.report)) == ("patient64541", Split.TEST, "Normal. Clear.")
    assert reasons(cohort) == {"not frontal": 1, "empty report": 1, "no image": 1}


def test_labels_of_chexpert_plus_that_are_none_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "df_chexpert_plus_240401.csv", PLUS + "\n")
    put(tmp_path / "PNG/train/x.png")
    put(tmp_path / "chexbert_labels/impression_fixed.json", "[1, 2]\n")
    with pytest.raises(SourceError, match="line 1: expected an image with its labels"):
        read_collection("chexpert-plus", tmp_path)
