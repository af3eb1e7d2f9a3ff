"""`unimedi doctor` on a phantom hospital's manifest and store: sound, with copies across splits, against another."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cohort.dicom_files import put_ct, put_xray
from unimedi.cli import main
from unimedi.cohort.manifest import read_manifest, write_manifest
from unimedi.cohort.sources.phantom import phantom_cohort
from unimedi.inputs.prepare import prepare
from unimedi.inputs.preprocess import Preprocess
from unimedi.phantom.hospital import build_hospital


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor") / "hospital"
    build_hospital(folder, "micro", seed=0, workers=1)
    write_manifest(phantom_cohort(folder), folder / "cohort.csv")
    return folder


def doctor(cohort: Path, page: Path, *words: object) -> tuple[int, dict[str, object], str]:
    code = main(["doctor", str(cohort), "--out", str(page), "--workers", "0", *map(str, words)])
    return code, json.loads(page.with_suffix(".json").read_text("utf-8")), page.read_text("utf-8")


def changed(hospital: Path, name: str, change: dict[str, dict[str, str]]) -> Path:
    """The hospital's manifest under another name with some cells changed."""
    with (hospital / "cohort.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update(change.get(row["study_id"], {}))
    with (hospital / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return hospital / name


def test_a_sound_hospital(hospital: Path, tmp_path: Path) -> None:
    code, figures, page = doctor(hospital / "cohort.csv", tmp_path / "page.html")
    studies = read_manifest(hospital / "cohort.csv")
    assert code == 0
    assert figures["listed"] == figures["read"] == len(studies)
    counts = figures["by_modality_and_split"]
    assert isinstance(counts, dict)
    assert sum(sum(row.values()) for row in counts.values()) == len(studies)
    assert figures["corrupted"] == 0
    assert figures["leaks_between_splits"] == []
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)|url\(|https?:""", page)  # nothing outside itself
    assert page.count("data:image/png;base64,") >= 2


def test_what_cannot_be_read_is_refused_and_counted(hospital: Path, tmp_path: Path) -> None:
    studies = read_manifest(hospital / "cohort.csv")
    (hospital / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbut no more")
    xray = next(study.study_id for study in studies if study.modality.ndim == 2)
    path = changed(hospital, "broken.csv", {xray: {"image": "broken.png"}})
    code, figures, page = doctor(path, tmp_path / "page.html", "--workers", 1)  # the last one counts
    assert code == 0
    assert figures["refused"] == {"unreadable": 1}
    assert figures["read"] == len(studies) - 1
    assert xray in page


def test_a_copy_in_another_split_is_an_error_with_the_list(
    hospital: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studies = [study for study in read_manifest(hospital / "cohort.csv") if study.modality.ndim == 3]
    train = next(study for study in studies if study.split == "train")
    test = next(study for study in studies if study.split == "test")
    copy = hospital / f"copy{''.join(train.image.suffixes)}"
    shutil.copytree(train.image, copy) if train.image.is_dir() else shutil.copy(train.image, copy)
    path = changed(hospital, "leaking.csv", {test.study_id: {"image": copy.name, **without_masks(hospital)}})
    code, figures, page = doctor(path, tmp_path / "page.html")
    assert code == 2
    said = f"train/{train.study_id} and test/{test.study_id}: the same file"
    assert said in capsys.readouterr().err
    assert said in page
    assert figures["duplicates"]["identical_images"] == 1  # type: ignore[index]


def test_a_store_against_a_manifest(hospital: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    studies = read_manifest(hospital / "cohort.csv")
    store = tmp_path / "store"
    prepare([s for s in studies if s.split == "train"], store, Preprocess(), workers=0)
    write_manifest([s for s in studies if s.split == "test"], hospital / "held_out.csv")
    code, figures, page = doctor(store, tmp_path / "page.html", "--leakage", hospital / "held_out.csv")
    assert code == 0
    assert figures["source"] == "store"
    assert figures["leaks_between_cohorts"] == []
    assert "A store keeps no files" in page
    code, figures, _ = doctor(store, tmp_path / "page.html", "--leakage", hospital / "cohort.csv")
    assert code == 2
    assert "the same study" in capsys.readouterr().err


def without_masks(hospital: Path) -> dict[str, str]:
    with (hospital / "cohort.csv").open(newline="", encoding="utf-8") as file:
        return {column: "" for column in next(csv.reader(file)) if column.startswith("mask:")}


def test_one_patient_by_the_headers_in_two_splits_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A manifest by dates: its own patients are apart, those of the files are not."""
    rows = []
    for k, (patient, split) in enumerate((("P 1", "train"), ("p  1 ", "test"), ("ANON", "train"), ("ANON", "test"))):
        put_xray(tmp_path / f"day{k}" / "x.dcm", PatientID=patient, ViewPosition="LL" if k == 3 else "PA")
        rows.append(f"s{k},day{k},DX,{split},day{k}/x.dcm,Effusion {k}.")
    put_ct(tmp_path / "day4", PatientID="P2")
    put_ct(tmp_path / "day5", PatientID="P3")
    rows += ["s4,day4,CT,train,day4,Nodule.", "s5,day4,CT,train,day5,Nodules."]
    lines = ["study_id,patient_id,modality,split,image,report", *rows]
    (tmp_path / "cohort.csv").write_text("\n".join(lines) + "\n")
    code, figures, page = doctor(tmp_path / "cohort.csv", tmp_path / "page.html")
    assert code == 2
    said = "train/s0 and test/s1: the same PatientID p1 in their files"
    assert said in capsys.readouterr().err
    assert said in page
    assert (
        "1 PatientIDs in the files belong to several patients of the manifest, 1 patients have files with several"
        in page
    )
    assert figures["patients_by_header"] == {
        "stated": 4,
        "id_of_several_patients": {"p1": ["day0", "day1"]},
        "patient_of_several_ids": {"day4": ["p2", "p3"]},
    }
    assert figures["signs"]["not_frontal"] == 1  # type: ignore[index]
    assert "the header says a lateral or another view" in page


def test_ids_that_name_nobody_are_told(hospital: Path, tmp_path: Path) -> None:
    train = [study for study in read_manifest(hospital / "cohort.csv") if study.split == "train"]
    cells = {study.study_id: {"patient_id": "nan"} for study in train}
    _, figures, page = doctor(changed(hospital, "nan.csv", cells), tmp_path / "nan.html")
    (sentence, *_) = figures["doubtful_patients"]  # type: ignore[misc]
    assert f"&#39;nan&#39; ({len(train)} studies)" in page
    assert f"'nan' ({len(train)} studies)" in sentence
