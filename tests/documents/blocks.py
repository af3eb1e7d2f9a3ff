"""The code blocks of the documents, in the order of a page, and why some are not run."""

import re
from dataclasses import dataclass

from tests.architecture.repository import ROOT

LANGUAGES = ("bash", "python")
# A comment on the line above a block: `<!-- not run: minutes of training -->`. It is checked all the same.
NOT_RUN = re.compile(r"<!-- not run: (\S.*?) -->")


@dataclass(frozen=True)
class Block:
    """What stands between two fences: ``line`` is its first line's, ``not_run`` the reason, empty where it runs."""

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Every document with code, README first; the log tells of commands of its time."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(path.relative_to(ROOT)) for path in found if path.name != "log.md"]


def blocks(page: str) -> list[Block]:
    """The ``bash`` and ``python`` blocks of a page."""
    return parted((ROOT / page).read_text(encoding="utf-8"), page)


def parted(text: str, page: str = "") -> list[Block]:
    """The same of a text."""
    found: list[Block] = []
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        if not lines[number].startswith("```"):
            number += 1
            continue
        language, end = lines[number][3:].strip(), lines.index("```", number + 1)
        if language in LANGUAGES:
            marked = NOT_RUN.fullmatch(lines[number - 1]) if number else None
            code = "\n".join(lines[number + 1 : end])
            found.append(Block(page, number + 2, language, code, marked[1] if marked else ""))
        number = end + 1
    return found


def commands(text: str) -> list[str]:
    """The lines of a ``bash`` block, continued ones joined, without comments and empty ones."""
    joined = re.sub(r"\\\n\s*", "", text)
    lines = (re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in joined.split("\n"))
    return [line for line in lines if line]
