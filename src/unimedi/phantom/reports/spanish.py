"""Spanish: how a place, a side, a size and a severity are put into words, to fill the phrases of ``spanish.yaml``."""

import re
from collections.abc import Sequence
from random import Random

from unimedi.phantom.patient.catalogue import Finding
from unimedi.phantom.reports.language import Habits, measured

ORDINALS = (
    *("primer", "segundo", "tercer", "cuarto", "quinto", "sexto"),
    *("séptimo", "octavo", "noveno", "décimo", "undécimo", "duodécimo"),
)
FORMS = {
    "solid": ("sólido", "sólida"),
    "spiculated": ("espiculado", "espiculada"),
    "subsolid": ("subsólido", "subsólida"),
    "cavitating": ("cavitado", "cavitada"),
    "part_solid": ("parcialmente sólido", "parcialmente sólida"),
    "calcified": ("calcificado", "calcificada"),
}
MARGINS = {"smooth": ("lisos", "bien definidos"), "spiculated": ("espiculados",)}
PLURAL = {"superior": "superiores", "medio": "medios", "inferior": "inferiores"}
LOBE = {"upper": "superior", "middle": "medio", "lower": "inferior"}
MASCULINE_SIDE = {"right": "derecho", "left": "izquierdo", "both": "bilateral"}
FEMININE_SIDE = {"right": "derecha", "left": "izquierda", "both": "bilateral"}


def _where(finding: Finding, zone: str | None, rng: Random) -> str:
    side, lobe = finding.side or "both", finding.lobe
    if lobe is None:
        return "en ambos pulmones" if side == "both" else f"en el pulmón {MASCULINE_SIDE[side]}"
    by_lobe = zone is None or (zone == lobe != "middle" and rng.random() < 0.4)
    part = LOBE[lobe if by_lobe else zone or lobe]
    if zone == "lower" and rng.random() < 0.4:
        return "en ambas bases" if side == "both" else f"en la base {FEMININE_SIDE[side]}"
    organ = "lóbulo" if by_lobe else "campo"
    if side == "both":
        return f"en ambos {organ}s {PLURAL[part]}"
    if by_lobe and lobe == "middle" and side == "left":
        return "en la língula izquierda"
    return f"en el {organ} {part} {MASCULINE_SIDE[side]}"


def slots(finding: Finding, grades: Sequence[str], zone: str | None, habits: Habits, rng: Random) -> dict[str, str]:
    """What fills the braces of ``spanish.yaml`` for one finding; arguments as ``language.FillSlots`` says."""
    side = finding.side or "both"
    where = _where(finding, zone, rng)
    severity = rng.choice(grades)
    size, dims = (text.replace(".", ",") for text in measured(finding.size_mm, habits, rng))
    predominance = {"upper": "apical", "middle": "en campos medios", "lower": "basal"}
    rib = f"{ORDINALS[finding.rib - 1]} " if finding.rib else ""
    return {
        "where": where,
        "side_m": MASCULINE_SIDE[side],
        "side_f": FEMININE_SIDE[side],
        "side_h": "bilateral" if side == "both" else MASCULINE_SIDE[side],
        "on_side": "de forma bilateral" if side == "both" else f"en el lado {MASCULINE_SIDE[side]}",
        "size": size,
        "form_m": FORMS.get(finding.form, ("", ""))[0],
        "form_f": FORMS.get(finding.form, ("", ""))[1],
        "margin": rng.choice(MARGINS[finding.margin]) if finding.margin else "",
        "dims": dims,
        "sev": severity,
        "of_rib": f"del {rib}arco costal {MASCULINE_SIDE['right' if side == 'both' else side]}",
        "pred": f" de predominio {predominance[finding.lobe]}" if side == "both" and finding.lobe else f" {where}",
    }


def polish(text: str) -> str:
    """No doubled spaces, where a slot was empty."""
    return re.sub(r"  +", " ", text)
