"""Where the headings of a report stand: at the head of a line, alone on one, or after a sentence, as in MIMIC-CXR.

Marks of lists and of Markdown around them do not count (``**Findings**``, ``2. FINDINGS:``, ``=== FINDINGS ===``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from unimedi.cohort.reports.heading_names import PLACE, TITLE, UNKNOWN, WORDS, kind_of

KEPT = ("findings", "impression", "addendum")  # what trains
A_LINE = ("signature", "administrative", "detail")  # these say what stands on their line, and no more
A_PARAGRAPH = ("note", "recommendation")
LAST = ("note", "signature", "recommendation")  # come at the end, also in the line of the findings
UNKNOWN_WORDS = 4  # of a heading within a line that no table knows: more are a sentence

_NUMBER = r"(?:\(?(?:\d{1,2}|[A-Za-z])[.)][ \t]+)?"
_LINE = re.compile(
    rf"^[ \t>|]*(?:[*_#=~•\[<–—-]+[ \t]*)?{_NUMBER}[*_]*(?P<name>[^\W\d_][^:：\n.;!?。*#=\[\]]{{0,70}}?)"
    r"[ \t\xa0]*[*_#=~\])>-]*[ \t\xa0]*(?:(?P<colon>[:：])[*_]*|(?P<dash>[ \t][–—-](?=[ \t]))|"
    r"(?P<end>[*_#=~\]>–—-]*[ \t]*)$)",
    re.MULTILINE,
)
_BARE = re.compile(
    r"^[ \t]*(?P<name>[^\W\d_a-z]{4,}(?:[ \t]+[^\W\d_a-z]{2,}){0,2})[ \t]+(?=[^\W\d_a-z]?[a-z]{2,}|A[ \t]|\d)",
    re.MULTILINE,
)
_ADDED = re.compile(  # also without a colon: ADDENDUM by Dr. X on 3/4, ***ADDENDUM***
    r"^[ \t*_#=\[(<-]*(?P<name>(?:ADDEND(?:UM|A)|ADENDA|Addend(?:um|a)|Adenda|NACHTRAG|Nachtrag)\b"
    r"(?:[ \t]+(?:(?:by|from|of|to|dated|on|vom|von|zum|del?|por|du)\b|[#(\d])[^\n:]{0,60}(?=:))?)[ \t*_#=\])>-]*:?",
    re.MULTILINE,
)
SENTENCE_ENDS = ".!?。)]*"
_WITHIN = re.compile(
    rf"[.!?;:。；)\]*](?=(?P<all>['\"”]?[ \t\xa0]*{_NUMBER}[*_]*(?P<name>[^\W\d_][^:：\n.;!?。*]{{0,60}}?)"
    r"[ \t\xa0]*[:：][*_]*))"
)
_MARK = re.compile(r"[X\W_]+")  # of de-identification
_CAPITALS = re.compile(r"(?<![^\W_])(?P<name>(?:[^\W\d_a-z]{2,}[ \t/&,-]+){0,6}[^\W\d_a-z]{4,}(?:\(S\))?)[ \t]*[:：]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in a text: its kind, its name as written, and where it and the text under it begin."""

    kind: str
    name: str
    start: int
    end: int


def find_headings(text: str) -> list[Heading]:
    """The headings of a report in their order; none overlaps another.

    Words right behind a heading that does not train are no heading of their own, unless they are in capitals or known:
    ``re`` in ``INDICATION: Chest pain, re: altercation`` is none.
    """
    shouted = not any(char.islower() for char in text)
    found = sorted((*_at_lines(text), *_within_lines(text, shouted)), key=lambda head: (head.start, -head.end))
    kept: list[Heading] = []
    section = ""
    for head in found:
        if kept and head.start < kept[-1].end:
            continue
        first = kept and kept[-1].kind not in KEPT and not text[kept[-1].end : head.start].strip()
        if _may_stand(text, head, section) and not (first and head.kind == UNKNOWN and not head.name.isupper()):
            kept.append(head)
            section = head.kind if head.kind not in (*A_LINE, *A_PARAGRAPH, UNKNOWN, PLACE, TITLE) else section
    return kept


def _at_lines(text: str) -> Iterator[Heading]:
    for match in _ADDED.finditer(text):
        yield Heading("addendum", match["name"], match.start(), match.end())
    for match in _BARE.finditer(text):
        if (kind := kind_of(match["name"], colon=False)) in KEPT:
            yield Heading(kind, match["name"], match.start(), match.end())
    for match in _LINE.finditer(text):
        name, kind = match["name"], kind_of(match["name"], bool(match["colon"]))
        capital = name[0].isupper() or not name[0].islower()
        if match["colon"]:
            sound = kind not in (UNKNOWN, TITLE, PLACE) or capital
            follows = text[match.end() :][:1]  # no digit or stroke: 5:47, https://
            sound &= kind != UNKNOWN or (_short(name, WORDS) and (follows.isspace() or follows.isalpha()))
        else:  # "findings" alone in small letters is a wrapped line, and so may be a place
            sound = capital and kind not in (UNKNOWN, *A_LINE)
            sound &= kind not in (TITLE, PLACE) or (
                name.isupper() and not text[: match.start()].rstrip(" \t").endswith((",", "-"))
            )
        if sound:
            yield Heading(kind, name, match.start(), match.end())


def _within_lines(text: str, shouted: bool) -> Iterator[Heading]:
    capitals = {head.end: head for head in _in_capitals(text, shouted)}
    for match in _WITHIN.finditer(text):
        name = match["name"]
        mixed = match.end("all") in capitals and not name.isupper()  # "Bones unremarkable IMPRESSION:"
        kind = UNKNOWN if kind_of(name) == TITLE else kind_of(name)
        known = kind not in (UNKNOWN, PLACE)
        short = name[0].isupper() and _short(name, WORDS if name.isupper() else UNKNOWN_WORDS)
        if not mixed and (known or (short and match.group()[0] in SENTENCE_ENDS)):
            capitals.pop(match.end("all"), None)
            yield Heading(kind, name, match.start("all"), match.end("all"))
    yield from capitals.values()


def _in_capitals(text: str, shouted: bool) -> Iterator[Heading]:
    """Headings in capitals at the end of other words: ``IMPRESSION`` of ``cough CT CHEST IMPRESSION:``.

    The longest that is known counts. In a text that is all in capitals, only headings of what trains do.
    """
    for match in _CAPITALS.finditer(text):
        for word in re.finditer(r"[^\s/&,-]+", match["name"]):
            start = match.start("name") + word.start()
            name = text[start : match.end("name")]
            kind = kind_of(name, colon=False)
            if kind not in (UNKNOWN, TITLE, PLACE) and (not shouted or kind in KEPT):
                yield Heading(kind, name, start, match.end())
                break


def _short(name: str, most: int) -> bool:
    """Whether an unknown name can be a heading: of ``most`` words or fewer, and not a mark of de-identification."""
    return len(name.split()) <= most and not _MARK.fullmatch(name)


def _may_stand(text: str, head: Heading, section: str) -> bool:
    """Whether a heading counts where it stands: within a line of findings one in small letters does not end them
    (``Contrast: good. Nodule of 8 mm.``)."""
    in_line = bool(text[: head.start].rpartition("\n")[2].strip())
    dropped = head.kind not in (*KEPT, *LAST, UNKNOWN, PLACE, TITLE) if section else head.kind in A_LINE
    return not (in_line and section in (*KEPT, "") and dropped and not head.name.isupper())
