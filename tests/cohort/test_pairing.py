"""Which text is the report of which image: by name, alone, or in a folder beside; never a guess."""

from pathlib import Path

import pytest

from tests.cohort.dicom_files import put_ct, put_xray
from tests.cohort.trees import put
from unimedi.cohort.sources.own_files.folder import scan_folder
from unimedi.cohort.sources.source_cohort import NoStudyError, SourceCohort


def tree(root: Path, *names: str) -> SourceCohort:
    """The cohort of these files; a text says its own name."""
    for name in names:
        put(root / name, f"Effusion in {name}.")
    try:
        return scan_folder(root)
    except NoStudyError as error:
        return error.cohort


def reports(cohort: SourceCohort) -> dict[str, str]:
    """The text's name by the image's."""
    return {
        str(study.image.relative_to(cohort.root)): study.report.text.removeprefix("Effusion in ").removesuffix(".")
        for study in cohort.studies
    }


def left(cohort: SourceCohort) -> dict[str, str]:
    return {skipped.what: skipped.reason for skipped in cohort.skipped}


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("IMG1.PNG", "IMG1.TXT"), ("img1.JPG", "IMG1.txt"), ("a.Nii.Gz", "A.Txt"), ("x.png", "x.html"),
        ("x.png", "X.HTM"), ("x.tif", "x.rtf"), ("a.png", "a.png.txt"), ("M\u00fcller.png", "Mu\u0308ller.txt"),
        ("a b.png", "A B.txt"),
    ],
)  # fmt: skip
def test_texts_of_an_image_s_name(tmp_path: Path, image: str, text: str) -> None:
    cohort = tree(tmp_path, f"p1/{image}", f"p1/{text}", "p1/other.png", "p1/other.txt")
    assert reports(cohort)[f"p1/{image}"] == f"p1/{text}"
    assert not cohort.skipped


def test_capitals_count_where_nothing_else_differs(tmp_path: Path) -> None:
    cohort = tree(tmp_path, "p/a.png", "p/A.png", "p/a.txt", "p/A.txt", "q/b.png", "q/B.png", "q/b.txt")
    assert reports(cohort) == {"p/a.png": "p/a.txt", "p/A.png": "p/A.txt", "q/b.png": "q/b.txt"}
    assert left(cohort) == {"q/B.png": "no report"}


def test_several_texts_of_one_name_are_listed(tmp_path: Path) -> None:
    cohort = tree(tmp_path, "p/a.png", "p/a.txt", "p/a.html", "p/b.png", "p/b.txt")
    assert reports(cohort) == {"p/b.png": "p/b.txt"}
    assert left(cohort) == {
        "p/a.png": "several texts of its name: a.html, a.txt",
        "p/a.html": "not clear of which image",
        "p/a.txt": "not clear of which image",
    }


def test_a_lone_text_is_the_report_of_a_lone_image(tmp_path: Path) -> None:
    names = ("p1/x.png", "p1/befund.txt", *(f"set/{k}.png" for k in range(5)), "set/notes.txt", "p2/x.png")
    others = ("p2/README.txt", "p2/Dataset_description.txt", "p3/x.png", "p3/License.txt", "p3/befund.txt")
    cohort = tree(tmp_path, *names, *others)
    assert reports(cohort) == {"p1/x.png": "p1/befund.txt", "p3/x.png": "p3/befund.txt"}
    assert left(cohort) == {
        **{f"set/{k}.png": "no report" for k in range(5)},
        "set/notes.txt": "not clear of which image",
        "p2/x.png": "no report",
        "p2/README.txt": "no report by its name",
        "p2/Dataset_description.txt": "no report by its name",
        "p3/License.txt": "no report by its name",
    }


