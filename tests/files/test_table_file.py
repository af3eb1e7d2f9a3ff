"""Tables as people's programs write them: each is read as it was meant, or refused in a sentence."""

import csv
import datetime
import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from pyarrow import parquet

from unimedi.files.table_file import Row, TableError, read_table

HEADER = ["image", "report", "patient_id"]
ROWS = [
    ["a.png", "Großer Erguss rechts, neu; kein Rundherd.\nVerlaufskontrolle.", "P7"],
    ["Aufnahmen Süd/b.png", 'Nódulo de 5 mm ("nuevo") | pulmón izquierdo.\tSin derrame.', "0012"],
    ["c.png", "Épanchement pleural gauche, cœur normal.", "p 9"],
]


def text_of(rows: Sequence[Sequence[str]], separator: str = ",", end: str = "\r\n") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)
    return text.getvalue()


def workbook(rows: Sequence[Sequence[object]]) -> Workbook:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(list(row))
    return book


def saved(book: Workbook) -> bytes:
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def as_parquet(columns: dict[str, Sequence[object]]) -> bytes:
    data = io.BytesIO()
    parquet.write_table(pa.table(columns), data)
    return data.getvalue()


def read(path: Path, data: bytes) -> tuple[list[str], list[Row]]:
    path.write_bytes(data)
    header, rows = read_table(path)
    return header, list(rows)


def refused(path: Path, data: bytes) -> list[str]:
    path.write_bytes(data)
    with pytest.raises(TableError) as caught:
        list(read_table(path)[1])
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value.problems


WHOLE = text_of([HEADER, *ROWS])
SAME: dict[str, bytes] = {
    "commas": WHOLE.encode(),
    "semicolons": text_of([HEADER, *ROWS], ";").encode(),
    "tabs": text_of([HEADER, *ROWS], "\t").encode(),
    "bars": text_of([HEADER, *ROWS], "|").encode(),
    "Excel's line that names the separator": b"sep=;\r\n" + text_of([HEADER, *ROWS], ";").encode(),
    "lines of Unix": text_of([HEADER, *ROWS], end="\n").encode(),
    "lines of an old Mac": text_of([HEADER, *ROWS], end="\r").encode(),
    "a byte order mark": WHOLE.encode("utf-8-sig"),
    "UTF-16, as Excel's Unicode text": text_of([HEADER, *ROWS], "\t").encode("utf-16"),
    "UTF-16 without a mark": WHOLE.encode("utf-16-le"),
    "UTF-32": WHOLE.encode("utf-32"),
    "packed": gzip.compress(WHOLE.encode()),
    "packed in two pieces": gzip.compress(WHOLE[:30].encode()) + gzip.compress(WHOLE[30:].encode()),
    "every value in quotes": "\r\n".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [HEADER, *ROWS]
    ).encode(),
    "blanks around": text_of([[f" {cell} " for cell in row] for row in [HEADER, *ROWS]]).encode(),
    "columns that were once used": text_of([[*row, "", ""] for row in [HEADER, *ROWS]]).encode(),
    "row names": text_of([["", *HEADER], *([str(k), *row] for k, row in enumerate(ROWS))]).encode(),
    "Excel": saved(workbook([HEADER, *ROWS])),
    "Parquet": as_parquet({name: [row[k] for row in ROWS] for k, name in enumerate(HEADER)}),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_table_in_many_clothes(tmp_path: Path, name: str) -> None:
    header, rows = read(tmp_path / "t.csv", SAME[name])
    assert [column for column in header if column] == HEADER
    assert [[row.values[column] for column in HEADER] for row in rows] == ROWS
    assert [row.number for row in rows] == [2, 3, 4]


@pytest.mark.parametrize("encoding", ["cp1252", "iso8859_15"])
def test_a_code_page_is_recognised(tmp_path: Path, encoding: str) -> None:
    _, rows = read(tmp_path / "t.csv", "image,report\na.png,Nódulo en el pulmón; años.\n".encode(encoding))
    assert rows[0].values == {"image": "a.png", "report": "Nódulo en el pulmón; años."}


