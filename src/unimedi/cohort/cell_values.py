"""What a table's cells mean: splits, modalities, labels and languages, in the spellings that people use.

Each ``read_…`` raises InputError that says what came and what was expected.
"""

import datetime
import re
from contextlib import suppress

from unimedi.cohort.study import Modality, Split
from unimedi.errors import InputError, nearest

SPLITS = {
    Split.TRAIN: ("train", "training"),
    Split.VALIDATION: ("validation", "val", "valid", "validate", "dev", "development"),
    Split.TEST: ("test", "testing"),
}
LABELS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False, "": None}
XRAYS = ("xr", "x-ray", "xray", "x ray", "cxr", "rx", "rg", "dr", "radiograph", "xp")  # other words for one
MISSING = frozenset(("na", "n/a", "#n/a", "nan", "nat", "<na>", "null", "none"))  # what R, pandas and databases write
_CODES = (
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo "
    "es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka "
    "kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng "
    "nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su "
    "sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
ISO_639_1 = frozenset(_CODES.split())
UNKNOWN_LANGUAGE = "und"
_REGION = re.compile(r"([a-z]{2})[-_][a-z0-9]{2,4}")  # en-US


def without_missing(cell: str) -> str:
    """The cell, or nothing where it holds a word for a missing value (``NA``, ``nan``, ``NULL``)."""
    return "" if cell.casefold() in MISSING else cell


def read_split(text: str) -> Split:
    """``Val`` as ``Split.VALIDATION``. A word that means validation to some and test to others (``eval``) raises."""
    found = next((split for split, names in SPLITS.items() if text.strip().casefold() in names), None)
    if found is None:
        names = [name for spellings in SPLITS.values() for name in spellings]
        meant = nearest(text, names, 0.5, str.casefold)
        also = ", ".join(name for name in names if name not in list(Split))
        raise InputError(f"unknown split {text!r}{meant}, expected one of {', '.join(Split)} (also read: {also})")
    return found


def read_modality(text: str) -> Modality:
    """DICOM's code in any case."""
    try:
        return Modality(text.strip().upper())
    except ValueError:
        xray = "; an X-ray is DX, or CR" if text.strip().casefold() in XRAYS else ""
        meant = "" if xray else nearest(text, [one.value for one in Modality], 0.75, str.upper)
        raise InputError(f"unknown modality {text!r}{meant}, expected one of {', '.join(Modality)}{xray}") from None


def read_date(text: str) -> datetime.date | None:
    """A day as ISO 8601 or DICOM write it, ``2024-01-31`` or ``20240131``; None where nothing is given."""
    day = without_missing(text.strip())
    if not day:
        return None
    if re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", day):
        with suppress(ValueError):  # the 31st of February
            return datetime.date.fromisoformat(day)
    raise InputError(f"unknown date {text[:80]!r}, expected one like 2024-01-31")


def date_or_none(text: str) -> datetime.date | None:
    """As :func:`read_date`; None, too, where it is no day: for dates that others wrote."""
    with suppress(InputError):
        return read_date(text)
    return None


def read_label(text: str) -> bool | None:
    """Present, absent, or None for unknown."""
    try:
        return LABELS[without_missing(text).casefold()]
    except KeyError:
        raise InputError(f"is {text!r}, expected 1, 0 or empty (1.0, true, 0.0, false and NA are read, too)") from None


def read_language(text: str) -> str:
    """``en`` of ``en``, ``EN`` and ``en-US``; empty where nothing is given."""
    code = without_missing(text).casefold()
    region = _REGION.fullmatch(code)
    code = region[1] if region else code
    if code and code not in ISO_639_1 and code != UNKNOWN_LANGUAGE:
        expected = f"a code of ISO 639-1 (en, es, de, fr, it, pt …), {UNKNOWN_LANGUAGE} or empty"
        raise InputError(f"unknown language {text!r}, expected {expected}")
    return code
