"""X-ray collections as they are unpacked: the same paths and columns with a few rows, and the quirks that each has."""

import csv
import datetime
import gzip
from pathlib import Path

import pytest

from tests.cohort.trees import put, reasons, shipped
from unimedi.cohort.reports.report import training_text
from unimedi.cohort.sources.collections.catalogue import read_collection
from unimedi.cohort.sources.source_cohort import SourceError
from unimedi.cohort.study import Mask, Modality, Split
from unimedi.evaluation.task_file import find_task

# -- MIMIC-CXR --------------------------------------------------------------------------------------------------------

MIMIC_REPORT = (
    "                                 FINAL REPORT\n INDICATION: ___ with cough.\n\n FINDINGS: {}\n\n "
    "IMPRESSION: Done.\n"
)
METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)
LABELS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,"
    "No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
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
    split, metadata = ["dicom_id,study_id,subject_id,split"], [METADATA]
    for name, study, view in images:
        subject, part = STUDIES[study]
        split.append(f"{name},{study},{subject},{part}")
        metadata.append(f"{name},{subject},{study},CHEST (PA AND LAT),{view},3056,2544,21800506,213014.531,,,Erect")
        if name != "c2":
            put(root / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}" / f"{name}{suffix}")
    put(root / "mimic-cxr-2.0.0-split.csv.gz", "\n".join(split) + "\n")
    put(root / "mimic-cxr-2.0.0-metadata.csv.gz", "\n".join(metadata) + "\n")
    labels = [f"subject_id,study_id,{LABELS}", "10000032,50414267,1.0,,,,,,,,,-1.0,,,,", "11941242,50000014" + "," * 14]
    put(root / "mimic-cxr-2.0.0-chexpert.csv.gz", "\n".join(labels) + "\n")
    for study in ("50414267", "50000014"):
        subject = STUDIES[study][0]
        text = MIMIC_REPORT.format("Old.") + MIMIC_REPORT.format(f"Seen in {study}.")
        put(root / reports / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}.txt", text)
    return root


@pytest.mark.parametrize(("name", "suffix"), [("mimic-cxr-jpg", ".jpg"), ("mimic-cxr", ".dcm")])
@pytest.mark.parametrize("reports", ["", "mimic-cxr-reports"])
def test_mimic_cxr(tmp_path: Path, name: str, suffix: str, reports: str) -> None:
    put(mimic(tmp_path, suffix, reports) / "files/p12/p12000000/s1" / f"stray{suffix}")
    cohort = read_collection(name, tmp_path)
    assert [study.study_id for study in cohort.studies] == ["s50414267-a1", "s50000014-c1"]
    first, second = cohort.studies
    assert first.image == tmp_path / "files/p10/p10000032/s50414267" / f"a1{suffix}"
    assert (first.patient_id, first.split, first.modality) == ("10000032", Split.TRAIN, Modality.DX)
    assert training_text(first.report) == "Done. Seen in 50414267."  # the last section of a name
    assert {name: value for name, value in first.labels.items() if value is not None} == {"atelectasis": True}
    assert len(first.labels) == 14
    assert second.split == Split.TEST
    assert first.date == second.date == datetime.date(2180, 5, 6)
    assert reasons(cohort) == {
        "view LATERAL: not frontal": 1,
        "view not stated: not frontal": 1,
        "no report": 1,
        "no image": 1,
        "listed in no table": 1,
    }


def test_a_table_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    root = mimic(tmp_path / "mimic", ".jpg")
    put(tmp_path / "secret.jpg")
    line = f"../../../../../secret,10000032,50414267{',' * 9}".replace(",50414267,,", ",50414267,,PA,")
    put(root / "mimic-cxr-2.0.0-metadata.csv.gz", f"{METADATA}\n{line}\na1,10000032,50414267,,PA{',' * 7}\n")
    cohort = read_collection("mimic-cxr-jpg", root)
    assert [study.image.name for study in cohort.studies] == ["a1.jpg"]
    assert reasons(cohort)["in no split"] == 1
    split = root / "mimic-cxr-2.0.0-split.csv.gz"
    put(split, gzip.decompress(split.read_bytes()).decode() + "../../../../../secret,50414267,10000032,train\n")
    assert reasons(read_collection("mimic-cxr-jpg", root))["image outside the root"] == 1


