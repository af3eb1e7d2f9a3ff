"""A cohort's reports in another language, each translated once: what was done is kept in a file beside.

The translator is anyone's: a function of sentences. ``inputs/translate.py`` has one that runs a model from a folder.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from unimedi.cohort.reports.report import sections
from unimedi.cohort.study import Study
from unimedi.errors import InputError

Translator = Callable[[list[str]], list[str]]
BATCH = 32  # sentences a call
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")


def translate_reports(
    studies: Sequence[Study], language: str, translate: Translator, name: str, cache: Path
) -> Iterator[Study]:
    """The studies in their order; those whose report is in ``language`` and has no translation get one.

    Findings, impression and addenda are translated, sentence by sentence, for models are trained on sentences; the
    original stays in ``report.text``. ``cache`` holds a line a sentence, keyed by a hash of it and of the translator's
    ``name``, written as soon as it is known: what was interrupted goes on, and a sentence of many reports costs once.

    A report of which a sentence comes back empty keeps none: half a report would say that the rest is not there.

    Raises:
        InputError: the translator gives another number of sentences than it was given.
    """
    known = _read(cache)
    for study in studies:
        report = study.report
        if report.language != language or report.translation or not report.text:
            yield study
            continue
        found = sections(report.text)
        parts = {"FINDINGS": found.findings, "IMPRESSION": found.impression, "ADDENDUM": found.addendum}
        lines = {head: [s for s in _SENTENCE.split(text) if s] for head, text in parts.items()}
        new = list(dict.fromkeys(s for said in lines.values() for s in said if _key(name, s) not in known))
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            _extend(known, cache, name, batch, translate(batch))
        if not all(known[_key(name, s)] for said in lines.values() for s in said):
            yield study
            continue
        said = {head: " ".join(known[_key(name, s)] for s in text) for head, text in lines.items()}
        text = "\n".join(f"{head}: {words}" for head, words in said.items() if words)
        yield replace(study, report=replace(report, translation=text))


def _extend(known: dict[str, str], cache: Path, name: str, given: Sequence[str], got: Sequence[str]) -> None:
    if len(got) != len(given):
        raise InputError(f"{name} was given {len(given)} sentences and came back with {len(got)}")
    new = {_key(name, sentence): " ".join(text.split()) for sentence, text in zip(given, got, strict=True)}
    with cache.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps([key, text], ensure_ascii=False) + "\n" for key, text in new.items())
    known.update(new)


def _read(cache: Path) -> dict[str, str]:
    """The last line may be half of one, where a writer was killed."""
    known: dict[str, str] = {}
    if not cache.is_file():
        return known
    whole = cache.read_text(encoding="utf-8").rpartition("\n")[0]
    for line in whole.splitlines():
        try:
            key, text = json.loads(line)
        except ValueError as error:
            raise InputError(f"{cache}: {line[:60]!r} is no line of a translation cache") from error
        known[key] = text
    # What is appended next must begin on a line of its own.
    cache.write_text(whole + "\n" if whole else "", encoding="utf-8")
    return known


def _key(name: str, sentence: str) -> str:
    return hashlib.sha256(f"{name}\0{sentence}".encode()).hexdigest()
