"""A report's sections by rules, the text of it that is trained and retrieved with, and what is left out.

Findings, impression and addenda train. What stands under an indication, a comparison, a technique and the like does
not (``heading_names.py``), nor do notes to colleagues and signatures (``notes.py``). Text under any other heading is
findings: no finding may be lost, and a report without headings is findings as a whole.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields

from unimedi.cohort.reports.heading_names import PLACE, TITLE, UNKNOWN
from unimedi.cohort.reports.headings import A_LINE, A_PARAGRAPH, KEPT, Heading, find_headings
from unimedi.cohort.reports.language import detect_language
from unimedi.cohort.reports.notes import without_notes
from unimedi.cohort.study import Report
from unimedi.files.markup import plain

BEFORE = "before"  # what stands before the first heading
MAYBE_FINDINGS = ("examination", "technique", "preliminary", "recommendation", "note")  # where there is nothing else
COUNTED = {"signature": "note", "administrative": "note", "detail": "technique"}  # kinds that are counted as another
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_NEXT = re.compile(
    rf"{_PARAGRAPH.pattern}|(?<=[.!?])[ \t]*\n[ \t]*(?=[^\W\d_a-z])"
)  # or a sentence on a line of its own
# Of these the first paragraph is theirs; the story of an illness may have more lines.
OWN = {"indication": _PARAGRAPH, "comparison": _NEXT, "technique": _NEXT, "examination": _NEXT}
_SENTENCE_END = re.compile(r"[^\W\d_A-Z]{3}[.!?](?:\s|$)")

# What de-identification leaves: MIMIC's ___ and [**Name**], OpenI's XXXX.
_MARK = re.compile(r"_{2,}|\[\*\*.*?\*\*\]|\w*X{4,}\w*", re.DOTALL)
_BOLD = re.compile(r"(?<!\[)\*\*(?!\])")  # of Markdown
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


Parts = defaultdict[str, list[str]]  # kind of heading to the pieces of text under it


@dataclass(frozen=True, slots=True)
class Sections:
    """Each is plain text with single spaces; empty where the report has none."""

    indication: str = ""
    comparison: str = ""
    findings: str = ""
    impression: str = ""
    addendum: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What :func:`read_report` finds.

    Attributes:
        sections: findings, impression and the others.
        left_out: characters that do not train, by the kind of their heading.
        unknown: headings that are in no table, as they are written.
    """

    sections: Sections
    left_out: dict[str, int]
    unknown: tuple[str, ...]


def written_report(text: str, language: str = "", translation: str = "") -> Report:
    """A ``Report`` of a text that may be HTML or RTF; the language is detected where none is given."""
    text, translation = plain(text).strip(), plain(translation).strip()
    return Report(text, language or detect_language(text), translation) if text else Report("", translation=translation)


def sections(text: str) -> Sections:
    """A report's sections; one that appears twice is joined."""
    return read_report(text).sections