def test_mimic_cxr_without_its_tables_says_which(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no mimic-cxr-2\.0\.0-split\.csv"):
        read_collection("mimic-cxr-jpg", put(tmp_path / "files" / "x").parents[1])
    with pytest.raises(SourceError, match="no such folder"):
        read_collection("mimic-cxr-jpg", tmp_path / "nowhere")


# -- PadChest ---------------------------------------------------------------------------------------------------------


def test_padchest_by_rows_of_the_real_table(tmp_path: Path) -> None:
    """The first 40 rows as they are published, three images of which were downloaded."""
    table = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
    with gzip.open(shipped(f"{table}.gz"), "rt", encoding="utf-8") as file:
        lines = list(csv.reader(file))[:41]
    with (tmp_path / table).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    place = {name: column for column, name in enumerate(lines[0])}
    nameless = ["" if column == place["ImageID"] else cell for column, cell in enumerate(lines[1])]
    with (tmp_path / table).open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(nameless)  # not the folder of all images
    frontal = [line for line in (*lines[1:], nameless) if line[place["Projection"]] in ("PA", "AP", "AP_horizontal")]
    for line in frontal[:2]:
        put(tmp_path / line[place["ImageDir"]] / line[place["ImageID"]])
    put(tmp_path / "images" / frontal[2][place["ImageID"]])
    put(tmp_path / "13" / "stray.png")
    cohort = read_collection("padchest", tmp_path)
    assert [study.image.name for study in cohort.studies] == [line[place["ImageID"]] for line in frontal[:3]]
    first = cohort.studies[0]
    assert (first.report.language, first.report.text) == ("es", "sin hallazg patolog edad pacient .")
    assert (first.patient_id, first.modality) == ("839860488694292331637988235681460987", Modality.DX)
    day = frontal[0][place["StudyDate_DICOM"]]
    assert first.date == datetime.date(int(day[:4]), int(day[4:6]), int(day[6:]))
    assert len(cohort.studies) + len(cohort.skipped) == 40 + 1 + 1
    assert reasons(cohort)["listed in no table"] == 1
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
    bomb = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><eCitation>&b;</eCitation>'
    (tmp_path / "ecgen-radiology/8.xml").write_bytes(bomb.encode("utf-16"))
    for name in ("CXR1_1_IM-1", "CXR1_1_IM-2", "CXR2_IM-1", "CXR9_IM-1"):
        put(tmp_path / "NLMCXR_png" / f"{name}.png")
    put(tmp_path.parent / "secret.png")
    cohort = read_collection("openi", tmp_path)
    assert [study.study_id for study in cohort.studies] == ["CXR1_1_IM-1", "CXR1_1_IM-2"]
    assert {study.patient_id for study in cohort.studies} == {"CXR1"}
    assert training_text(cohort.studies[0].report) == "Normal. Clear."
    found = reasons(cohort)
    assert (found["no image"], found["empty report"], found["image outside the root"]) == (2, 1, 1)
    assert sum(count for reason, count in found.items() if reason.startswith("unreadable report")) == 3
    assert found["unreadable report: declares a document type, which no report of the collection does"] == 2
    assert found["listed in no table"] == 1


def test_openi_as_kaggle_gives_it(tmp_path: Path) -> None:
    put(
        tmp_path / "indiana_reports.csv",
        "uid,MeSH,Problems,image,indication,comparison,findings,impression\n"
        '1,normal,normal,Xray Chest PA and Lateral,Cough,None.,"Clear, both.",Normal.\n2,a,a,b,,,,\n',
    )
    put(
        tmp_path / "indiana_projections.csv",
        "uid,filename,projection\n1,1_IM-0001-4001.dcm.png,Frontal\n1,1_IM-0001-3001.dcm.png,Lateral\n2,2_IM.dcm.png,Frontal\n"
        "1,,Frontal\n",  # no name: not the folder of all images
    )
    for name in ("1_IM-0001-4001", "1_IM-0001-3001", "2_IM"):
        put(tmp_path / "images/images_normalized" / f"{name}.dcm.png")
    cohort = read_collection("openi", tmp_path)
    (study,) = cohort.studies
    assert (study.patient_id, training_text(study.report)) == ("CXR1", "Normal. Clear, both.")
    assert reasons(cohort) == {"projection Lateral: not frontal": 1, "empty report": 1, "no image": 1}


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
    put(tmp_path / "stage_2_test_images/0001.dcm")
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
    assert reasons(cohort) == {"no image": 1, "listed in no table": 1}
    put(tmp_path / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target\n0043,264.0,152.0,,,1\n")
    with pytest.raises(SourceError, match="patient 0043: Target is 1, expected four numbers in pixels"):
        read_collection("rsna-pneumonia", tmp_path)


# -- COVIDx -----------------------------------------------------------------------------------------------------------


COVIDX = """3 SARS-10.1148rg.242035193-g04mr34g0-Fig8a-day0.jpeg pneumonia cohen
3 49faa8ac-f8a5-4a08-8f5d-cc4ad7d2a9f6.png normal rsna
COVID_408 COVID(408).png COVID-19 sirm
9 gone.png normal rsna
419639-001464 MIDRC-RICORD-1C-419639-001464-39871-0.png COVID-19 ricord
"""


def test_covidx(tmp_path: Path) -> None:
    put(tmp_path / "train_COVIDx9A.txt", COVIDX)
    test = put(
        tmp_path / "test_COVIDx9A.txt", "419639-001464 MIDRC-RICORD-1C-419639-001464-33260-0.png COVID-19 ricord\n"
    )
    for line in COVIDX.splitlines():
        if "gone" not in line:
            put(tmp_path / "train" / line.split()[1])
    put(tmp_path / "test/MIDRC-RICORD-1C-419639-001464-33260-0.png")
    put(tmp_path / "test/stray.jpg")
    cohort = read_collection("covidx", tmp_path)
    # Named as the other collections name them, but where each source numbers its patients anew.
    assert [study.patient_id for study in cohort.studies] == ["cohen-3", "3", "sirm-COVID_408", "419639-001464"]
    assert [next(name for name, value in study.labels.items() if value) for study in cohort.studies] == [
        *("pneumonia", "normal", "covid_19", "covid_19")
    ]
    assert set(find_task("covidx").classes) == set(cohort.studies[0].labels)
    assert reasons(cohort) == {"no image": 1, "its patient is in the test split": 1, "listed in no table": 1}
    put(test, "7 e.png positive ricord\n")
    with pytest.raises(SourceError, match="those of the label files V9A"):
        read_collection("covidx", tmp_path)
