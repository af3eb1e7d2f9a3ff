"""Which DICOM documents are a radiologist's report, and what the others are: by SOP class, template and title.

Nearly every CT comes with a structured report that a machine wrote: its dose, measurements, the result of a CAD.
"""

import re
from typing import Any

ROOT = "1.2.840.10008.5.1.4.1.1."
# Text SR and Comprehensive SR of the trial, Basic Text, Enhanced, Comprehensive, Comprehensive 3D, Extensible SR.
TEXTS = tuple(ROOT + last for last in ("88.1", "88.4", "88.11", "88.22", "88.33", "88.34", "88.35"))
STRUCTURED, ENCAPSULATED = ROOT + "88.", ROOT + "104."
# Templates of DICOM PS3.16 that hold no radiologist's text: measurements, key objects, logs, CAD, ultrasound, dose.
TEMPLATES = {
    **dict.fromkeys(("1500", "1501"), "measurements"),
    "2010": "a selection of key objects",
    "3001": "a procedure log",
    **dict.fromkeys(("4000", "4100", "4120"), "the result of a CAD"),
    **dict.fromkeys(("5000", "5100", "5200", "5220", "5300"), "measurements"),
    **dict.fromkeys(("10001", "10003", "10011", "10021", "10030", "10040"), "a radiation dose report"),
}
# Titles of such documents in DICOM's own codes.
TITLES = {
    **dict.fromkeys(("113701", "113500", "113507", "113811", "128000"), "a radiation dose report"),
    **dict.fromkeys(("111036", "112000", "112220"), "the result of a CAD"),
    **dict.fromkeys(("126000", "126001", "126002", "126003"), "measurements"),
    **dict.fromkeys(("125000", "125100", "125200", "125201"), "measurements"),  # of ultrasound
    **dict.fromkeys(map(str, range(113000, 113040)), "a selection of key objects"),
    "121145": "a procedure log",
}
# And by words of the title, in whatever scheme: the first that is found.
WORDS = {
    "a radiation dose report": r"(?<!low[ -])(?<!faible )(?<!baixa )dose|(?<!baja )(?<!niedrig)dosis|dosi[mg]|"
    r"radiopharm|(?:radiation|patient) exposure",
    "the result of a CAD": r"\bcad\b|computer.aided|(?-i:\bAI\b)|artificial intelligence",
    "measurements": r"measurement|quantitative|biometr|echocardiogra\w+ procedure|ultrasound procedure|messung",
    "a selection of key objects": r"key (?:object|image)|manifest",
    "a procedure log": r"\blog\b|acquisition context|imaging agent|administration|implantation plan|protocol",
    "another document than an imaging report": r"patholog|laborator|discharge|consult|\be[ck]g\b|electrocardio|"
    r"operative|history and physical|requisition|\border\b|consent|prescription|questionnaire|worksheet|technologist",
}


def unfit(header: Any) -> str:
    """Why a document's header says that it is no radiologist's report; empty for one that may be."""
    sop = str(header.get("SOPClassUID") or "")
    if sop.startswith(ENCAPSULATED):
        return f"{_named(sop)}: its text is not read"
    what = _what_class(sop) if sop.startswith(STRUCTURED) and sop not in TEXTS else ""
    template = next(iter(header.get("ContentTemplateSequence") or ()), None)
    what = what or TEMPLATES.get(str(template.get("TemplateIdentifier") if template else ""), "")
    _, _, meaning = title = concept(header)
    named = [title] if any(title) else [concept(item) for item in header.get("ContentSequence") or ()]
    what = what or next((TITLES[code] for scheme, code, _ in named if scheme == "DCM" and code in TITLES), "")
    what = what or next((what for what, words in WORDS.items() if re.search(words, meaning, re.IGNORECASE)), "")
    if what:
        return f"{what}, not a radiologist's report"
    if header.get("CompletionFlag") == "PARTIAL":
        return "a partial report: the rest of it is not written"
    return ""


def concept(item: Any) -> tuple[str, str, str]:
    """Coding scheme, code and meaning of a document's title or of an item's heading; empty where there is none."""
    names = item.get("ConceptNameCodeSequence")
    if not names:
        return "", "", ""
    code = names[0].get("CodeValue") or names[0].get("LongCodeValue") or ""
    return str(names[0].get("CodingSchemeDesignator") or ""), str(code), str(names[0].get("CodeMeaning") or "")


def _what_class(sop: str) -> str:
    name = _named(sop)
    return next((what for what, words in WORDS.items() if re.search(words, name, re.IGNORECASE)), name)


def _named(sop: str) -> str:
    from pydicom.uid import UID

    return str(UID(sop).name).removesuffix(" Storage")
