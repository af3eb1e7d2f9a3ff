import csv
import datetime
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.cohort.manifest import ManifestError, read_manifest, write_manifest
from unimedi.cohort.study import Mask, Modality, Report, Split, Study

GOOD = {"study_id": "s1", "patient_id": "p1", "modality": "DX", "split": "train", "image": "x.png", "report": "Clear."}


def write(folder: Path, *rows: dict[str, str], suffix: str = "csv") -> Path:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    path = folder / f"manifest.{suffix}"
    if suffix == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({c: [row.get(c) for row in rows] for c in columns}), path)
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x.png").write_bytes(b"x")
    (tmp_path / "report.txt").write_text("\ufeffNódulo en el lóbulo.", encoding="utf-8")
    (tmp_path / "blank.txt").write_text(" \n")
    return tmp_path


def problem(path: Path) -> str:
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert len(caught.value.problems) == 1
    assert str(path) in str(caught.value)
    return caught.value.problems[0]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_row_becomes_a_study(folder: Path, suffix: str) -> None:
    row = GOOD | {"label:nodule": "1", "label:mass": "0", "label:normal": "", "mask:nodule": "x.png", "age": "63"}
    (study,) = read_manifest(write(folder, row, suffix=suffix))
    labels = {"nodule": True, "mass": False, "normal": None}
    expected = Study("s1", "p1", Modality.DX, folder / "x.png", Report("Clear."), Split.TRAIN, labels)
    assert study == Study(
        **{f: getattr(expected, f) for f in expected.__slots__} | {"masks": {"nodule": Mask(folder / "x.png")}}
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_mask_may_be_one_value_of_a_label_image_or_boxes(folder: Path, suffix: str) -> None:
    row = GOOD | {"mask:liver": "x.png#6", "mask:pneumonia": "boxes:264,152.5,213,379;0,1,2,3"}
    (study,) = read_manifest(write(folder, row, suffix=suffix))
    boxes = ((264.0, 152.5, 213.0, 379.0), (0.0, 1.0, 2.0, 3.0))
    assert study.masks == {"liver": Mask(folder / "x.png", 6), "pneumonia": Mask(boxes=boxes)}
    study.masks["fine"] = Mask(boxes=((1234.5678, 1e-7, 1234567.0, 3.0),))  # type: ignore[index]
    write_manifest([study], folder / f"again.{suffix}")
    assert read_manifest(folder / f"again.{suffix}") == [study]


def test_parquet_may_hold_numbers(folder: Path) -> None:
    row: dict[str, object] = GOOD | {"study_id": 7, "patient_id": 3, "label:nodule": 1.0, "label:mass": True}
    (study,) = read_manifest(write(folder, row, suffix="parquet"))  # type: ignore[arg-type]
    assert (study.study_id, study.labels) == ("7", {"nodule": True, "mass": True})


def test_a_report_may_be_a_file_and_its_language_is_detected(folder: Path) -> None:
    row = {k: v for k, v in GOOD.items() if k != "report"} | {"report_path": "report.txt"}
    assert read_manifest(write(folder, row))[0].report == Report("Nódulo en el lóbulo.", "es")
    (folder / "report.txt").write_bytes("Nódulo".encode("latin-1"))
    assert read_manifest(write(folder, row | {"language": "es"}))[0].report == Report("Nódulo", "es")


@pytest.mark.parametrize("measured", [{"label:nodule": "0"}, {"mask:nodule": "report.txt"}])
def test_a_row_with_a_label_or_a_mask_needs_no_report(folder: Path, measured: dict[str, str], tmp_path: Path) -> None:
    row = {k: v for k, v in GOOD.items() if k != "report"} | measured
    (study,) = read_manifest(write(folder, row))
    assert study.report == Report("")
    write_manifest([study], folder / "again.csv")
    assert read_manifest(folder / "again.csv") == [study]
    assert "neither report nor report_path" in problem(write(folder, row | dict.fromkeys(measured, "")))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"image": "absent.png"}, "image 'absent.png' does not exist under"),
        ({"mask:nodule": "absent.nii"}, "mask:nodule 'absent.nii' does not exist under"),
        ({"mask:nodule": "../x.png#1"}, "mask:nodule '../x.png' must be a path relative to"),
        ({"mask:nodule": "boxes:1,2,3"}, "expected boxes:left,top,width,height in pixels"),
        ({"mask:nodule": "boxes:1,2,0,3"}, "expected boxes:left,top,width,height in pixels"),
        ({"modality": "XRAY"}, "unknown modality 'XRAY', expected one of DX, CR, US, CT, MR"),
        ({"split": "tset"}, "unknown split 'tset' (did you mean 'test'?), expected one of train, validation, test"),
        ({"split": "holdout"}, "expected one of train, validation, test"),
        ({"language": "Spanish"}, "unknown language 'Spanish', expected a code of ISO 639-1"),
        ({"study_date": "31.1.2024"}, "study_date: unknown date '31.1.2024', expected one like 2024-01-31"),
        ({"image": "C:\\x.png"}, "begins at a drive or a share of Windows, and must be a path relative to"),
        ({"image": "gs://bucket/x.png"}, "is an address, expected a file"),
        ({"patient_id": "1.23457E+15"}, "is a number that a spreadsheet shortened"),
        ({"report": "NA"}, "neither report nor report_path is given"),
        ({"report": ""}, "neither report nor report_path is given, and no label or mask either"),
        ({"report": "  "}, "neither report nor report_path is given"),
        ({"report_path": "report.txt"}, "both report and report_path are given"),
        ({"report": "", "report_path": "blank.txt"}, "the report in 'blank.txt' is empty"),
        ({"report": "", "report_path": "absent.txt"}, "report_path 'absent.txt' does not exist under"),
        ({"patient_id": ""}, "patient_id is empty"),
        ({"image": ""}, "image is empty"),
        ({"label:nodule": "maybe"}, "label:nodule is 'maybe', expected 1, 0 or empty"),
    ],
)
def test_what_is_wrong_is_said_with_row_and_study(folder: Path, change: dict[str, str], expected: str) -> None:
    text = problem(write(folder, GOOD, GOOD | {"study_id": "s2"} | change))
    assert text.startswith("row 3 (study s2): ")
    assert expected in text