def test_a_name_says_nothing_about_the_content(tmp_path: Path) -> None:
    for name in ("t.xlsx", "t.tsv", "t.txt", "t"):
        assert read(tmp_path / name, WHOLE.encode())[1] == read(tmp_path / "t.csv", SAME["Excel"])[1]


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    _, rows = read(tmp_path / "t.csv", b'\nimage,report\n\n"a.png","one\ntwo"\n,\nb.png,three\n')
    assert [(row.number, row.values["image"]) for row in rows] == [(4, "a.png"), (6, "b.png")]
    sheet = workbook([[None], ["image", "report"], [None], ["a.png", "one"]])
    assert [row.number for row in read(tmp_path / "t.xlsx", saved(sheet))[1]] == [4]


def test_a_report_beyond_what_python_takes_by_itself(tmp_path: Path) -> None:
    report = "Clear lungs. " * 12_000
    (row,) = read(tmp_path / "t.csv", f'image,report\na.png,"{report}"\n'.encode())[1]
    assert row.values["report"] == report.strip()


def test_cells_of_excel_are_text_as_it_is_shown(tmp_path: Path) -> None:
    values = [123.0, 7, 0.5, True, datetime.datetime(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4), None, "x", 12]
    book = workbook([[f"c{k}" for k in range(9)], values])
    book.worksheets[0]["B2"].number_format = "00000"
    (row,) = read(tmp_path / "t.xlsx", saved(book))[1]
    shown = ["123", "00007", "0.5", "True", "2020-01-02", "2020-01-02T03:04:00", "", "x", "12"]
    assert list(row.values.values()) == shown


def test_cells_of_parquet_are_text(tmp_path: Path) -> None:
    columns = {"a": [1.0, None], "b": [7, 8], "c": [True, None], "d": [datetime.date(2020, 1, 2), None], "e": ["x", ""]}
    _, rows = read(tmp_path / "t.parquet", as_parquet(columns))
    assert rows[0].values == {"a": "1", "b": "7", "c": "True", "d": "2020-01-02", "e": "x"}
    assert rows[1].values == {"a": "", "b": "8", "c": "", "d": "", "e": ""}


def test_hidden_and_empty_sheets_are_passed_over(tmp_path: Path) -> None:
    book = workbook([HEADER, *ROWS])
    book.create_sheet("empty", 0)
    hidden = book.create_sheet("choices", 0)
    hidden.append(["train"])
    hidden.sheet_state = "hidden"
    assert [list(row.values.values()) for row in read(tmp_path / "t.xlsx", saved(book))[1]] == ROWS


def _formula(book: Workbook) -> None:
    book.worksheets[0]["B2"] = "=A2"


def _error(book: Workbook) -> None:
    book.worksheets[0]["B2"] = "#N/A"
    book.worksheets[0]["B2"].data_type = "e"


def _long_number(book: Workbook) -> None:
    book.worksheets[0]["C3"] = 1234567890123456789


def _two_sheets(book: Workbook) -> None:
    book.create_sheet("other").append(["image"])


def _no_name(book: Workbook) -> None:
    book.worksheets[0]["E3"] = "spilt"


