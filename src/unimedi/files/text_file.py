"""The text in a file's bytes, whatever it was saved as: Unicode, or a code page. What is no text is refused."""

import codecs
import re
import unicodedata
from pathlib import Path

from unimedi.errors import InputError
from unimedi.files.code_page import decode_code_page
from unimedi.files.markup import plain

MARKS = (  # byte order marks; those of UTF-32 begin as those of UTF-16 do
    *((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
    *((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
)
OTHER = {  # how files begin that are no text
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a Word, Excel or other zipped document",
    b"\xd0\xcf\x11\xe0": "an old Word or Excel document",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
}
BLANKS = set("\t\n\v\f\r\x1a\x1c\x1d\x1e\x1f\x85")  # with the end of a DOS file and the separators of old exports
_DECLARED = re.compile(rb"""<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
_HEAD = 2048  # bytes in which a page names its encoding


class TextError(InputError):
    """Bytes that are no text, or whose letters cannot be told: what they are, and the ``reason`` by itself."""

    def __init__(self, what: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{what}: {reason}")


def read_text(path: Path) -> str:
    """The words of a text file, without the codes of HTML or RTF. Raises ``TextError``, naming the file."""
    return plain(decode(path.read_bytes(), path.name))


def decode(data: bytes, what: str) -> str:
    """The characters of a text: by its byte order mark, as UTF-8, as UTF-16 or UTF-32 without a mark, by the encoding
    that an HTML page states, as a code page.

    Args:
        what: names the bytes in the error: a file, a table.

    Raises:
        TextError: a document or an image, bytes that are no text, or an encoding that cannot be told.
    """
    other = next((name for head, name in OTHER.items() if data.startswith(head)), "")
    if not other and data[128:132] == b"DICM":
        other = "a DICOM file"
    if other:
        raise TextError(what, f"expected text, got {other}")
    text = _decoded(data)
    if text is None:
        raise TextError(what, "the encoding of its letters cannot be told; save it as UTF-8")
    if _controls(text):
        raise TextError(what, "expected text, got bytes that are none (control characters)")
    return text


def _decoded(data: bytes) -> str | None:
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return _strict(data[len(mark) :], encoding)
    if b"\0" in data:
        return _wide(data)
    if b"\x1b$" in data:
        return _strict(data, "iso2022_jp")
    text = _strict(data, "utf-8")
    if text is None and (declared := _DECLARED.search(data[:_HEAD])):
        text = _strict(data, declared[1].decode("ascii"))
    return decode_code_page(data) if text is None else text


def _wide(data: bytes) -> str | None:
    """UTF-32 or UTF-16 without a mark: of the readings that hold letters alone, the one with most of ASCII's."""
    read = [_strict(data, f"utf-{bits}-{order}") for bits in (32, 16) for order in ("le", "be")]
    sound = [text for text in read if text and not _controls(text) and any(map(str.isascii, text))]
    return max(sound, key=lambda text: sum(map(str.isascii, text)), default=None)


def _controls(text: str) -> bool:
    """Whether it holds characters that no text does: controls beyond blanks and ends of lines, unassigned ones."""
    return any(unicodedata.category(char) in ("Cc", "Cn", "Co") for char in set(text) - BLANKS)


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None
