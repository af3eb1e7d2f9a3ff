"""Whose an image is: what the files, the folders and the names say, and what is told of it."""

from collections import defaultdict
from pathlib import Path

from tests.cohort.dicom_files import put_ct, put_xray
from tests.cohort.trees import put
from unimedi.cohort.sources.own_files.dicom_tree import dicom_tree
from unimedi.cohort.sources.own_files.folder import scan_folder
from unimedi.cohort.sources.own_files.patients import is_placeholder
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.sources.summary import summary


def xray(root: Path, name: str, patient: str) -> None:
    put(put_xray(root / name, PatientID=patient).with_suffix(".txt"), f"Effusion in {name}.")


def picture(root: Path, name: str) -> None:
    put(root / name)
    put((root / name).with_suffix(".txt"), f"Effusion in {name}.")


def patients(cohort: SourceCohort) -> dict[str, str]:
    return {str(study.image.relative_to(cohort.root)): study.patient_id for study in cohort.studies}


def told(cohort: SourceCohort) -> str:
    return "\n".join(cohort.notes)


def test_the_file_s_patient_goes_before_the_folder_s_name(tmp_path: Path) -> None:
    for k in range(30):
        xray(tmp_path, f"2024-01-{k + 1:02d}/x.dcm", f"P{k // 2}")
    cohort = scan_folder(tmp_path)
    assert patients(cohort) == {f"2024-01-{k + 1:02d}/x.dcm": f"P{k // 2}" for k in range(30)}
    splits = defaultdict(set)
    for study in cohort.studies:
        splits[study.patient_id].add(study.split)
    assert all(len(some) == 1 for some in splits.values())
    assert "30 by PatientID" in told(cohort)


def test_a_folder_of_slices_has_the_patient_of_its_files(tmp_path: Path) -> None:
    for day in ("monday", "tuesday"):
        put_ct(tmp_path / day / "ct", PatientID="P1")
        put(tmp_path / day / "ct.txt", "Nodule.")
    assert set(patients(scan_folder(tmp_path)).values()) == {"P1"}


def test_spellings_of_one_id_are_in_one_split(tmp_path: Path) -> None:
    for name, patient in (("a", "ab 1"), ("b", "AB 1"), ("c", " AB  1 "), ("d", "AB 2")):
        xray(tmp_path, f"{name}/x.dcm", patient)
    cohort = scan_folder(tmp_path)
    assert list(patients(cohort).values()) == ["ab 1", "AB 1", "AB 1", "AB 2"]
    assert len({study.split for study in cohort.studies if study.patient_id != "AB 2"}) == 1
    assert "look like one patient: 'AB 1' and 'ab 1'" in summary(cohort)
    rows = "key,report\n" + "".join(f"{s.StudyInstanceUID},Clear.\n" for s in _headers(tmp_path))
    put(tmp_path / "t.csv", rows)
    tree = dicom_tree(tmp_path, tmp_path / "t.csv")
    assert sorted(patients(tree).values()) == ["AB 1", "AB 1", "AB 2", "ab 1"]
    assert len({study.split for study in tree.studies if study.patient_id != "AB 2"}) == 1


def test_an_image_without_an_id_belongs_to_the_only_patient_of_its_folder(tmp_path: Path) -> None:
    xray(tmp_path, "one/x.dcm", "P1")
    picture(tmp_path, "one/y.png")
    xray(tmp_path, "one/blank.dcm", "")
    for name, patient in (("x", "P2"), ("y", "P3")):
        xray(tmp_path, f"two/{name}.dcm", patient)
    picture(tmp_path, "two/z.png")
    cohort = scan_folder(tmp_path)
    assert patients(cohort) == {
        "one/blank.dcm": "P1", "one/x.dcm": "P1", "one/y.png": "P1",
        "two/x.dcm": "P2", "two/y.dcm": "P3", "two/z.png": "two",
    }  # fmt: skip
    assert "1 studies without a PatientID lie in folders of several patients" in told(cohort)


def test_an_id_that_names_nobody_is_no_patient(tmp_path: Path) -> None:
    for k, patient in enumerate(("ANONYMOUS", "anon", "0", "000", "", "Unknown")):
        xray(tmp_path, f"p{k}/x.dcm", patient)
    cohort = scan_folder(tmp_path)
    assert patients(cohort) == {f"p{k}/x.dcm": f"p{k}" for k in range(6)}
    assert "PatientIDs that name nobody, in 6 studies" in told(cohort)
    assert not any(map(is_placeholder, ("P0", "10", "anon-17", "test 4", "1")))


