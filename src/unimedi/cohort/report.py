"""A report's sections by rules, the text that trains and retrieves, and the language it is written in.

Headings in English and Spanish: ``FINDINGS:`` at the head of a line, in the middle of one as in MIMIC-CXR, or alone on
a line; with and without accents. A report without headings is findings as a whole.
"""

import re
from dataclasses import dataclass, fields

from unimedi.cohort.study import Report

HEADINGS = {
    "indication": (
        r"indications?|reasons? for (?:the )?(?:exam(?:ination)?|study)|(?:clinical )?history|"
        r"clinical (?:information|data|indications?)|indicaci[oó]n(?:es)?|antecedentes|"
        r"motivo(?: de (?:la )?(?:consulta|petici[oó]n)| del estudio)?|"
        r"(?:datos|informaci[oó]n|historia) cl[ií]nic[oa]s?"
    ),
    "comparison": r"comparisons?|comparison studies|comparaci[oó]n|estudios? previos?",
    "findings": (
        r"findings?(?: ?(?:and|/|&) ?impressions?)?|report|"
        r"hallazgos(?: ?(?:e|y|/) ?impresi[oó]n)?|informe|descripci[oó]n"
    ),
    "impression": (
        r"impressions?|conclusions?|opinion|summary|(?:final )?diagnosis|impresi[oó]n(?:es)?(?: diagn[oó]stica)?|"
        r"conclusi[oó]n(?:es)?|(?:juicio )?diagn[oó]stico|resumen"
    ),
    "other": (
        r"final report|wet read|examinations?|exam|procedure|techniques?|views?|recommendations?|notifications?|"
        r"addendum|t[eé]cnica|estudio|exploraci[oó]n|prueba|recomendaci[oó]n(?:es)?"
    ),
}
_ANY = "|".join(f"(?P<{name}>{pattern})" for name, pattern in HEADINGS.items())
_HEADING = re.compile(rf"(?<!\w)(?:{_ANY})[ \t]*(?::|(?=[ \t]*(?:\n|$)))", re.IGNORECASE)
_BLANK = re.compile(r"\n[ \t]*\n")

# What de-identification leaves: MIMIC's ___ and [**Name**], OpenI's XXXX.
_MARK = re.compile(r"_{2,}|\[\*\*.*?\*\*\]|\w*X{4,}\w*", re.DOTALL)
# Punctuation that nothing stands before any more.
_ORPHAN = re.compile(r"(?:^|(?<=[.!?]))\s*[.,;:!?]+(?=\s|$)")
# "1." or "(2)" at the head of a line or after a sentence, before a capital.
_NUMBER = re.compile(r"(?:^|(?<=[.;:!?])|[ \t]*\n)\s*\(?\d{1,2}[.)][ \t]+(?=[^\W\d_a-záéíóúñ])")

_WORDS = r"(?:[\w-]+ ){0,6}?"
# Reports that report nothing, whole and without case, accents of Spanish or not.
_NOTHING = re.compile(
    rf"(?:please )?(?:see|refer to) {_WORDS}(?:reports?|dictation|above|below|note|impression)"
    r"(?: (?:of|for|from|dated?|on)\b.*)?|"
    r"(?:no|pending|preliminary|final) (?:reports?|dictation|interpretation)(?: (?:available|to follow|given))?|"
    r"(?:report|dictation|interpretation) (?:is )?(?:not available|unavailable|pending|to follow)|"
    r"dictated but not read|none|n ?/ ?a|not (?:available|applicable|reported|dictated|read)|unavailable|pending|test|"
    r"as above|wet read only|"
    rf"(?:v[eé]ase|ver|se adjunta|adjunto) {_WORDS}informe\b.*|(?:sin|no hay|pendiente de) informe|no informad[oa]|"
    r"informe (?:no disponible|pendiente)|estudio no informado|no disponible|pendiente|sin datos",
    re.IGNORECASE,
)

# Function words that the other language does not have ("no" and "a" are in both).
_ENGLISH = re.compile(r"\b(?:the|of|is|are|and|with|there|was|were|in|to|for|right|left|or|not|this|has|been|from)\b")
_SPANISH = re.compile(r"\b(?:el|la|los|las|de|del|y|con|sin|en|se|un|una|que|por|al|es|son|derech[oa]|izquierd[oa])\b")


