"""English: how a place, a side, a size and a severity are put into words, to fill the phrases of ``english.yaml``."""

import re
from collections.abc import Sequence
from random import Random

from unimedi.phantom.patient.catalogue import Finding
from unimedi.phantom.reports.language import Habits, measured

ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
SUFFIX = {1: "st", 2: "nd", 3: "rd"}
FORMS = {
    "solid": ("solid", "soft tissue"),
    "spiculated": ("spiculated",),
    "subsolid": ("subsolid", "part-solid"),
    "cavitating": ("cavitating", "cavitary"),
    "part_solid": ("part-solid", "subsolid"),
    "calcified": ("calcified",),
}
MARGINS = {"smooth": ("smooth", "well-defined"), "spiculated": ("spiculated",)}
ZONE = {"upper": "upper", "middle": "mid", "lower": "lower"}


def _place(finding: Finding, zone: str | None, habits: Habits, rng: Random) -> dict[str, str]:
    """``where`` ("in the right upper lobe"), ``loc`` ("right upper lobe") and ``region`` of a lung finding."""
    side, lobe = finding.side or "both", finding.lobe
    both = side == "both"
    if lobe is None:
        lung = "both lungs" if both else f"{side} lung"
        where = rng.choice(("in both lungs", "bilaterally")) if both else f"in the {lung}"
        return {"where": where, "loc": "bilateral" if both else lung, "region": lung}
    by_lobe = zone is None or (zone == lobe != "middle" and rng.random() < 0.4)
    name = f"{lobe} lobe" if by_lobe else f"{ZONE[zone or lobe]} {rng.choice(('zone', 'lung', 'lung zone'))}"
    if both:
        where = "at both lung bases" if lobe == "lower" and rng.random() < 0.4 else f"in both {name}s"
        return {"where": where, "loc": f"bilateral {name}", "region": f"{name}s bilaterally"}
    if by_lobe and lobe == "middle" and side == "left":
        return {"where": "in the left lingula", "loc": "left lingular", "region": "left lingula"}
    if zone == "lower" and rng.random() < 0.3:
        return {"where": f"at the {side} lung base", "loc": f"{side} basal", "region": f"{side} lung base"}
    loc = f"{side} {name}"
    if habits.abbreviates and by_lobe:
        loc = f"{side[0].upper()}{lobe[0].upper()}L"
    return {"where": f"in the {loc}", "loc": loc, "region": loc}


def _rib(finding: Finding, rng: Random) -> dict[str, str]:
    side = finding.side or "right"
    if finding.rib is None:
        return {"rib": f"{side} rib", "the_rib": f"a {side} rib"}
    digits = f"{finding.rib}{SUFFIX.get(finding.rib, 'th')}"
    number = rng.choice((digits, ORDINALS[finding.rib - 1]))
    return {"rib": f"{side} {number} rib", "the_rib": f"the {side} {number} rib"}


def slots(finding: Finding, grades: Sequence[str], zone: str | None, habits: Habits, rng: Random) -> dict[str, str]:
    """What fills the braces of ``english.yaml`` for one finding; arguments as ``language.FillSlots`` says."""
    both = finding.side in ("both", None)
    place = _place(finding, zone, habits, rng)
    severity = rng.choice(grades)
    size, dims = measured(finding.size_mm, habits, rng)
    zones = {"upper": "upper lobe", "middle": "mid-zone", "lower": "basal"}
    one_sided = "" if both else f" {place['where']}"
    return {
        **place,
        **_rib(finding, rng),
        "side": "bilateral" if both else str(finding.side),
        "on_side": "bilaterally" if both else f"on the {finding.side}",
        "size": size,
        "form": rng.choice(FORMS.get(finding.form, ("",))),
        "margin": rng.choice(MARGINS[finding.margin]) if finding.margin else "",
        "dims": dims,
        "sev": severity,
        "sevly": f"{severity}ly",
        "is_a": "are " if both else "is a ",
        "a": "" if both else "a ",
        "is": "are" if both else "is",
        "s": "s" if both else "",
        "um": "a" if both else "um",
        "pneumothorax": "pneumothoraces" if both else "pneumothorax",
        "pred": f", {zones[finding.lobe]} predominant" if both and finding.lobe else one_sided,
    }


def polish(text: str) -> str:
    """Articles before a vowel sound ("an 8 mm", "an extensive") and no doubled spaces."""
    text = re.sub(r"\b([Aa]) (?=[aeio]|8|11\b|18\b)", r"\1n ", text)
    text = text.replace("the both", "both")
    return re.sub(r"  +", " ", text)
