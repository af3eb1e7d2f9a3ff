"""The text of a DICOM structured report: its headings and sentences in order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

DEEPEST = 40  # levels of content: a report has three or four


def read_report(path: Path) -> tuple[str, str] | None:
    """StudyInstanceUID and text of a structured report; None where the file is no report, or holds no text."""
    import pydicom

    try:
        header: Any = pydicom.dcmread(path, stop_before_pixels=True)
        study = str(header.get("StudyInstanceUID") or "")
        lines = list(_lines(header, 0))
    except Exception:  # damaged bytes make pydicom raise nearly anything; the walk lists the file as no image
        return None
    return (study, "\n".join(lines)) if study and lines else None


def _lines(item: Any, depth: int) -> Iterator[str]:
    """``FINDINGS: text`` where a heading is over it; a heading of a container stands before its first text."""
    text = " ".join(str(item.get("TextValue") or "").split())
    if text:
        heading = _heading(item)
        yield f"{heading.upper()}: {text}" if heading else text
    if depth < DEEPEST:
        for child in item.get("ContentSequence") or ():
            yield from _lines(child, depth + 1)


def _heading(item: Any) -> str:
    """The concept's name; a finding is ``Finding`` there, and findings are what a report calls them."""
    names = item.get("ConceptNameCodeSequence")
    name = str(names[0].get("CodeMeaning") or "") if names else ""
    return {"finding": "Findings", "conclusion": "Impression"}.get(name.lower(), name)
