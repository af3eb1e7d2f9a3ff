"""A table in a file, as a header and numbered rows: CSV with any separator and encoding, packed by gzip or not, Excel's
``.xlsx``, Parquet. What a file is, is decided by its content.

A table that cannot be meant as it stands (a row with more or fewer values than columns, a quote that never closes) is
refused as a whole: of such a table, a row that looks sound may be shifted.
"""

import csv
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unimedi.errors import InputError
from unimedi.files.text_file import TextError, decode
from unimedi.files.typed_tables import TypedTableError, parquet_rows, sheet_rows

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LONGEST = 1 << 24  # characters of a cell; a report with its addenda is beyond csv's 128 KiB
LARGEST = 1 << 32  # bytes of a table that is unpacked
SHOWN = 20  # problems that an error lists
OTHER = {  # how files begin that are often taken for tables
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls) or one with a password; save it as .xlsx or CSV, without a password",
    b"ARROW1": "an Arrow or Feather file; save it as Parquet or CSV",
    b"SQLite format 3": "a database; export the table as CSV",
    b"<": "an HTML or XML page, which some programs call .xls; save it as .xlsx or CSV",
    b"{": "JSON; save it as CSV",
    b"[": "JSON; save it as CSV",
}
# A line that begins with the cells of a row up to an image: text that a quote has swallowed.
_SEPARATOR = f"[{''.join(SEPARATORS)}]"
_IMAGE = rf"[^\s{''.join(SEPARATORS)}]+\.(?:png|jpe?g|tiff?|dcm|dicom|nii|nii\.gz|nrrd|mha|mhd)"
_ROW = re.compile(rf"(?:^|{_SEPARATOR}) *{_IMAGE} *{_SEPARATOR}", re.IGNORECASE)


class TableError(InputError):
    """What is wrong with a table: every problem in ``problems``, each naming its row where it has one."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{path}: {count}", *problems[:SHOWN], *more]))


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row by their column, without blanks around them, and its number as a spreadsheet shows it."""

    number: int
    values: dict[str, str]


def read_table(path: Path) -> tuple[list[str], Iterator[Row]]:
    """Read a table.

    Args:
        path: CSV with any separator and encoding, packed by gzip or not, ``.xlsx`` or Parquet.

    Returns:
        The names of the columns, and an iterator over the rows; rows without any value are left out.

    Raises:
        TableError: no such file, no table, or a column that is there twice; and, when the last row was given, every row
            that is no row of this table.
    """
    lines, hint = _lines(path)
    header = next((cells for _, cells in lines if any(cells)), [])
    if twice := [name for name, times in Counter(header).items() if name and times > 1]:
        raise TableError(path, [f"column {name!r} appears twice" for name in twice])
    while header and not header[-1]:  # Excel writes separators for cells that were once used
        header = header[:-1]
    return [name for name in header if name], _rows(path, header, lines, hint)


def _rows(path: Path, header: Sequence[str], lines: Iterable[tuple[int, list[str]]], hint: str) -> Iterator[Row]:
    problems = []
    for number, cells in lines:
        if not any(cells):
            continue
        if problem := _problem(header, cells, hint):
            problems.append(f"row {number}: {problem}")
        else:
            yield Row(number, {name: cell for name, cell in zip(header, cells, strict=False) if name})
    if problems:
        raise TableError(path, problems)


def _problem(header: Sequence[str], cells: Sequence[str], hint: str) -> str:
    """Why cells are no row of the table; empty where they are. The first column may be without a name (row names)."""
    last = max(place for place, cell in enumerate(cells, start=1) if cell)
    if last > len(header):
        return f"{last} values for {len(header)} columns; {hint}"
    if len(cells) < len(header):
        return f"{len(cells)} values for {len(header)} columns; {hint}, and write empty cells out"
    if unnamed := [place for place, name in enumerate(header, start=1) if not name and place > 1 and cells[place - 1]]:
        return f"a value in column {unnamed[0]}, which has no name in the header"
    if any("\0" in cell for cell in cells):
        return "a NUL character, which no text has"
    return ""


def _lines(path: Path) -> tuple[Iterator[tuple[int, list[str]]], str]:
    """Numbered cells of any table, and what helps where their count is wrong."""
    if not path.is_file():
        raise TableError(path, ["no such file"])
    try:
        data = _unpacked(path.read_bytes())
        if data.startswith(b"PAR1") or path.suffix.lower() == ".parquet":
            return parquet_rows(data), ""
        if data.startswith(b"PK\x03\x04"):
            return sheet_rows(data), "name every column that holds something"
        text = _text(data, path.name)
    except (OSError, EOFError, zlib.error, TypedTableError, TextError) as error:
        raise TableError(path, [f"cannot be read: {error}"]) from error
    separator = _separator(text)
    return _csv_lines(
        path, text, separator
    ), f"put quotes around text that holds {SEPARATORS[separator]} or line breaks"


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    parts, left = [b""], data
    while left.startswith(b"\x1f\x8b"):  # a file may be several, one after the other
        packed = zlib.decompressobj(wbits=31)
        parts.append(packed.decompress(left, max(1, LARGEST - sum(len(part) for part in parts))))
        if not packed.eof:
            raise EOFError("packed data that break off, or hold more than 4 GiB")
        left = packed.unused_data
    return b"".join(parts)


def _text(data: bytes, what: str) -> io.TextIOBase:
    """The characters of a table. Valid UTF-8 is nothing else; a few NULs do not make it UTF-16."""
    other = next((name for head, name in OTHER.items() if data[:512].lstrip().startswith(head)), "")
    if other:
        raise TypedTableError(f"expected a table, got {other}")
    with suppress(UnicodeDecodeError):
        data.decode("utf-8")
        if data.count(b"\0") * 8 <= len(data):
            return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    return io.StringIO(decode(data, what), newline="")


def _separator(text: io.TextIOBase) -> str:
    """The separator that divides the first line into most parts; or the one that Excel's ``sep=;`` names."""
    start = text.tell()
    line = next((line for line in iter(lambda: text.readline(), "") if line.strip()), "")
    named = line.strip().removeprefix("sep=")
    if line.startswith("sep=") and named in SEPARATORS:
        return named
    text.seek(start)
    return max(SEPARATORS, key=lambda separator: len(next(csv.reader([line], delimiter=separator), [])))


def _csv_lines(path: Path, text: io.TextIOBase, separator: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(LONGEST)
    number = 0
    try:
        for number, cells in enumerate(csv.reader(text, delimiter=separator, strict=True), start=1):
            if any(_ROW.search(line) for cell in cells for line in cell.splitlines()[1:]):
                problem = (
                    "a text with a line that lists an image, as a row does; a quote that does not close where it should"
                )
                raise TableError(path, [f"row {number}: {problem}"])
            yield number, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise TableError(path, [f"row {number + 1}: {_meaning(str(error))}"]) from error


def _meaning(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quote opens a text and never closes; it would swallow every row below"
    if "expected after" in error:
        return "a quote within a text, or one that does not close its text; write a quote within a text twice"
    if "field larger" in error:
        return f"a cell of more than {LONGEST} characters, or a quote that never closes"
    return f"cannot be read: {error}"
