"""When two reports say the same: one definition, for training, retrieval and the doctor."""

import re
import unicodedata

_NOT_A_WORD = re.compile(r"[\W_]+")


def words_of(report: str) -> str:
    """The letters and digits of a report, lower case, one blank in place of all else. Equal words: the same report.

    An accent counts alike whether it is part of its letter or behind it (NFC); without words it is ''.
    """
    return _NOT_A_WORD.sub(" ", unicodedata.normalize("NFC", report).lower()).strip()