@pytest.mark.parametrize("image", ["/etc/hostname", "../x.png", "a/../../x.png", "..\\x.png"])
def test_a_path_stays_inside_the_folder(folder: Path, image: str) -> None:
    with pytest.raises(ManifestError, match="must be a path relative to"):
        read_manifest(write(folder, GOOD | {"image": image}))


def test_duplicate_ids_and_patients_in_two_splits(folder: Path) -> None:
    assert problem(write(folder, GOOD, GOOD)) == "row 3 (study s1): duplicate study_id, first in row 2"
    text = problem(write(folder, GOOD, GOOD | {"study_id": "s2", "split": "test"}))
    assert text.startswith("row 3: study s2: patient p1 is in split test here and in train in study s1")


def test_a_missing_column_comes_with_a_suggestion(folder: Path) -> None:
    row = {("StudyID" if k == "study_id" else k): v for k, v in GOOD.items()}
    assert problem(write(folder, row)) == "column 'study_id' is missing (did you mean 'StudyID'?)"
    row = {k: v for k, v in GOOD.items() if k != "report"} | {"reports": "x"}
    assert "'report' or 'report_path' is missing (did you mean 'reports'?)" in problem(write(folder, row))


@pytest.mark.parametrize("column", ["lable:mass", "labels:mass", "Label:mass", "label :mass"])
def test_a_misspelt_label_column_is_not_left_out_in_silence(folder: Path, column: str) -> None:
    assert (
        problem(write(folder, GOOD | {column: "1"})) == f"column {column!r} is not known (did you mean 'label:mass'?)"
    )
    beside = read_manifest(write(folder, GOOD | {"dicom:Rows": "1", "labeller": "x", "note": "y"}))  # nothing of ours
    assert len(beside) == 1


def test_all_problems_are_told_but_at_most_twenty(folder: Path) -> None:
    rows = [GOOD | {"study_id": f"s{k}", "image": "absent.png"} for k in range(30)]
    with pytest.raises(ManifestError) as caught:
        read_manifest(write(folder, *rows))
    assert len(caught.value.problems) == 30
    assert str(caught.value).count("absent.png") == 20
    assert str(caught.value).endswith("... and 10 more")
    assert len(read_manifest(folder / "manifest.csv", check_files=False)) == 30


