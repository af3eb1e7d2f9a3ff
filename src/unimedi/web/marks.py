"""The words of a report that a query has as well, whatever their endings."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

import snowballstemmer

from unimedi.archive.indices import STEMMERS

WORD: Final = re.compile(r"[^\W_]+")


def marked(report: str, query: str, languages: Sequence[str] = ()) -> list[tuple[str, bool]]:
    """The report in pieces that are or are not words of the query, by the stems of the archive's language.

    Args:
        languages: of the archive, ISO 639-1; the first with a stemmer counts, English where none has.
    """
    wanted = set(_stems(WORD.findall(query), languages))
    pieces: list[tuple[str, bool]] = []
    end = 0
    words = list(WORD.finditer(report))
    for word, stem in zip(words, _stems([word[0] for word in words], languages), strict=True):
        if stem in wanted:
            if word.start() > end:
                pieces.append((report[end : word.start()], False))
            pieces.append((word[0], True))
            end = word.end()
    if end < len(report):
        pieces.append((report[end:], False))
    return pieces


def _stems(words: Sequence[str], languages: Sequence[str]) -> list[str]:
    """Folded to lower case and to letters without accents, as the index of words has them."""
    name = next((STEMMERS[one] for one in languages if one in STEMMERS), "English")
    stemmer = snowballstemmer.stemmer(name.lower())
    return [_plain(stem) for stem in stemmer.stemWords([word.lower() for word in words])]


def _plain(word: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
