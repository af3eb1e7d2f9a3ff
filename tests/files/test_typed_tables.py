"""Cells of Excel and Parquet files as text."""

import io
from datetime import date, datetime
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from unimedi.files.typed_tables import TypedTableError, parquet_rows, sheet_rows


def workbook(*rows: tuple[Any, ...], formats: dict[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for cell, shown in (formats or {}).items():
        sheet[cell].number_format = shown
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_cells_of_a_sheet_are_text_as_a_person_wrote_them() -> None:
    data = workbook(("id", "day", "n"), (7, date(2024, 1, 31), 123.0), (8, None, 0.5), formats={"A2": "00000"})
    assert list(sheet_rows(data)) == [
        (1, ["id", "day", "n"]),
        (2, ["00007", "2024-01-31", "123"]),
        (3, ["8", "", "0.5"]),
    ]


def test_cells_of_parquet_are_text() -> None:
    file = io.BytesIO()
    columns = {"id": ["a", None], "n": [1.0, 0.25], "when": [datetime(2024, 1, 31), datetime(2024, 1, 31, 8, 5)]}
    parquet.write_table(pa.table(columns), file)
    assert list(parquet_rows(file.getvalue())) == [
        (1, ["id", "n", "when"]),
        (2, ["a", "1", "2024-01-31"]),
        (3, ["", "0.25", "2024-01-31T08:05:00"]),
    ]


def test_what_is_no_table_is_named() -> None:
    with pytest.raises(TypedTableError, match="no sound Parquet file"):
        list(parquet_rows(b"PAR1 and no more"))
    with pytest.raises(TypedTableError, match="damaged zip archive or Excel file"):
        list(sheet_rows(b"PK\x03\x04 and no more"))
    with pytest.raises(TypedTableError, match="has more digits than Excel keeps"):
        list(sheet_rows(workbook(("id",), (12345678901234567890,))))
