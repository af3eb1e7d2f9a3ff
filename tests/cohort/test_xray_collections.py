"""X-ray collections as they are unpacked: the same paths and columns with a few rows, and the quirks that each has."""

import csv
import gzip
import importlib.metadata
from pathlib import Path

import pytest

from tests.cohort.trees import put, reasons
from unimedi.cohort.report import training_text
from unimedi.cohort.sources.collections import COLLECTIONS, read_collection
from unimedi.cohort.sources.listing import rows
from unimedi.cohort.sources.scan import FolderError
from unimedi.cohort.study import Mask, Modality, Split
from unimedi.transfer.task_file import find_task

# -- MIMIC-CXR --------------------------------------------------------------------------------------------------------

MIMIC_REPORT = (
    "                                 FINAL REPORT\n INDICATION: ___ with cough.\n\n FINDINGS: {}\n\n "
    "IMPRESSION: Done.\n"
)
STUDIES = {"50414267": ("10000032", "train"), "53189527": ("10000032", "train"), "50000014": ("11941242", "test")}


def mimic(root: Path, suffix: str, reports: str = "") -> Path:
    """Three studies of two patients; the first has a lateral too, one image was not downloaded, one report neither."""
    images = [
        ("a1", "50414267", "PA"),
        ("a2", "50414267", "LATERAL"),
        ("b1", "53189527", "AP"),
        ("c1", "50000014", "PA"),
    ]
    images += [("c2", "50000014", "AP"), ("d1", "50000014", "")]
    split, metadata = ["dicom_id,study_id,subject_id,split"], ["dicom_id,subject_id,study_id,ViewPosition,Rows,Columns"]
    for name, study, view in images:
        subject, part = STUDIES[study]
        split.append(f"{name},{study},{subject},{part}")
        metadata.append(f"{name},{subject},{study},{view},3056,2544")
        if name != "c2":
            put(root / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}" / f"{name}{suffix}")
    put(root / "mimic-cxr-2.0.0-split.csv.gz", "\n".join(split) + "\n")
    put(root / "mimic-cxr-2.0.0-metadata.csv.gz", "\n".join(metadata) + "\n")
    labels = ["subject_id,study_id,Atelectasis,Pleural Effusion,No Finding", "10000032,50414267,1.0,-1.0,"]
    put(root / "mimic-cxr-2.0.0-chexpert.csv.gz", "\n".join([*labels, "11941242,50000014,0.0,,1.0"]) + "\n")
    for study in ("50414267", "50000014"):
        subject = STUDIES[study][0]
        text = MIMIC_REPORT.format("Old.") + MIMIC_REPORT.format(f"Seen in {study}.")
        put(root / reports / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}.txt", text)
    return root


@pytest.mark.parametrize(("name", "suffix"), [("mimic-cxr-jpg", ".jpg"), ("mimic-cxr", ".dcm")])
@pytest.mark.parametrize("reports", ["", "mimic-cxr-reports"])
def test_mimic_cxr(tmp_path: Path, name: str, suffix: str, reports: str) -> None:
    cohort = read_collection(name, mimic(tmp_path, suffix, reports))
    assert [study.study_id for study in cohort.studies] == ["s50414267-a1", "s50000014-c1"]
    first, second = cohort.studies
    assert first.image == tmp_path / "files/p10/p10000032/s50414267" / f"a1{suffix}"
    assert (first.patient_id, first.split, first.modality) == ("10000032", Split.TRAIN, Modality.DX)
    assert training_text(first.report) == "Seen in 50414267. Done."  # the last section of a name
    assert first.labels == {"atelectasis": True, "pleural_effusion": None, "no_finding": None}
    assert second.split == Split.TEST
    assert reasons(cohort) == {
        "view LATERAL: not frontal": 1,
        "view not stated: not frontal": 1,
        "no report": 1,
        "no image": 1,
    }


def test_mimic_cxr_without_its_tables_says_which(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"has no mimic-cxr-2\.0\.0-split\.csv"):
        read_collection("mimic-cxr-jpg", put(tmp_path / "files" / "x").parents[1])
    with pytest.raises(FolderError, match="no such folder"):
        read_collection("mimic-cxr-jpg", tmp_path / "nowhere")


# -- CheXpert ---------------------------------------------------------------------------------------------------------

CHEXPERT_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