def test_files_that_are_no_manifest(folder: Path) -> None:
    assert problem(folder / "absent.csv") == "no such file"
    (folder / "m.csv").write_bytes(b"study_id\n\xff\xfe\x81\x8d\x00\x01")
    assert "cannot be read" in problem(folder / "m.csv")
    (folder / "m.parquet").write_bytes(b"no")
    assert "cannot be read" in problem(folder / "m.parquet")
    (folder / "m.csv").write_text("")
    with pytest.raises(ManifestError, match="column 'study_id' is missing"):
        read_manifest(folder / "m.csv")
    (folder / "m.csv").write_text(",".join(GOOD) + "\n")
    assert "no rows" in problem(folder / "m.csv")
    (folder / "m.csv").write_text(",".join(GOOD) + "\ns1,p1,DX,train,x.png,Clear, no effusion\n")
    assert problem(folder / "m.csv").startswith("row 2: 7 values for 6 columns")


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip).filter(bool)


@settings(max_examples=30)
@given(
    reports=st.lists(TEXT, min_size=1, max_size=4),
    suffix=st.sampled_from(["csv", "parquet"]),
    label=st.sampled_from([True, False, None]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, reports: list[str], suffix: str, label: bool | None
) -> None:
    folder = tmp_path_factory.mktemp("cohort")
    (folder / "x.png").touch()
    about = (Modality.CT, folder / "x.png")
    studies = [
        Study(
            f"s{k}",
            f"p{k}",
            *about,
            Report(f"{text}\n\n{text}", "es"),
            Split.TEST,
            {"a b": label},
            {"m": Mask(about[1])},
            date=datetime.date(2024, 1, 1 + k) if k else None,
        )
        for k, text in enumerate(reports)
    ]
    write_manifest(studies, folder / f"m.{suffix}")
    assert read_manifest(folder / f"m.{suffix}") == studies
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_manifest_does_not_list_files_outside_its_folder(folder: Path) -> None:
    study = read_manifest(write(folder, GOOD))
    (folder / "sub").mkdir()
    with pytest.raises(ValueError, match="lies outside"):
        write_manifest(study, folder / "sub" / "m.csv")


def test_reading_costs_in_proportion_to_the_rows(folder: Path) -> None:
    """Calls are counted, not seconds: ten times the rows make ten times the calls, and not a hundred times."""

    def calls(count: int) -> int:
        rows = [GOOD | {"study_id": f"s{k}", "patient_id": f"p{k}", "label:nodule": "1"} for k in range(count)]
        path, made = write(folder, *rows), Counter[str]()
        sys.setprofile(lambda frame, event, argument: made.update([event]))
        try:
            studies = read_manifest(path)
        finally:
            sys.setprofile(None)
        assert len(studies) == count
        return made.total()

    calls(1)  # what is made once only
    assert calls(1000) < 12 * calls(100)


def test_a_manifest_may_be_in_any_table_that_people_write(folder: Path) -> None:
    from openpyxl import Workbook

    row = GOOD | {"report": "Nódulo; nuevo.", "split": "val", "modality": "dx", "language": "ES"}
    expected = Study("s1", "p1", Modality.DX, folder / "x.png", Report("Nódulo; nuevo.", "es"), Split.VALIDATION)
    book = Workbook()
    for cells in (row, row.values()):
        book.worksheets[0].append(list(cells))
    book.save(folder / "m.xlsx")
    semicolons = ";".join(row) + "\n" + ";".join(f'"{cell}"' for cell in row.values())
    (folder / "m.csv").write_bytes(semicolons.encode("cp1252"))
    (folder / "m.tsv").write_bytes("\n".join("\t".join(cells) for cells in (row, row.values())).encode("utf-16"))
    for name in ("m.xlsx", "m.csv", "m.tsv"):
        assert read_manifest(folder / name) == [expected]


def test_paths_of_windows_and_other_spellings_are_found(folder: Path) -> None:
    (folder / "Süd").mkdir()
    (folder / "Süd" / "Bild 1.PNG").write_bytes(b"x")
    row = GOOD | {
        "image": "süd\\bild 1.png",
        "report": "",
        "report_path": "REPORT.TXT",
        "mask:nodule": "süd\\BILD 1.png#2",
    }
    (study,) = read_manifest(write(folder, row))
    found = folder / "Süd" / "Bild 1.PNG"
    assert (study.image, study.masks) == (found, {"nodule": Mask(found, 2)})
    assert study.report.text == "Nódulo en el lóbulo."


@pytest.mark.parametrize("column", ["Language", "Report Path", "report-path", "Translation", "SERIES"])
def test_a_column_that_is_nearly_ours_is_not_left_out_in_silence(folder: Path, column: str) -> None:
    assert f"column {column!r} is not known (did you mean" in problem(write(folder, GOOD | {column: "es"}))


def test_one_patient_in_two_spellings_is_in_one_split(folder: Path) -> None:
    rows = (GOOD | {"patient_id": "123"}, GOOD | {"study_id": "s2", "patient_id": "0123", "split": "test"})
    text = problem(write(folder, *rows))
    assert text.startswith("row 3: study s2: patient 0123 is in split test here and as 123 in train in study s1")


def test_every_row_that_is_none_is_told(folder: Path) -> None:
    lines = [
        ",".join(GOOD),
        "s1,p1,DX,train,x.png,Effusion, new",
        "s2,p2,DX,train,x.png",
        "s3,p3,DX,train,y.png,Clear.",
    ]
    (folder / "m.csv").write_text("\n".join(lines))
    with pytest.raises(ManifestError) as caught:
        read_manifest(folder / "m.csv")
    assert [text[:25] for text in caught.value.problems] == [
        *("row 2: 7 values for 6 col", "row 3: 5 values for 6 col", "row 4 (study s3): image '"),
    ]


@pytest.mark.parametrize("change", [{"patient_id": "p\0"}, {"study_id": "s\udcff"}])
def test_what_could_not_be_read_back_is_not_written(folder: Path, change: dict[str, str]) -> None:
    about = {"study_id": "s", "patient_id": "p", "modality": Modality.DX, "image": folder / "x.png"} | change
    study = Study(**about, report=Report("Clear."), split=Split.TRAIN)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="holds a NUL, or bytes that are no text"):
        write_manifest([study], folder / "m.csv")
    with pytest.raises(ValueError, match=r"is written as \.csv or \.parquet"):
        write_manifest([study], folder / "m.xlsx")
    assert not list(folder.glob("*m.*"))


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)
NAMES = WORDS.map(str.strip).filter(bool)
LISTED = st.builds(lambda name: name.replace("/", "-"), NAMES.filter(lambda name: len(name.encode()) < 200)).filter(
    lambda name: (
        name not in (".",)
        and ".." not in name
        and not name.startswith(("\\\\", "//"))
        and name[1:2] != ":"
        and "://" not in name
    )
)


@settings(max_examples=50)
@given(
    names=st.lists(LISTED, min_size=1, max_size=3, unique_by=lambda name: name.casefold()),
    patient=NAMES,
    text=WORDS,
    finding=NAMES.filter(lambda name: ":" not in name),
    suffix=st.sampled_from(["csv", "parquet"]),
)
def test_any_names_and_words_are_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], patient: str, text: str, finding: str, suffix: str
) -> None:
    """Commas, quotes, line breaks, umlauts, backslashes: what we read and wrote is read again the same."""
    folder = tmp_path_factory.mktemp("cohort")
    for name in names:
        (folder / name).touch()
    studies = [
        Study(
            f"{name} {k}",
            patient,
            Modality.DX,
            folder / name,
            Report("x" + text + "x", "de"),
            Split.TRAIN,
            {finding: True},
        )
        for k, name in enumerate(names)
    ]
    write_manifest(studies, folder / f"m.{suffix}")
    once = read_manifest(folder / f"m.{suffix}")
    assert [(study.image, study.patient_id, study.labels) for study in once] == [
        (study.image, study.patient_id, study.labels) for study in studies
    ]
    write_manifest(once, folder / f"again.{suffix}")
    assert read_manifest(folder / f"again.{suffix}") == once