def test_folders_of_images_are_not_patients(tmp_path: Path) -> None:
    for k in range(40):
        picture(tmp_path, f"images/p{k}.png")
    cohort = scan_folder(tmp_path)
    assert set(patients(cohort).values()) == {f"p{k}" for k in range(40)}
    assert "40 images count as a patient each" in told(cohort)
    assert len({study.split for study in cohort.studies}) > 1


def test_days_are_no_patients(tmp_path: Path) -> None:
    for name in ("2024-01-31/P7/x.png", "20240201/P7/x.png", "3.2.2024/P7/x.png", "2024-02/y.png", "2024123/z.png"):
        picture(tmp_path, name)
    found = patients(scan_folder(tmp_path))
    assert sorted(found.values()) == ["2024123", "P7", "P7", "P7", "y"]


def test_years_are_no_patients_where_all_folders_are_years(tmp_path: Path) -> None:
    for name in ("2023/P7/x.png", "2024/01/P7/x.png", "2024/02/y.png"):
        picture(tmp_path, name)
    assert sorted(patients(scan_folder(tmp_path)).values()) == ["P7", "P7", "y"]
    picture(tmp_path, "2100/z.png")  # of patients by number, that has lately come to 2023
    assert sorted(patients(scan_folder(tmp_path)).values()) == ["2023", "2024", "2024", "2100"]


def test_the_same_name_in_two_folders_of_images_is_one_patient(tmp_path: Path) -> None:
    for name in ("CT/p1.nii", "CXR/p1.png", "train/NORMAL/p2/x.png", "test/p2/y.png"):
        picture(tmp_path, name)
    cohort = scan_folder(tmp_path)
    assert sorted(patients(cohort).values()) == ["p1", "p1", "p2", "p2"]
    assert "the folders test, train are not taken for splits" in told(cohort)


def test_many_images_of_one_folder_are_asked_about(tmp_path: Path) -> None:
    for k in range(12):
        picture(tmp_path, f"batch/{k}.png")
    picture(tmp_path, "p2/x.png")
    assert "patient 'batch' has 12 of the 13 studies" in summary(scan_folder(tmp_path))


def test_a_table_without_patients_takes_them_from_the_files(tmp_path: Path) -> None:
    for k in range(4):
        put_xray(tmp_path / "all" / f"{k}.dcm", PatientID=f"P{k // 2}")
    rows = "".join(f"all/{k}.dcm,Effusion {k}.\n" for k in range(4))
    put(tmp_path / "t.csv", f"image,report\n{rows}")
    assert list(patients(scan_folder(tmp_path, table=tmp_path / "t.csv")).values()) == ["P0", "P0", "P1", "P1"]
    rows = "".join(f"all/{k}.dcm,Effusion {k}.,mine{k}\n" for k in range(4))
    put(tmp_path / "t.csv", f"image,report,patient_id\n{rows}")
    named = scan_folder(tmp_path, table=tmp_path / "t.csv")
    assert list(patients(named).values()) == ["mine0", "mine1", "mine2", "mine3"]  # the table's word; the doctor checks


def test_slices_of_several_patients_or_examinations_are_no_study(tmp_path: Path) -> None:
    for name, tags in (("who", {"PatientID": "P2"}), ("when", {"StudyInstanceUID": "1.2.99"})):
        put_ct(tmp_path / name, SeriesInstanceUID="1.2.7")
        for k, file in enumerate(sorted(put_ct(tmp_path / "other" / name, **tags).iterdir())):
            file.rename(tmp_path / name / f"more{k}")
        put(tmp_path / f"{name}.txt", "Nodule.")
    picture(tmp_path, "p/x.png")
    cohort = scan_folder(tmp_path)
    assert len(cohort.studies) == 1
    reasons = [skipped.reason for skipped in cohort.skipped]
    assert reasons.count("DICOM slices of several patients in one folder") == 10
    assert sum("several examinations in one folder" in reason for reason in reasons) == 10


def _headers(root: Path) -> list:
    import pydicom

    return [pydicom.dcmread(path) for path in sorted(root.rglob("*.dcm"))]
