"""Which way an X-ray was taken, as far as its header says: frontal, or not, or not stated.

Reports, findings and the model are about frontal images (PA and AP). A view that is stated in other words than those
below is not frontal: it is left out with these words. Axial, lordotic and decubitus projections are left out too, as
MIMIC-CXR's users do: the beam or the patient lies otherwise.
"""

import re
import unicodedata
from typing import Any, NamedTuple

FRONTAL = {"pa", "ap", "frontal", "front", "face", "frente", "posteroanterior", "anteroposterior", "dorsoventral"}
FRONTAL |= {"ventrodorsal", "posteroanteriore", "anteroposteriore", "frontale"}
# How the patient was when a frontal image was taken, and which body part: these change no view.
BESIDE = {"portable", "mobile", "bedside", "supine", "erect", "upright", "sitting", "standing", "semi", "semierect"}
BESIDE |= {"lying", "recumbent", "stretcher", "bed", "liegend", "stehend", "sitzend", "debout", "assis", "camilla"}
BESIDE |= {"chest", "thorax", "torax", "view", "projection", "inspiration", "expiration", "insp", "exp"}
BESIDE |= {"the", "and", "in", "en"}
OTHER = {"lateral", "lat", "laterale", "laterales", "ll", "rl", "lld", "rld", "llo", "rlo", "lao", "rao", "lpo", "rpo"}
OTHER |= {"xtable", "oblique", "obl", "oblicua", "obliqua", "obliquo", "oblicuo", "swimmers", "swimmer", "tangential"}
OTHER |= {"decubitus", "decub", "decubito", "axial", "lordotic", "lordotica", "profil", "profile", "perfil"}
OTHER |= {"laterolateral", "seitlich", "seitl", "schrag", "sagittal", "apical", "lateraal"}
SIGNS = {
    "正位": "frontal",
    "正面": "frontal",
    "后前位": "pa",
    "前后位": "ap",
    "侧位": "lateral",
    "側位": "lateral",
    "侧面": "lateral",
    "側面": "lateral",
}
UNSTATED = {"", "unknown", "unspecified", "other", "none", "na", "notstated", "undefined"}
# SNOMED CT, and the SRT codes before it, of DICOM's CID 4010.
CODES = {"399033003", "272479007", "399348003", "R-10202", "R-40888", "R-10206", "R-10214"}  # frontal, PA, AP
DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription", "StudyDescription")
VIEW_TAGS = ("ViewPosition", "ViewCodeSequence", "PatientOrientation", *DESCRIPTIONS)


class View(NamedTuple):
    """Whether an X-ray is frontal (None: not stated), and the words of the header that say so."""

    frontal: bool | None
    said: str = ""


UNSEEN = View(None)


def view_of(header: Any) -> View:
    """The view of an X-ray's header, by position and code; where both are silent, by how the patient lay to the rows
    and columns and by the first description that speaks. Of each two one is enough to say that it is not frontal: many
    devices write ``PA``, or ``L\\F``, whatever was done.
    """
    described = (_described(str(header.get(name) or "")) for name in DESCRIPTIONS)
    description = next((view for view in described if view.frontal is not None), UNSEEN)
    for pair in ((_position(header), _code(header)), (_orientation(header), description)):
        if stated := [view for view in pair if view.frontal is not None]:
            return next((view for view in stated if not view.frontal), stated[0])
    return UNSEEN


def view_by_name(name: str) -> View:
    """What the name of a picture says, which has no header: ``p1_lateral`` is not frontal. Short words may be names."""
    words = [word for word in _words(name) if len(word) > 3 or word in ("lat", "pa", "ap")]
    return _described(" ".join(words))


def _position(header: Any) -> View:
    said = str(header.get("ViewPosition") or "").strip()
    words = _words(said)
    if "".join(words) in UNSTATED or set(words) <= BESIDE:
        return UNSEEN
    return View(_all_frontal(words), said)


def _code(header: Any) -> View:
    """The first item of the sequence; a code that is not known here is judged by its meaning. A modifier of it (axial,
    lordotic, oblique) changes the view."""
    items = header.get("ViewCodeSequence") or []
    if not items:
        return UNSEEN
    code = str(items[0].get("CodeValue") or "").strip()
    meaning = str(items[0].get("CodeMeaning") or "").strip()
    changes = (str(item.get("CodeMeaning") or "") for item in items[0].get("ViewModifierCodeSequence") or [])
    if changed := next((view for view in map(_described, changes) if view.frontal is False), None):
        return View(False, f"{meaning or code}, {changed.said}")
    if code in CODES:
        return View(True, meaning or code)
    if not code and "".join(_words(meaning)) in UNSTATED:
        return UNSEEN
    return View(_all_frontal(_words(meaning)), meaning or f"view code {code}")


def _orientation(header: Any) -> View:
    """``L\\F`` is frontal: rows run to the left, columns to the feet. ``A\\F`` is lateral."""
    value = header.get("PatientOrientation") or []
    ends = [str(end)[:1].upper() for end in ([value] if isinstance(value, str) else value)]
    if len(ends) != 2 or not set(ends) <= set("APLRHF"):
        return UNSEEN
    sides = {"".join(sorted(pair & set(ends))) for pair in ({"A", "P"}, {"L", "R"}, {"H", "F"})} - {""}
    if len(sides) != 2:
        return UNSEEN
    frontal = not set(ends) & {"A", "P"}
    return View(frontal, f"patient orientation {ends[0]}\\{ends[1]}")


def _described(text: str) -> View:
    """What a free text says: nothing where it names both a frontal view and another (``chest PA and lateral``)."""
    words = set(_words(text))
    frontal, other = bool(words & FRONTAL), bool(words & OTHER)
    return UNSEEN if frontal == other else View(frontal, text.strip())


def _all_frontal(words: list[str]) -> bool:
    return bool(set(words) & FRONTAL) and set(words) <= FRONTAL | BESIDE


def _words(text: str) -> list[str]:
    """Words in small letters without accents; ``p.a.``, ``P-A`` and ``postero-anterior`` are one word each."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)).casefold()
    for sign, word in SIGNS.items():
        plain = plain.replace(sign, f" {word} ")
    plain = re.sub(r"(?<![a-z])([apl])[\W_]{0,2}([apl])(?![a-z])", r" \1\2 ", plain)
    plain = re.sub(r"(postero|antero|dorso|ventro|latero)[\W_]{0,2}(?=[advpl])", r"\1", plain)
    plain = re.sub(r"(?<![a-z])(?:x|cross)[\W_]{0,2}table", "xtable", plain)
    return re.findall(r"[^\W\d_]+", plain)