@dataclass(frozen=True, slots=True)
class Sections:
    """Each is plain text with single spaces; empty where the report has none."""

    indication: str = ""
    comparison: str = ""
    findings: str = ""
    impression: str = ""


def sections(text: str) -> Sections:
    """Split a report at its headings; a section that appears twice is joined.

    Where neither findings nor an impression is headed, the findings are the text under no heading: before the first
    one, or after the first paragraph of the last one (MIMIC-CXR's unheaded reports); at worst the whole text.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    heads = _headings(text)
    found: dict[str, list[str]] = {}
    ends = [match.start() for match in heads[1:]] + [len(text)]
    for match, end in zip(heads, ends[: len(heads)], strict=True):
        found.setdefault(match.lastgroup or "other", []).append(text[match.end() : end])
    joined = {field.name: _plain(" ".join(found.get(field.name, []))) for field in fields(Sections)}
    if not joined["findings"] and not joined["impression"]:
        joined["findings"] = _unheaded(text, heads)
    return Sections(**joined)


def training_text(report: Report) -> str:
    """What trains and what is retrieved: findings, then impression, of the translation where there is one.

    Never empty for a report that is not (marks of de-identification and list numbers aside).
    """
    text = report.translation or report.text
    parts = sections(text)
    return " ".join(part for part in (parts.findings, parts.impression) if part) or _plain(text)


def training_language(report: Report) -> str:
    """The language of ``training_text``."""
    return detect_language(report.translation) if report.translation else report.language


def says_nothing(text: str) -> bool:
    """Whether a report is empty or a phrase that stands for one ("see report of CT", "informe no disponible")."""
    plain = _plain(text).strip(" .;:-*\"'()")
    return not plain or bool(_NOTHING.fullmatch(plain))


def last_of_each(text: str) -> str:
    """The report with only the last section of every name: what MIMIC-CXR's own code takes, for a preliminary reading
    is repeated there in the final one. Elsewhere a repeated heading is a second body part, and both count."""
    heads, last = _headings(text), {}
    if not heads:
        return text
    ends = [match.start() for match in heads[1:]] + [len(text)]
    for place, match in enumerate(heads):
        last[match.lastgroup] = place
    kept = [text[: heads[0].start()]]
    kept += [
        text[match.start() : end]
        for place, (match, end) in enumerate(zip(heads, ends, strict=True))
        if match.lastgroup == "other" or last[match.lastgroup] == place
    ]
    return "".join(kept)


def detect_language(text: str) -> str:
    """``en`` or ``es`` (ISO 639-1) by function words; English where the text gives no sign."""
    text = text.lower()
    return "es" if len(_SPANISH.findall(text)) > len(_ENGLISH.findall(text)) else "en"


def _headings(text: str) -> list[re.Match[str]]:
    return [match for match in _HEADING.finditer(text) if _stands_as_heading(text, match)]


def _stands_as_heading(text: str, match: re.Match[str]) -> bool:
    """At the head of a line (capitalised if alone on it); else with a colon, after a sentence's end or in capitals."""
    before = text[: match.start()].rstrip(" \t")
    colon = match.group().endswith(":")
    if not before or before.endswith("\n"):
        return colon or match.group()[0].isupper()  # "findings" alone in lower case is a wrapped line
    return colon and (before[-1] in ".!?;:" or match.group().isupper())


def _unheaded(text: str, heads: list[re.Match[str]]) -> str:
    if not heads:
        return _plain(text)
    before = _plain(text[: heads[0].start()])
    last = text[heads[-1].end() :]
    after = last if heads[-1].lastgroup == "other" else " ".join(_BLANK.split(last.strip())[1:])
    return before or _plain(after) or _plain(text)


def _plain(text: str) -> str:
    """Single spaces, without list numbers and without what de-identification left; a sentence of nothing else goes."""
    text = _NUMBER.sub(lambda match: _between(text[: match.start()]), text)
    kept = _MARK.sub(" ", text)
    if kept != text:
        kept = _ORPHAN.sub(" ", re.sub(r"[ \t]+(?=[.,;:!?](?:\s|$))", "", kept))
    return " ".join(kept.split())


def _between(before: str) -> str:
    """What stands between two items of a list: a full stop, where the one before has no end of its own."""
    before = before.rstrip()
    return " " if not before or before[-1] in ".!?;:" else ". "
