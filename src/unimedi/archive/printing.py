"""Hits as people and programs read them: a table, JSON, or CSV; and how many an index finds."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from unimedi.archive.query import Hit
from unimedi.archive.recall import ENOUGH, QUERIES

COLUMNS: Final = ("study_id", "patient_id", "modality", "date", "split", "findings", "report", "image")
SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?:- )?")
WORD: Final = re.compile(r"\w+")
WIDE: Final = 32  # characters of a hit's findings that a table shows
ROOT: Final = 5  # letters by which words are alike: effusion, effusions


def as_table(hits: Sequence[Hit], words: str = "", width: int = 160) -> str:
    """A line a hit, as wide as ``width`` characters at most, with the sentence of the report that shares most words."""
    if not hits:
        return "no study was found"
    head = ("", "score", "study", "modality", "date", "split", "findings", "report")
    rows = [
        (
            str(rank), f"{hit.score:.3f}", hit.study_id, hit.modality, hit.date.isoformat() if hit.date else "",
            hit.split, _cut(", ".join(hit.findings), WIDE), matching_sentence(hit.report, words),
        )
        for rank, hit in enumerate(hits, start=1)
    ]  # fmt: skip
    shown = [place for place in range(len(head)) if place < 4 or any(row[place] for row in rows)]
    sizes = {place: max(len(row[place]) for row in (head, *rows)) for place in shown}
    lines = ["  ".join(row[place].ljust(sizes[place]) for place in shown).rstrip() for row in (head, *rows)]
    return "\n".join(_cut(line, width) for line in lines)


def as_recall(recall: Mapping[str, float]) -> str:
    """What an index of vectors finds, and a sentence more where that is little."""
    found = ", ".join(f"{way}s {share:.3f}" for way, share in recall.items())
    lines = [f"recall@10 of the index of vectors against exact search, {QUERIES} of its own vectors asked: {found}"]
    if any(share < ENOUGH for share in recall.values()):
        lines.append(f"below {ENOUGH}: some of the nearest are missed, and what is no hit may be as near as one")
    return "\n".join(lines)


def as_json(hits: Sequence[Hit]) -> str:
    """A list of objects, with the report as a whole and the score of each way to compare."""
    return json.dumps([hit.to_json() for hit in hits], ensure_ascii=False, indent=1)


def as_csv(hits: Sequence[Hit]) -> str:
    """A row a hit; findings are joined by ``;``."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("rank", "score", *COLUMNS))
    for rank, hit in enumerate(hits, start=1):
        row = hit.to_json() | {"findings": ";".join(hit.findings), "date": hit.date.isoformat() if hit.date else ""}
        writer.writerow((rank, f"{hit.score:.6f}", *(row[name] for name in COLUMNS)))
    return text.getvalue().rstrip("\r\n")


def matching_sentence(report: str, words: str) -> str:
    """The first sentence of a report that shares most words with the query."""
    asked = _roots(words)
    sentences = SENTENCE.split(" ".join(report.split()).removeprefix("- "))
    return max(sentences, key=lambda sentence: len(asked & _roots(sentence)))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _roots(text: str) -> set[str]:
    return {word[:ROOT] for word in WORD.findall(text.casefold())}
