"""Counts over the reports of a cohort: text that does not train, unknown headings, languages, lengths."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unimedi.cohort.reports.language import UNKNOWN
from unimedi.cohort.reports.report import read_report, training_language, training_text
from unimedi.cohort.study import Report

NAMED = {
    "before": "text before the first heading",
    "note": "notes and signatures",
    "preliminary": "preliminary readings",
    "recommendation": "recommendations",
}
SHOWN = 5  # headings that a line names
# UTF-8 that was once read as Latin-1 or cp1252, UTF-16 as Latin-1, letters that were lost.
_WRONG = re.compile(r"[\x00-\x08\ufffd]|Ã[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€")


@dataclass(frozen=True, slots=True)
class CountedReport:
    """One report counted: characters left out by kind of heading, unknown headings, words that train, its language."""

    left_out: dict[str, int]
    unknown: tuple[str, ...]
    words: int
    language: str
    wrong_letters: bool


def count_report(report: Report) -> CountedReport:
    """Look at a report as preparing reads it."""
    text = report.translation or report.text
    read = read_report(text)
    words = len(training_text(report).split())
    return CountedReport(read.left_out, read.unknown, words, training_language(report), bool(_WRONG.search(text)))


def report_lines(counted: Sequence[CountedReport], text_length: int | None = None) -> list[str]:
    """A sentence for each thing that a person should know; none for what does not occur.

    ``text_length``: tokens that the model reads of a report; a word is one token or more.
    """
    return [line for line in (_left_out(counted), _unknown(counted), *_of_texts(counted, text_length)) if line]


def _left_out(counted: Iterable[CountedReport]) -> str:
    reports: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for one in counted:
        reports.update(one.left_out.keys())
        characters.update(one.left_out)
    listed = ", ".join(
        f"{NAMED.get(kind, kind)} in {count} ({characters[kind]:,} characters)" for kind, count in reports.most_common()
    )
    return f"reports, left out of the text that trains: {listed}" if listed else ""


def _unknown(counted: Sequence[CountedReport]) -> str:
    names = Counter(name for one in counted for name in {" ".join(name.split()) for name in one.unknown})
    listed = ", ".join(f"{name!r} ({count})" for name, count in names.most_common(SHOWN))
    several = sum(bool(one.unknown) for one in counted)
    return f"headings that are in no table, in {several} reports; their text counts as findings: {listed}" * bool(
        listed
    )


def _of_texts(counted: Sequence[CountedReport], text_length: int | None) -> list[str]:
    untold = sum(one.language == UNKNOWN for one in counted)
    wrong = sum(one.wrong_letters for one in counted)
    longer = sum(one.words > text_length for one in counted) if text_length else 0
    return [
        f"{untold} of {len(counted)} reports are in a language that could not be told" * bool(untold),
        f"{wrong} of {len(counted)} reports have letters that come of a wrong encoding (Ã³, �): read them from the "
        "files again" * bool(wrong),
        f"at least {longer} of {len(counted)} reports are longer than the {text_length} tokens that the model reads, "
        "and lose their end; the impression comes first" * bool(longer),
    ]
