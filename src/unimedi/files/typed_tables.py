"""Tables whose cells have types, Excel's and Parquet's, as numbered rows of text."""

import io
import math
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from unimedi.errors import InputError

LARGEST = 1 << 31  # bytes of an unpacked Excel file
DIGITS = 15  # that Excel keeps of a number
_ZEROS = re.compile(r"0+")  # a format that shows 123 as 00123
OTHER = {  # zip archives that are no .xlsx, by a file in them
    "xl/workbook.bin": "a binary Excel file (.xlsb); save it as .xlsx or CSV",
    "content.xml": "an OpenDocument file (.ods); save it as .xlsx or CSV",
    "word/document.xml": "a Word document; save the table as .xlsx or CSV",
}


class TypedTableError(InputError):
    """A file that is no Excel or Parquet table, or a cell that cannot be read as it is meant."""


def parquet_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The header as row 1 and then the rows of a Parquet file; null and NaN are empty, 123.0 is ``123``."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise TypedTableError(f"no sound Parquet file ({error})") from error
    for field in table.schema:
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            raise TypedTableError(f"column {field.name!r} holds {field.type}, expected text, numbers or dates; drop it")
    columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    return enumerate([[name.strip() for name in table.column_names], *map(list, zip(*columns, strict=True))], start=1)


def sheet_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of the one sheet of an Excel file that holds something, numbered as Excel shows them.

    Dates are ISO 8601, 123.0 is ``123``, and 123 that is shown as 00123 is ``00123``. A formula stands for the value
    that was saved with it.
    """
    from openpyxl import load_workbook

    _check_archive(data)
    try:
        values, formulas = (load_workbook(io.BytesIO(data), read_only=True, data_only=only) for only in (True, False))
        sheets = [sheet for sheet in values.worksheets if sheet.sheet_state == "visible" and _holds_something(sheet)]
        if len(sheets) > 1:
            names = ", ".join(repr(sheet.title) for sheet in sheets)
            raise TypedTableError(f"{len(sheets)} sheets hold something ({names}); keep the one that is meant")
        for sheet in sheets:
            formulas[sheet.title].reset_dimensions()
        return iter(_sheet_rows(sheets[0], formulas[sheets[0].title]) if sheets else [])
    except TypedTableError:
        raise
    except Exception as error:  # damaged files make openpyxl raise nearly anything
        raise TypedTableError(f"a damaged Excel file ({type(error).__name__}: {error})") from error


def _check_archive(data: bytes) -> None:
    """That a zip archive is an ``.xlsx`` of a sane size."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise TypedTableError(f"a damaged zip archive or Excel file ({error})") from error
    names = archive.namelist()
    other = next((what for name, what in OTHER.items() if name in names), "a zip archive; unpack it")
    if "xl/workbook.xml" not in names:
        raise TypedTableError(f"expected a table, got {other}")
    if sum(file.file_size for file in archive.infolist()) > LARGEST:
        raise TypedTableError("an Excel file that holds more than 2 GiB when unpacked")


def _holds_something(sheet: Any) -> bool:
    sheet.reset_dimensions()  # what the file says of its own size may be wrong
    return any(value is not None for row in sheet.iter_rows(values_only=True) for value in row)


def _sheet_rows(sheet: Any, formulas: Any) -> list[tuple[int, list[str]]]:
    rows: list[tuple[int, list[str]]] = []
    width = 0
    for number, (cells, written) in enumerate(zip(sheet.iter_rows(), formulas.iter_rows(), strict=True), start=1):
        row = [_cell(cell, formula, number) for cell, formula in zip(cells, written, strict=True)]
        width = width or (len(row) if any(row) else 0)
        rows.append((number, row + [""] * (width - len(row))))
    return rows


def _cell(cell: Any, formula: Any, row: int) -> str:
    from openpyxl.utils.escape import unescape

    value = cell.value
    where = f"row {row}, cell {getattr(cell, 'coordinate', '')}"
    if formula.value is not None and value is None:
        raise TypedTableError(f"{where}: a formula whose value was not saved; save the file in Excel, or as CSV")
    if cell.value is not None and cell.data_type == "e":
        raise TypedTableError(f"{where}: the error {value}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) >= 10**DIGITS:
            raise TypedTableError(f"{where}: {value:.0f} has more digits than Excel keeps; write it as text")
        shown = str(cell.number_format)
        return _text(value).zfill(len(shown)) if _ZEROS.fullmatch(shown) else _text(value)
    return str(unescape(_text(value)))  # XML has no carriage return: Excel writes _x000D_


def _text(value: object) -> str:
    """A cell as text: nothing for null and NaN, whole numbers without a point, dates without midnight."""
    if value is None or value != value:
        return ""
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value).strip()