def read_report(text: str) -> Reading:
    """Split a report at its headings.

    Where no findings are headed, they are the sentences before the first heading and the paragraphs after the first one
    of an indication, a comparison or a technique (MIMIC-CXR's unheaded reports); at worst the whole text.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
    heads = find_headings(text)
    parts = _parts(text, heads)
    if not any(head.kind == "findings" for head in heads) or not any(part.strip() for part in parts["findings"]):
        _find_unheaded(parts, alone=not any(part.strip() for kind in KEPT for part in parts[kind]))
    for kind in KEPT:
        cleaned = [without_notes(part) for part in parts[kind]]
        parts[kind] = [kept for kept, _ in cleaned]
        parts["note"] += [note for _, note in cleaned]
    unknown = tuple(head.name for head in heads if head.kind == UNKNOWN)
    clean = {kind: _plain("\n".join(several)) for kind, several in parts.items()}
    if not any(clean[kind] for kind in KEPT):
        return Reading(Sections(**_of_sections(clean) | {"findings": _plain(text)}), {}, unknown)
    left_out = {kind: len(part) for kind, part in clean.items() if part and kind not in KEPT}
    return Reading(Sections(**_of_sections(clean)), left_out, unknown)


def training_text(report: Report) -> str:
    """The text of a report that is trained and retrieved with: impression, addendum and findings, in this order.

    The impression comes first, as a text encoder cuts off the end of what is too long.

    Args:
        report: its translation is read, where there is one.

    Returns:
        Plain text. It is empty only where the report is, but for marks of de-identification and list numbers.
    """
    text = report.translation or report.text
    found = sections(text)
    addendum = "" if says_nothing(found.addendum) else found.addendum
    joined = ""
    for part in filter(None, (found.impression, addendum, found.findings)):
        joined += (_between(joined) if joined else "") + part
    return joined or _plain(text)


def conclusion_first(text: str) -> str:
    """A report as the store keeps it, impression and addendum first; a text that has neither stays as it is."""
    found = sections(text)
    return training_text(Report(text)) if found.impression or found.addendum else text


def training_language(report: Report) -> str:
    """The language of ``training_text``."""
    return detect_language(report.translation) if report.translation else report.language


def says_nothing(text: str) -> bool:
    """Whether a report is empty or a phrase that stands for one ("see report of CT", "informe no disponible")."""
    said = _plain(text).strip(" .;:-*\"'()")
    return not said or bool(_NOTHING.fullmatch(said))


def last_of_each(text: str) -> str:
    """The report with only the last section of every name, as MIMIC-CXR's own code reads it.

    There a preliminary reading is repeated in the final one. In other collections a repeated heading is of a second
    body part, and both count.
    """
    heads = [head for head in find_headings(text) if head.kind not in (UNKNOWN, PLACE, *A_LINE)]
    ends = [head.start for head in heads[1:]] + [len(text)] * bool(heads)
    kinds = ["findings" if head.kind == TITLE else head.kind for head in heads]
    last = {kind: place for place, kind in enumerate(kinds) if text[heads[place].end : ends[place]].strip()}
    kept = [text[: heads[0].start] if heads else text]
    for place, (head, end) in enumerate(zip(heads, ends, strict=True)):
        if kinds[place] in ("addendum", "examination", *A_PARAGRAPH) or last.get(kinds[place]) == place:
            kept.append(text[head.start : end])
    return "".join(kept)


def _parts(text: str, heads: Sequence[Heading]) -> Parts:
    """The pieces of text under each kind of heading, as they are written."""
    parts: Parts = defaultdict(list, {BEFORE: [text[: heads[0].start] if heads else text]})
    section = BEFORE
    for head, end in zip(heads, [head.start for head in heads[1:]] + [len(text)] * bool(heads), strict=True):
        under = text[head.end : end]
        if head.kind in (UNKNOWN, PLACE, TITLE):
            section = section if section in KEPT else "findings"
            parts[section].append(under if head.kind == TITLE else text[head.start : end])
        elif head.kind in (*A_LINE, *A_PARAGRAPH):
            own = _PARAGRAPH.split(under.strip(), maxsplit=1)[0]
            own = under.partition("\n")[0] if head.kind in A_LINE else under[: under.index(own) + len(own)]
            parts[COUNTED.get(head.kind, head.kind)].append(own)
            parts[section].append(under.removeprefix(own))
        else:
            section = head.kind
            parts[section].append(under)
    return parts


def _find_unheaded(parts: Parts, alone: bool) -> None:
    """Move findings that no heading names to where they belong. ``alone``: there is no impression either."""
    before = _PARAGRAPH.split("\n\n".join(parts[BEFORE]))
    loose = [part for part in before if alone or _SENTENCE_END.search(part)]
    parts[BEFORE] = [part for part in before if part not in loose]
    for kind, end in OWN.items():
        pieces = [end.split(part.strip()) for part in parts[kind]]
        parts[kind] = [own for own, *_ in pieces]
        loose += [part for _, *more in pieces for part in more]
    parts["findings"] = loose + parts["findings"]
    if alone and not _plain(" ".join(parts["findings"])):
        last = next((kind for kind in MAYBE_FINDINGS if _plain(" ".join(parts[kind]))), BEFORE)
        parts["findings"] = parts.pop(last)


def _of_sections(parts: dict[str, str]) -> dict[str, str]:
    return {field.name: parts.get(field.name, "") for field in fields(Sections)}


def _plain(text: str) -> str:
    """Single spaces, without list numbers and without what de-identification left; a sentence of nothing else goes."""
    text = _BOLD.sub("", text)
    text = _NUMBER.sub(lambda match: _between(text[: match.start()]), text)
    kept = _MARK.sub(" ", text)
    if kept != text:
        kept = _ORPHAN.sub(" ", re.sub(r"[ \t]+(?=[.,;:!?](?:\s|$))", "", kept))
    return " ".join(kept.split())


def _between(before: str) -> str:
    """What stands between two items of a list: a full stop, where the one before has no end of its own."""
    before = before.rstrip()
    return " " if not before or before[-1] in ".!?;:。！？" else ". "