def test_one_text_is_the_report_of_the_images_of_one_examination(tmp_path: Path) -> None:
    for name, study in (("p1/a.dcm", "1.2.1"), ("p1/b.dcm", "1.2.1"), ("p2/a.dcm", "1.2.2"), ("p2/b.dcm", "1.2.3")):
        put_xray(tmp_path / name, StudyInstanceUID=study, PatientID="P")
    put_ct(tmp_path / "p3" / "thin", StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.4.1")
    put_ct(tmp_path / "p3" / "thick", StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.4.2")
    cohort = tree(tmp_path, "p1/report.txt", "p2/report.txt", "p3/report.txt")
    assert reports(cohort) == {
        "p1/a.dcm": "p1/report.txt", "p1/b.dcm": "p1/report.txt",
        "p3/thick": "p3/report.txt", "p3/thin": "p3/report.txt",
    }  # fmt: skip
    assert left(cohort)["p2/a.dcm"] == "no report"


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("images/0.png", "reports/0.txt"),
        ("images/a/b.png", "reports/a/b.txt"),
        ("CT/p1/scan.nii.gz", "txt/p1/SCAN.TXT"),
        ("Bilder/Müller 1.png", "Befunde/Müller 1.txt"),
        ("hospital/images/0.png", "hospital/reports/0.txt"),
        ("images/p1/x.png", "reports/p1.txt"),
        ("images/p1/x.png", "reports/p1/report.txt"),
        ("images/p1.png", "reports/p1/report.txt"),
        ("p1/img/x.png", "p1/txt/x.txt"),
    ],
)
def test_a_report_in_a_folder_beside(tmp_path: Path, image: str, text: str) -> None:
    cohort = tree(tmp_path, image, text)
    assert reports(cohort) == {image: text}
    assert not cohort.skipped
    assert [one.what for one in cohort.told] == [image, text]
    assert "1 images have their report in a folder beside" in "\n".join(cohort.notes)


def test_a_series_and_its_report_in_folders_beside(tmp_path: Path) -> None:
    put_ct(tmp_path / "dicom" / "p1" / "ct")
    put_ct(tmp_path / "dicom" / "p2", StudyInstanceUID="1.2.4")
    cohort = tree(tmp_path, "reports/p1/ct.txt", "reports/p2.txt")
    assert reports(cohort) == {"dicom/p1/ct": "reports/p1/ct.txt", "dicom/p2": "reports/p2.txt"}


def test_two_trees_of_any_names_want_two_pairs(tmp_path: Path) -> None:
    names = [f"alpha/{k}.png" for k in range(3)] + [f"omega/{k}.txt" for k in range(1, 4)]
    cohort = tree(tmp_path / "many", *names)
    assert reports(cohort) == {"alpha/1.png": "omega/1.txt", "alpha/2.png": "omega/2.txt"}
    assert left(cohort) == {"alpha/0.png": "no report", "omega/3.txt": "no image"}


def test_patients_of_equal_file_names_are_not_two_trees(tmp_path: Path) -> None:
    cohort = tree(tmp_path, "p1/1.png", "p2/1.txt", "p3/2.png", "p3/2.txt")
    assert reports(cohort) == {"p3/2.png": "p3/2.txt"}
    assert left(cohort)["p1/1.png"] == "no report beside it; p2/1.txt has its name, but may be of another patient"
    assert left(cohort)["p2/1.txt"] == "no image"


def test_ambiguous_names_of_trees_are_listed(tmp_path: Path) -> None:
    names = ("CT/1.nii", "XR/1.png", "CT/2.nii", "reports/1.txt", "reports/2.txt", "english/3.txt", "reports/3.txt")
    cohort = tree(tmp_path, *names, "CT/3.nii")
    assert reports(cohort) == {"CT/2.nii": "reports/2.txt"}
    assert left(cohort) == {
        "CT/1.nii": "its text reports/1.txt could be of 2 images",
        "XR/1.png": "its text reports/1.txt could be of 2 images",
        "CT/3.nii": "several texts of its name: 3.txt, 3.txt",
        **dict.fromkeys(("english/3.txt", "reports/1.txt", "reports/3.txt"), "not clear of which image"),
    }


def test_a_text_of_an_image_that_is_left_out_is_nobody_else_s(tmp_path: Path) -> None:
    names = ("p1/a.png", "p1/lateral.png", "p1/lateral.txt", "p3/c.png", "p3/side_lat.png", "p3/report.txt")
    cohort = tree(tmp_path, *names)
    assert reports(cohort) == {"p3/c.png": "p3/report.txt"}
    assert left(cohort) == {
        "p1/a.png": "no report",
        "p1/lateral.png": "not frontal by its name: lateral",
        "p1/lateral.txt": "the file of its name is left out",
        "p3/side_lat.png": "not frontal by its name: side lat",
    }
