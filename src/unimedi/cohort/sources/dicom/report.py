"""The text of a radiologist's structured report: its headings and sentences in order; of several, which one counts."""

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unimedi.cohort.reports.heading_names import PLACE, TITLE, UNKNOWN, kind_of
from unimedi.cohort.sources.dicom.report_classes import concept, unfit
from unimedi.files.markup import plain
from unimedi.files.text_file import TextError, decode

DEEPEST = 40  # levels of content: a report has three or four
ASCII = ("", "ISO_IR 6")  # what SpecificCharacterSet says where it does not say which letters there are
CONTEXT = ("HAS OBS CONTEXT", "HAS ACQ CONTEXT", "HAS CONCEPT MOD")  # of an item: who observed, whom, where; no text
# Headings by code (DICOM's CID 7001 and LOINC), whatever language their meaning is written in.
HEADINGS = {
    **dict.fromkeys(("121070", "121071", "59776-5", "18782-3"), "Findings"),
    **dict.fromkeys(("121072", "121073", "121076", "121077", "121111", "19005-8", "55110-1", "55112-7"), "Impression"),
    **dict.fromkeys(("121060", "121062", "121109", "121110", "11329-0", "18785-6", "55115-0"), "Indication"),
    **dict.fromkeys(("121064", "121065", "55111-9"), "Technique"),
    **dict.fromkeys(("121066", "121068", "121069", "18834-2", "55114-3"), "Comparison"),
    **dict.fromkeys(("121074", "121075", "18783-1"), "Recommendation"),
    **dict.fromkeys(("121078", "55107-7"), "Addendum"),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A report as one DICOM object. ``replaces``: the objects that it is a later version of. ``final``: not stated to
    be preliminary, and not unverified."""

    uid: str
    study: str
    text: str
    written: str
    final: bool
    replaces: tuple[str, ...]


def read_document(path: Path) -> Document | str | None:
    """The report that a file holds, or why its document is none; None where no document can be read, or no text is in
    it."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header: Any = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            if reason := unfit(header):
                return reason
            study = str(header.get("StudyInstanceUID") or "")
            text = _letters("\n".join(_lines(header, "", 0)).strip(), header, path.name)
        if not study or not text:
            return None
        return Document(
            str(header.get("SOPInstanceUID") or path),
            study,
            text,
            f"{header.get('ContentDate') or ''}{header.get('ContentTime') or ''}",
            header.get("VerificationFlag") != "UNVERIFIED" and header.get("PreliminaryFlag") != "PRELIMINARY",
            tuple(_replaced(header)),
        )
    except TextError as error:
        return f"a report: {error.reason}"
    except Exception:  # damaged bytes make pydicom raise nearly anything; the walk lists the file as no image
        return None


def reports_by_study(found: Sequence[tuple[str, Document]]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The report of each study, and the documents (by name) that are left out, with the reason.

    A later version replaces those that it names. Where a final report is there, preliminary ones do not count. What
    remains is joined in the order of its time: addenda, and the reports of several examinations in one study.
    """
    left: list[tuple[str, str]] = []
    replaced = {uid for _, document in found for uid in document.replaces}
    with_final = {one.study for _, one in found if one.final and one.uid not in replaced}
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for name, one in sorted(found, key=lambda pair: (pair[1].written, pair[1].uid)):
        if one.uid in replaced:
            left.append((name, "a report of which a later version is there"))
        elif not one.final and one.study in with_final:
            left.append((name, "a preliminary report beside the final one"))
        elif one.text in texts[one.study]:
            left.append((name, "a copy of another report of its study"))
        else:
            texts[one.study].append(one.text)
    return {study: "\n".join(several) for study, several in texts.items()}, left


def _lines(item: Any, above: str, depth: int) -> Iterator[str]:
    """``FINDINGS: text``; a text whose own name is no heading stands under that of its container."""
    if depth and item.get("RelationshipType") in CONTEXT:
        return
    own = _heading(item)
    text = _text(item)
    if text:
        heading = own if own and (not above or kind_of(own) not in (UNKNOWN, PLACE, TITLE)) else above
        label = f"{own}: " if own and heading != own else ""
        yield f"{heading.upper()}: {label}{text}" if heading else text
    if depth < DEEPEST:
        inner = own if depth and kind_of(own) not in (UNKNOWN, TITLE) else above
        for child in item.get("ContentSequence") or ():
            yield from _lines(child, inner or (own if depth else ""), depth + 1)


def _text(item: Any) -> str:
    """A text with its own lines; a finding that is a code; a number with its unit."""
    value_type = item.get("ValueType")
    if value_type == "NUM" and item.get("MeasuredValueSequence"):
        measured = item.MeasuredValueSequence[0]
        units = measured.get("MeasurementUnitsCodeSequence")
        unit = str(units[0].get("CodeValue") or "") if units else ""
        return f"{measured.get('NumericValue')} {unit}".strip()
    if (
        value_type == "CODE"
        and item.get("ConceptCodeSequence")
        and kind_of(_heading(item)) in ("findings", "impression")
    ):
        return str(item.ConceptCodeSequence[0].get("CodeMeaning") or "")
    return plain(str(item.get("TextValue") or "")).replace("\r\n", "\n").strip()


def _letters(text: str, header: Any, name: str) -> str:
    """The text, in the letters that its bytes are where the header names none: pydicom takes them for Latin-1.

    Raises:
        TextError: bytes that do not fit the character set that is stated, or whose letters cannot be told.
    """
    stated = str(header.get("SpecificCharacterSet") or "")
    if "\ufffd" in text:
        raise TextError(name, f"its letters are not of the character set that it states ({stated})")
    silent = stated in ASCII and not text.isascii() and all(ord(char) < 256 for char in text)
    return decode(text.encode("latin-1"), name) if silent else text


def _heading(item: Any) -> str:
    """What a report calls the section, by the code of the item's name, else by its meaning."""
    _, code, meaning = concept(item)
    return HEADINGS.get(code, {"finding": "Findings", "conclusion": "Impression"}.get(meaning.casefold(), meaning))


def _replaced(header: Any) -> Iterator[str]:
    for study in header.get("PredecessorDocumentsSequence") or ():
        for series in study.get("ReferencedSeriesSequence") or ():
            for one in series.get("ReferencedSOPSequence") or ():
                yield str(one.get("ReferencedSOPInstanceUID") or "")
