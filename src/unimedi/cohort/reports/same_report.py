"""When two reports count as the same: one definition, for training, retrieval and the doctor."""

import re
import unicodedata

_NOT_A_WORD = re.compile(r"[\W_]+")


def words_of(report: str) -> str:
    """The letters and digits of a report in lower case, with one blank between words; two reports are the same where
    these are equal.

    Composed and decomposed accents are equal (NFC). A report without words gives ''.
    """
    return _NOT_A_WORD.sub(" ", unicodedata.normalize("NFC", report).lower()).strip()
