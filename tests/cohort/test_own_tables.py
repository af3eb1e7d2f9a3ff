"""People's own tables beside their files: with the manifest's care, whatever program wrote them."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from unimedi.cli import main
from unimedi.cohort.column_names import given_names
from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.sources.own_files.folder import scan_folder
from unimedi.cohort.sources.own_files.table import report_table
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.study import Modality, Split

HEADER = ["image", "report", "patient_id", "split"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "Röntgen Süd"
    for name in ("a.png", "IMG.PNG", "p1/b.png", "p1/c.nii"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (root / "p1" / "c.txt").write_bytes("Kein Erguss, Größe normal.".encode("utf-16"))
    return root


def table(root: Path, *rows: Sequence[str], header: Sequence[str] = HEADER, separator: str = ",") -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([header, *rows])
    path = root.parent / "t.csv"
    path.write_bytes(text.getvalue().encode("cp1252"))
    return path


def left_out(cohort: SourceCohort) -> dict[str, str]:
    return {skipped.what: skipped.reason for skipped in cohort.skipped}


def test_a_table_of_excel_in_german(root: Path) -> None:
    rows = (
        ["a.png", "Großer Erguss; neu.", "0012", "Training"],
        ["img.png", "Kein Erguss, größer.", "P 9", "val"],
        ["p1\\b.png", "Über Nacht gebessert.", "P7", "TEST"],
    )
    cohort = scan_folder(root, table=table(root, *rows, separator=";"))
    assert [(study.report.text, study.patient_id, study.split) for study in cohort.studies] == [
        ("Großer Erguss; neu.", "0012", Split.TRAIN),
        ("Kein Erguss, größer.", "P 9", Split.VALIDATION),
        ("Über Nacht gebessert.", "P7", Split.TEST),
    ]
    assert [study.image for study in cohort.studies] == [root / "a.png", root / "IMG.PNG", root / "p1" / "b.png"]
    assert left_out(cohort) == {"p1/c.nii": "listed in no row of the table"}
    book = Workbook()
    for cells in (HEADER, *rows):
        book.worksheets[0].append(list(cells))
    book.save(root.parent / "t.xlsx")
    assert scan_folder(root, table=root.parent / "t.xlsx").studies == cohort.studies


def test_commas_without_quotes_are_refused_with_their_rows(root: Path, tmp_path: Path) -> None:
    """The second word would become the patient."""
    path = tmp_path / "t.csv"
    path.write_text("image,report,patient_id\na.png,Clear.,P1\np1/b.png,Effusion, right side, new,P7\n")
    with pytest.raises(SourceError, match="row 3: 5 values for 3 columns; put quotes around text that holds commas"):
        scan_folder(root, table=path)
    path.write_text('image,report\na.png,"Effusion\np1/b.png,Clear.\n')
    with pytest.raises(SourceError, match="row 2: a quote opens a text and never closes"):
        scan_folder(root, table=path)
    path.write_text("key,report\nA1,Effusion, right side\n")
    with pytest.raises(SourceError, match="row 2: 3 values for 2 columns"):
        report_table(path, {})


def test_words_that_could_mean_something_else_are_listed(root: Path) -> None:
    header = ["image", "report", "report_path", "split", "language", "modality"]
    rows = (
        ["a.png", "Clear.", "", "holdout", "", ""],
        ["a.png", "Clear.", "", "test", "German", ""],
        ["a.png", "Clear.", "", "test", "", "X-ray"],
        ["a.png", "Clear.", "p1/c.txt", "test", "", ""],
        ["a.png", "NA", "", "test", "", ""],
        ["C:\\data\\a.png", "Clear.", "", "test", "", ""],
        ["gs://bucket/a.png", "Clear.", "", "test", "", ""],
        ["p1\\C.NII", "", "P1\\c.TXT", "dev", "de-CH", "ct"],
        ["", "Clear.", "", "test", "", ""],
    )
    cohort = scan_folder(root, table=table(root, *rows, header=header))
    (study,) = cohort.studies
    assert (study.report.text, study.report.language) == ("Kein Erguss, Größe normal.", "de")
    assert (study.modality, study.split) == (Modality.CT, Split.VALIDATION)
    expected = {
        "row 2 (a.png)": "unknown split 'holdout', expected one of train, validation, test",
        "row 3 (a.png)": "unknown language 'German', expected a code of ISO 639-1",
        "row 4 (a.png)": "unknown modality 'X-ray', expected one of DX, CR, US, CT, MR",
        "row 5 (a.png)": "both a report and the path of one",
        "row 6 (a.png)": "no report",
        "row 7 (C:\\data\\a.png)": "image begins at a drive or a share of Windows",
        "row 8 (gs://bucket/a.png)": "image is an address",
        "row 10 (no image)": "no image",
        "IMG.PNG": "listed in no row of the table",
        "p1/b.png": "listed in no row of the table",
    }
    told = left_out(cohort)
    assert told.keys() == expected.keys()
    assert all(told[what].startswith(reason) for what, reason in expected.items()), told


def test_rows_without_a_patient_are_listed_where_others_have_one(root: Path) -> None:
    rows = (
        ["a.png", "Clear.", "P1", "train"],
        ["img.png", "Clear.", "nan", "train"],
        ["p1/b.png", "Clear.", "", "train"],
    )
    cohort = scan_folder(root, table=table(root, *rows))
    assert [study.patient_id for study in cohort.studies] == ["P1"]
    told = left_out(cohort)
    assert [told[f"row {number} ({name})"] for number, name in ((3, "img.png"), (4, "p1/b.png"))] == [
        "no patient_id, where other rows have one, and no PatientID in the image"
    ] * 2
    rows = (["a.png", "Clear.", "P1", "train"], ["img.png", "Clear.", "P2", ""])
    cohort = scan_folder(root, table=table(root, *rows))
    assert [study.patient_id for study in cohort.studies] == ["P1"]
    assert left_out(cohort)["row 3 (img.png)"] == "no split, where other rows have one"
    rows = (["a.png", "Clear.", "1.23457E+15", "train"], ["img.png", "Clear.", "P1", "train"])
    assert "shortened" in left_out(scan_folder(root, table=table(root, *rows)))["row 2 (a.png)"]


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("Image,report", {}, "column 'image' is missing (did you mean 'Image'"),
        ("image,text", {}, "column 'report' is missing"),
        ("image,report,Split", {}, "column 'Split' is not known (did you mean 'split'"),
        ("image,report,PatientID", {}, "column 'PatientID' is not known (did you mean 'patient_id'"),
        ("image,report,Subject", {}, "column 'Subject' seems to hold the patient; say --column patient_id=Subject"),
        ("image,report,lable:nodule", {}, "column 'lable:nodule' is not known (did you mean 'label:nodule'"),
        ("image,report,mask:nodule", {}, "column 'mask:nodule' is of a manifest"),
        ("image,report,image", {}, "column 'image' appears twice"),
        ("image,report", {"patient": "subject"}, "unknown field 'patient' (did you mean 'patient_id'"),
        ("image,report", {"file": "image"}, "unknown field 'file'; is it the other way round, image=file"),
        ("image,Report_Text", {"report": "report_text"}, "column 'report_text' is missing (did you mean 'Report_Text'"),
    ],
)
def test_columns_that_could_be_meant_are_named(root: Path, header: str, columns: dict[str, str], message: str) -> None:
    path = root.parent / "t.csv"
    path.write_text(f"{header}\n" + ",".join("x" for _ in header.split(",")) + "\n")
    with pytest.raises(SourceError) as caught:
        scan_folder(root, table=path, columns=columns)
    assert message in str(caught.value)


def test_columns_on_the_command_line() -> None:
    assert given_names(["image=file", "report = the text", "key=a=b"]) == {
        "image": "file",
        "report": "the text",
        "key": "a=b",
    }
    for pair in ("image", "=file", "image="):
        with pytest.raises(ValueError, match="expected OURS=THEIRS"):
            given_names([pair])
    with pytest.raises(ValueError, match="--column image is given twice, as 'a' and as 'b'"):
        given_names(["image=a", "image=b"])


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.parquet"])
@pytest.mark.parametrize(
    "data", [b"\xff\xfe\x00\x81\x8d", b"PK\x03\x04" + bytes(range(256)), b"", b"\x1f\x8b\x08", b"PAR1"]
)
def test_no_way_in_ends_in_a_traceback(
    root: Path, tmp_path: Path, name: str, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    ways = (
        ["cohort", "folder", str(root), "--out", str(tmp_path / "c.csv"), "--table", str(tmp_path / name)],
        ["cohort", "dicom-tree", str(root), "--out", str(tmp_path / "c.csv"), "--table", str(tmp_path / name)],
        ["doctor", str(tmp_path / name), "--out", str(tmp_path / "d.html")],
        ["info", str(tmp_path / name)],
    )
    for words in ways:
        code = main(words)
        assert code == 2 or words[0] == "info"
        assert len(capsys.readouterr().err) < 1000


def test_a_manifest_of_a_table_is_read_again(root: Path, tmp_path: Path) -> None:
    rows = (["a.png", 'Effusion, "new";\nno nodule.', "P, 1", "train"], ["p1\\b.png", "Größer.", "P2", "val"])
    words = ["--out", str(tmp_path / "c.csv"), "--table", str(table(root, *rows))]
    assert main(["cohort", "folder", str(root), *words]) == 0
    studies = read_manifest(tmp_path / "c.csv")
    assert [(study.patient_id, study.report.text) for study in studies] == [
        ("P, 1", 'Effusion, "new";\nno nodule.'),
        ("P2", "Größer."),
    ]