@pytest.mark.parametrize("inner", ["", "CheXpert-v1.0-small"])
def test_chexpert(tmp_path: Path, inner: str) -> None:
    folder, prefix = tmp_path / inner, "CheXpert-v1.0-small/"
    row = "{}train/patient00002/study1/view1_frontal.jpg,Female,87,Frontal,AP,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,"
    lines = [CHEXPERT_HEADER, row.format(prefix)]
    lines.append(row.format(prefix).replace("view1_frontal", "view2_lateral").replace("Frontal", "Lateral"))
    lines.append(row.format(prefix).replace("patient00002", "patient00003"))
    put(folder / "train.csv", "\n".join(lines) + "\n")
    test = f"{prefix}valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,0.0,1.0,0.0,1.0" + ",0.0" * 10
    put(folder / "valid.csv", f"{CHEXPERT_HEADER}\n{test}\n")
    put(folder / "train/patient00002/study1/view1_frontal.jpg")
    put(folder / "valid/patient64541/study1/view1_frontal.jpg")
    cohort = read_collection("chexpert", tmp_path)
    first, last = cohort.studies
    assert first.image == folder / "train/patient00002/study1/view1_frontal.jpg"
    assert (first.patient_id, last.patient_id, last.split) == ("patient00002", "patient64541", Split.TEST)
    uncertain = {name: first.labels[name] for name in ("atelectasis", "edema", "pleural_effusion", "cardiomegaly")}
    assert uncertain == {"atelectasis": True, "edema": True, "pleural_effusion": True, "cardiomegaly": False}
    assert first.labels["fracture"] is True
    assert first.labels["support_devices"] is False  # not mentioned
    assert len(last.labels) == 14
    assert set(find_task("chexpert").classes) <= set(last.labels)
    assert last.report.text == ""
    assert reasons(cohort) == {"not frontal": 1, "no image": 1}


def shipped(name: str) -> Path:
    """A table of the real collection, which torchxrayvision ships."""
    try:
        files = importlib.metadata.files("torchxrayvision") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package torchxrayvision, which ships real tables, is not installed")
    return next(Path(str(f.locate())) for f in files if f.name == name)


def test_the_real_table_of_chexpert_has_what_is_read(tmp_path: Path) -> None:
    listed = list(rows(shipped("chexpert_train.csv.gz"), *CHEXPERT_HEADER.split(",")))
    assert len(listed) == 223_414
    assert sum(row["Frontal/Lateral"] == "Frontal" for row in listed) == 191_027
    assert {value for row in listed[:20_000] for name, value in row.items() if name == "Edema"} == {
        "",
        "0.0",
        "1.0",
        "-1.0",
    }


# -- PadChest ---------------------------------------------------------------------------------------------------------


def test_padchest_by_rows_of_the_real_table(tmp_path: Path) -> None:
    """The first 40 rows as they are published, three images of which were downloaded."""
    table = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
    with gzip.open(shipped(f"{table}.gz"), "rt", encoding="utf-8") as file:
        lines = list(csv.reader(file))[:41]
    with (tmp_path / table).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    place = {name: column for column, name in enumerate(lines[0])}
    frontal = [line for line in lines[1:] if line[place["Projection"]] in ("PA", "AP", "AP_horizontal")]
    for line in frontal[:2]:
        put(tmp_path / line[place["ImageDir"]] / line[place["ImageID"]])
    put(tmp_path / "images" / frontal[2][place["ImageID"]])
    cohort = read_collection("padchest", tmp_path)
    assert [study.image.name for study in cohort.studies] == [line[place["ImageID"]] for line in frontal[:3]]
    first = cohort.studies[0]
    assert (first.report.language, first.report.text) == ("es", "sin hallazg patolog edad pacient .")
    assert (first.patient_id, first.modality) == ("839860488694292331637988235681460987", Modality.DX)
    assert len(cohort.studies) + len(cohort.skipped) == 40
    assert reasons(cohort)["no image"] == len(frontal) - 3


# -- OpenI ------------------------------------------------------------------------------------------------------------

