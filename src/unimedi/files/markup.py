"""HTML and RTF as plain text, and line breaks that a program wrote as letters: recognised by what stands there, in a
file, a table's cell or a DICOM object."""

import html
import re
from html.parser import HTMLParser

BLOCKS = frozenset(
    (
        *("p", "br", "div", "li", "ul", "ol", "tr", "table", "hr", "pre", "dl", "dt", "dd", "section", "article"),
        *("header", "footer", "h1", "h2", "h3", "h4", "h5", "h6"),
    )
)
UNSEEN = frozenset(("script", "style", "head", "title"))
_TAG = re.compile(
    r"</?(?:html|head|body|meta|title|style|script|p|br|div|span|b|i|u|em|strong|font|center|pre|a|hr|sup|sub|small|"
    r"big|table|thead|tbody|tr|td|th|ul|ol|li|dl|dt|dd|h[1-6]|section|article|header|footer)(?:\s[^<>]*)?/?>"
    r"|<!doctype html",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:[a-z]{2,8}\d*|#\d{1,6}|#x[0-9a-f]{1,5});", re.IGNORECASE)
_CELL = re.compile(r"\\(?:nest)?cell(?![a-z])")  # of RTF's tables
_BREAK = re.compile(r"\\\.(?:br|sp)\d*\\|\\X0[AD](?:0A)?\\|_x000[AD]_\n?")  # of HL7, of Excel
_LETTERS = re.compile(r"\\r\\n|\\n")  # in a text of one line, which has no other
_BLANK_LINES = re.compile(r"(?:[ \t]*\n){3,}")


def plain(text: str) -> str:
    """The words of HTML or RTF, a line a paragraph; any other text as it is (``nodule <5 mm`` has no tag)."""
    if text.lstrip().startswith("{\\rtf"):
        from striprtf.striprtf import rtf_to_text

        return _tidy(rtf_to_text(_CELL.sub(r"\\line", text), errors="replace"))
    if _TAG.search(text):
        reader = _Words()
        reader.feed(text)
        reader.close()
        return plain(_tidy("".join(reader.words)))  # a page of escaped tags is one within one
    shown = html.unescape(text) if _ENTITY.search(text) else text
    return _broken(shown) if shown == text else plain(shown)


def _broken(text: str) -> str:
    text = _BREAK.sub("\n", text)
    return text if "\n" in text else _LETTERS.sub("\n", text)


class _Words(HTMLParser):
    """What a browser shows, with a new line for a block or a cell: a heading may stand in one of its own."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.unseen += tag in UNSEEN
        self._space(tag)
        if tag in ("td", "th"):
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.unseen = max(0, self.unseen - (tag in UNSEEN))
        self._space(tag)

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.words.append(data)

    def _space(self, tag: str) -> None:
        if tag in BLOCKS:
            self.words.append("\n")


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