SPOILT: dict[str, tuple[Callable[[Workbook], None], str]] = {
    "a formula that was never computed": (_formula, "cell B2: a formula whose value was not saved"),
    "an error": (_error, "cell B2: the error #N/A"),
    "a number that Excel rounded": (_long_number, "cell C3: 12345678901234"),
    "two sheets": (_two_sheets, "2 sheets hold something ('Sheet', 'other')"),
    "a value outside the columns": (_no_name, "row 3: 5 values for 3 columns"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_excel_may_hold_and_does_not_show_is_refused(tmp_path: Path, name: str) -> None:
    spoil, expected = SPOILT[name]
    book = workbook([HEADER, *ROWS])
    spoil(book)
    (problem,) = refused(tmp_path / "t.xlsx", saved(book))
    assert expected in problem


REFUSED: dict[str, tuple[bytes, list[str]]] = {
    "commas and no quotes": (
        b"image,report,patient_id\na.png,Large effusion, right side, new,P7\nb.png,Clear.,P8\nc.png,Clear, old,P9\n",
        ["row 2: 5 values for 3 columns; put quotes around text that holds commas", "row 4: 4 values for 3 columns"],
    ),
    "semicolons and no quotes": (b"image;report\na.png;Effusion; new\n", ["row 2: 3 values for 2 columns; put quotes"]),
    "text that spills into columns without a name": (
        b"image,report,,\na.png,Effusion, new,\n",
        ["row 2: 3 values for 2 columns"],
    ),
    "a value under no name": (b"image,,report\na.png,x,Clear.\n", ["row 2: a value in column 2, which has no name"]),
    "a line that breaks off": (b"image,report,patient_id\na.png,Cle", ["row 2: 2 values for 3 columns"]),
    "a line break and no quotes": (
        b"image,report,patient_id\na.png,Large\neffusion,P7\n",
        ["row 2: 2 values for 3 columns", "row 3: 2 values for 3 columns"],
    ),
    "other separators than in the header": (b"image,report\na.png;Clear.\n", ["row 2: 1 values for 2 columns"]),
    "an open quote": (
        b'image,report\na.png,Clear.\nb.png,"Effusion\nc.png,x\n',
        ["row 3: a quote opens a text and never"],
    ),
    "an open quote before a whole one": (
        b'image,report\na.png,"Effusion\nb.png,"Clear, both"\n',
        ["row 2: a quote within a text"],
    ),
    "a quote that closes in another row": (
        b'image,report,patient_id\na.png,"Large effusion,P1\nb.png,Clear.",P2\nc.png,Clear.,P3\n',
        ["row 2: a text with a line that lists an image"],
    ),
    "a quote that closes in another row of a manifest": (
        b'study_id;image;report;split\ns1;a/1.nii.gz;"Large effusion;test\ns2;a/2.nii.gz;Clear.";train\n',
        ["row 2: a text with a line that lists an image"],
    ),
    "quotes within quotes": (b'image,report\na.png,"a "new" nodule"\n', ["row 2: a quote within a text"]),
    "quotes behind a stroke": (b'image,report\na.png,"a \\"new\\" nodule"\n', ["row 2: a quote within a text"]),
    "NUL": (b"image,report\na.png,Cl\0ear lungs\n", ["row 2: a NUL character"]),
    "a column twice": (b"image,report,image\na,b,c\n", ["column 'image' appears twice"]),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), ["an old Excel file (.xls)"]),
    "a web page called .xls": (b"<html><table><tr><td>image</td></tr></table>", ["an HTML or XML page"]),
    "JSON": (b'[{"image": "a.png"}]', ["got JSON"]),
    "a cut zip": (SAME["Excel"][:200], ["a damaged zip archive"]),
    "cut gzip": (gzip.compress(WHOLE.encode())[:-9], ["packed data that break off"]),
    "cut Parquet": (SAME["Parquet"][:-9], ["no sound Parquet file"]),
    "lists in Parquet": (as_parquet({"image": [["a.png"]]}), ["column 'image' holds list<element: string>"]),
    "bytes in Parquet": (as_parquet({"image": [b"a.png"]}), ["column 'image' holds binary"]),
    "bytes of no kind": (bytes(range(256)) * 9, ["cannot be read: "]),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", ["got a PDF document"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_cannot_be_meant_is_refused_with_every_row(tmp_path: Path, name: str) -> None:
    data, expected = REFUSED[name]
    problems = refused(tmp_path / "t.csv", data)
    assert len(problems) == len(expected)
    assert all(part in problem for part, problem in zip(expected, problems, strict=True)), problems


@pytest.mark.parametrize(
    ("inner", "kind"),
    [("content.xml", "OpenDocument"), ("xl/workbook.bin", "binary Excel"), ("a.csv", "a zip archive")],
)
def test_archives_that_are_no_excel_file(tmp_path: Path, inner: str, kind: str) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr(inner, "x")
    (problem,) = refused(tmp_path / "t.xlsx", (tmp_path / "t.zip").read_bytes())
    assert kind in problem


def test_there_must_be_a_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(TableError, match="no such file"):
            read_table(path)
    assert read(tmp_path / "empty.csv", b"") == ([], [])


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12).map(str.strip)


@settings(max_examples=60)
@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3).filter(any), max_size=4),
    separator=st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], separator: str
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    _, found = read(path, text_of([HEADER, *rows], separator).encode())
    assert [list(row.values.values()) for row in found] == rows
