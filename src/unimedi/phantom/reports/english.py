"""English: how a place, a size and a side are put into words, and the phrases around the findings."""

import re
from random import Random

from unimedi.phantom.findings import Finding
from unimedi.phantom.wording.english_phrases import FINDINGS, NORMALS
from unimedi.phantom.wording.language import Habits, Wording, size_text

ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]
SUFFIX = {1: "st", 2: "nd", 3: "rd"}
FORMS = {
    "solid": ("solid", "soft tissue"),
    "spiculated": ("spiculated",),
    "subsolid": ("subsolid", "part-solid"),
    "cavitating": ("cavitating", "cavitary"),
}
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


def _slots(finding: Finding, zone: str | None, habits: Habits, rng: Random) -> dict[str, str]:
    both = finding.side in ("both", None)
    place = _place(finding, zone, habits, rng)
    graded = FINDINGS[finding.name].severity.get(finding.severity, (finding.severity,))
    severity = rng.choice(graded)
    size = size_text(finding.size_mm, habits, rng, ".")
    value, unit = size.split()
    other = float(value) * rng.uniform(0.82, 0.98)
    zones = {"upper": "upper lobe", "middle": "mid-zone", "lower": "basal"}
    one_sided = "" if both else f" {place['where']}"
    return {
        **place,
        **_rib(finding, rng),
        "side": "bilateral" if both else str(finding.side),
        "on_side": "bilaterally" if both else f"on the {finding.side}",
        "size": size,
        "form": rng.choice(FORMS.get(finding.form, ("",))),
        "dims": f"{value} x {other:.1f} {unit}" if unit == "cm" else f"{value} x {other:.0f} {unit}",
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


def _polish(text: str) -> str:
    """Articles before a vowel sound ("an 8 mm", "an extensive") and no doubled spaces."""
    text = re.sub(r"\b([Aa]) (?=[aeio]|8|11\b|18\b)", r"\1n ", text)
    text = text.replace("the both", "both")
    return re.sub(r"  +", " ", text)


WORDING = Wording(
    findings=FINDINGS,
    normals=NORMALS,
    organs={"lungs": "Lungs", "pleura": "Pleura", "heart": "Heart", "hila": "Mediastinum", "bones": "Bones"},
    otherwise_clear=(
        "The lungs are otherwise clear.",
        "The remaining lungs are clear.",
        "Otherwise clear lungs.",
        "The rest of the lung parenchyma is unremarkable.",
    ),
    negations=("No {}.", "No evidence of {}.", "There is no {}.", "Negative for {}.", "No {} identified."),
    joiner="or",
    normal_impression={
        "any": (
            "No acute cardiopulmonary abnormality.",
            "No acute cardiopulmonary process.",
            "No acute findings.",
            "Unremarkable study.",
            "No evidence of acute cardiopulmonary disease.",
            "No active chest disease.",
            "Normal examination.",
            "No significant abnormality.",
        ),
        "xray": ("Normal chest radiograph.", "Normal chest X-ray.", "Unremarkable chest radiograph."),
        "ct": ("Normal CT of the chest.", "Unremarkable chest CT.", "No significant abnormality on chest CT."),
    },
    follow_up=("Follow-up CT is recommended.", "Clinical correlation is advised.", "Recommend further evaluation."),
    headings={
        "indication": ("Indication", "History", "Clinical history"),
        "technique": ("Technique", "Technique", "Examination"),
        "comparison": ("Comparison",),
        "findings": ("Findings",),
        "impression": ("Impression", "Impression", "Conclusion"),
    },
    indications=(
        "Cough and fever.",
        "Shortness of breath.",
        "Chest pain.",
        "{age}-year-old {person} with cough.",
        "{age}-year-old {person}, dyspnoea on exertion.",
        "{age}-year-old {person} with chest pain.",
        "Fall, rule out injury.",
        "Pre-operative assessment.",
        "Follow-up.",
        "Weight loss.",
        "Haemoptysis.",
    ),
    technique={
        "PA": ("PA view of the chest.", "Frontal PA radiograph.", "Chest radiograph, PA."),
        "AP": ("Portable AP view of the chest.", "Single AP radiograph.", "Chest radiograph, AP, supine."),
        "ct": ("CT of the chest.", "Helical CT of the thorax.", "Chest CT."),
    },
    comparison=("None.", "None available.", "No prior studies."),
    slots=_slots,
    polish=_polish,
)