OPENI_XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><uId id="CXR{n}"/><MedlineCitation><Article><Abstract>
<AbstractText Label="COMPARISON">None.</AbstractText><AbstractText Label="INDICATION">Cough</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText><AbstractText Label="IMPRESSION">{impression}</AbstractText>
</Abstract></Article></MedlineCitation>{images}</eCitation>"""


def openi_xml(number: int, findings: str, impression: str, *images: str) -> str:
    shown = "".join(f'<parentImage id="{name}"><figureId>F1</figureId></parentImage>' for name in images)
    return OPENI_XML.format(n=number, findings=findings, impression=impression, images=shown)


def test_openi_as_the_library_gives_it(tmp_path: Path) -> None:
    put(tmp_path / "ecgen-radiology/1.xml", openi_xml(1, "Clear XXXX.", "Normal.", "CXR1_1_IM-1", "CXR1_1_IM-2"))
    put(tmp_path / "ecgen-radiology/2.xml", openi_xml(2, "", "", "CXR2_IM-1"))
    put(tmp_path / "ecgen-radiology/3.xml", openi_xml(3, "Clear.", "Normal."))
    put(tmp_path / "ecgen-radiology/4.xml", "<eCitation><broken>")
    put(tmp_path / "ecgen-radiology/5.xml", '<!DOCTYPE a [<!ENTITY b "c">]><eCitation>&b;</eCitation>')
    put(tmp_path / "ecgen-radiology/6.xml", openi_xml(6, "Clear.", "Normal.", "../../secret"))
    put(tmp_path / "ecgen-radiology/7.xml", openi_xml(7, "Clear.", "Normal.", "CXR7_IM-1"))
    for name in ("CXR1_1_IM-1", "CXR1_1_IM-2", "CXR2_IM-1"):
        put(tmp_path / "NLMCXR_png" / f"{name}.png")
    put(tmp_path.parent / "secret.png")
    cohort = read_collection("openi", tmp_path)
    assert [study.study_id for study in cohort.studies] == ["CXR1_1_IM-1", "CXR1_1_IM-2"]
    assert {study.patient_id for study in cohort.studies} == {"CXR1"}
    assert training_text(cohort.studies[0].report) == "Clear. Normal."
    found = reasons(cohort)
    assert (found["no image"], found["empty report"]) == (3, 1)
    assert sum(count for reason, count in found.items() if reason.startswith("unreadable report")) == 2


def test_openi_as_kaggle_gives_it(tmp_path: Path) -> None:
    put(
        tmp_path / "indiana_reports.csv",
        "uid,MeSH,Problems,image,indication,comparison,findings,impression\n"
        '1,normal,normal,Xray Chest PA and Lateral,Cough,None.,"Clear, both.",Normal.\n2,a,a,b,,,,\n',
    )
    put(
        tmp_path / "indiana_projections.csv",
        "uid,filename,projection\n1,1_IM-0001-4001.dcm.png,Frontal\n1,1_IM-0001-3001.dcm.png,Lateral\n2,2_IM.dcm.png,Frontal\n",
    )
    for name in ("1_IM-0001-4001", "1_IM-0001-3001", "2_IM"):
        put(tmp_path / "images/images_normalized" / f"{name}.dcm.png")
    cohort = read_collection("openi", tmp_path)
    (study,) = cohort.studies
    assert (study.patient_id, training_text(study.report)) == ("CXR1", "Clear, both. Normal.")
    assert reasons(cohort) == {"projection Lateral: not frontal": 1, "empty report": 1}


# -- RSNA -------------------------------------------------------------------------------------------------------------


def test_rsna_pneumonia(tmp_path: Path) -> None:
    put(
        tmp_path / "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target\n0004,,,,,0\n0043,264.0,152.0,213.0,379.0,1\n0043,562.0,152.0,256.0,453.0,1\n"
        "0031,,,,,0\nabsent,,,,,0\n",
    )
    put(
        tmp_path / "stage_2_detailed_class_info.csv",
        "patientId,class\n0004,Normal\n0043,Lung Opacity\n0043,Lung Opacity\n0031,No Lung Opacity / Not Normal\n",
    )
    for name in ("0004", "0043", "0031"):
        put(tmp_path / "stage_2_train_images" / f"{name}.dcm")
    cohort = read_collection("rsna-pneumonia", tmp_path)
    found = {study.study_id: study for study in cohort.studies}
    assert found["0043"].masks == {
        "pneumonia": Mask(boxes=((264.0, 152.0, 213.0, 379.0), (562.0, 152.0, 256.0, 453.0)))
    }
    assert {name: study.labels["pneumonia"] for name, study in found.items()} == {
        "0004": False,
        "0043": True,
        "0031": False,
    }
    assert {name: study.labels["normal"] for name, study in found.items()} == {
        "0004": True,
        "0043": False,
        "0031": False,
    }
    assert set(find_task("rsna_pneumonia").classes) | set(find_task("rsna_segmentation").classes) <= set(
        found["0004"].labels
    )
    assert reasons(cohort) == {"no image": 1}


# -- COVIDx -----------------------------------------------------------------------------------------------------------


def test_covidx(tmp_path: Path) -> None:
    put(
        tmp_path / "train_COVIDx9A.txt",
        "1 a.png pneumonia cohen\n1 b.png normal rsna\n2 c.png COVID-19 stonybrook\n9 gone.png normal rsna\n"
        "7 d.png COVID-19 ricord\n",
    )
    put(tmp_path / "test_COVIDx9A.txt", "7 e.png COVID-19 ricord\n")
    for name in ("train/a", "train/b", "train/c", "train/d", "test/e"):
        put(tmp_path / f"{name}.png")
    cohort = read_collection("covidx", tmp_path)
    assert [study.patient_id for study in cohort.studies] == ["cohen-1", "rsna-1", "stonybrook-2", "ricord-7"]
    assert [next(name for name, value in study.labels.items() if value) for study in cohort.studies] == [
        *("pneumonia", "normal", "covid_19", "covid_19")
    ]
    assert set(find_task("covidx").classes) == set(cohort.studies[0].labels)
    assert reasons(cohort) == {"no image": 1, "its patient is in the test split": 1}
    put(tmp_path / "test_COVIDx9A.txt", "7 e.png positive ricord\n")
    with pytest.raises(FolderError, match="those of the label files V9A"):
        read_collection("covidx", tmp_path)


# -- all --------------------------------------------------------------------------------------------------------------


def test_every_collection_has_a_page_and_another_s_folder_is_refused(tmp_path: Path) -> None:
    pages = Path(__file__).parents[2] / "docs" / "collections"
    put(tmp_path / "something.txt")
    for collection in COLLECTIONS:
        assert f"unimedi cohort {collection.name} " in (pages / f"{collection.name}.md").read_text(encoding="utf-8")
        with pytest.raises(FolderError):
            read_collection(collection.name, tmp_path)
    with pytest.raises(FolderError, match="unknown collection 'mimic'"):
        read_collection("mimic", tmp_path)
