"""Spanish: how a place, a size and a side are put into words, and the phrases around the findings."""

import re
from random import Random

from unimedi.phantom.findings import Finding
from unimedi.phantom.wording.language import Habits, Wording, size_text
from unimedi.phantom.wording.spanish_phrases import FINDINGS, NORMALS

ORDINALS = [
    "primer",
    "segundo",
    "tercer",
    "cuarto",
    "quinto",
    "sexto",
    "séptimo",
    "octavo",
    "noveno",
    "décimo",
    "undécimo",
    "duodécimo",
]
FORMS = {
    "solid": ("sólido", "sólida"),
    "spiculated": ("espiculado", "espiculada"),
    "subsolid": ("subsólido", "subsólida"),
    "cavitating": ("cavitado", "cavitada"),
}
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


def _slots(finding: Finding, zone: str | None, habits: Habits, rng: Random) -> dict[str, str]:
    side = finding.side or "both"
    where = _where(finding, zone, rng)
    severity = rng.choice(FINDINGS[finding.name].severity.get(finding.severity, (finding.severity,)))
    size = size_text(finding.size_mm, habits, rng, ",")
    value, unit = size.split()
    other = float(value.replace(",", ".")) * rng.uniform(0.82, 0.98)
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
        "dims": (f"{value} x {other:.1f} {unit}" if unit == "cm" else f"{value} x {other:.0f} {unit}").replace(
            ".", ","
        ),
        "sev": severity,
        "of_rib": f"del {rib}arco costal {MASCULINE_SIDE['right' if side == 'both' else side]}",
        "pred": f" de predominio {predominance[finding.lobe]}" if side == "both" and finding.lobe else f" {where}",
    }


def _polish(text: str) -> str:
    return re.sub(r"  +", " ", text)


WORDING = Wording(
    findings=FINDINGS,
    normals=NORMALS,
    organs={"lungs": "Pulmones", "pleura": "Pleura", "heart": "Corazón", "hila": "Mediastino", "bones": "Huesos"},
    otherwise_clear=("Resto del parénquima sin alteraciones.", "Resto de los pulmones sin hallazgos."),
    negations=("Sin {}.", "No hay {}.", "Sin evidencia de {}.", "Sin signos de {}."),
    joiner="ni",
    normal_impression={
        "any": (
            "Sin hallazgos agudos.",
            "Estudio sin alteraciones significativas.",
            "Sin evidencia de patología cardiopulmonar aguda.",
            "Estudio dentro de la normalidad.",
        ),
        "xray": ("Radiografía de tórax normal.",),
        "ct": ("TC de tórax normal.", "TC de tórax sin hallazgos significativos."),
    },
    follow_up=("Se recomienda control con TC.", "Correlacionar con la clínica."),
    headings={
        "indication": ("Indicación", "Datos clínicos"),
        "technique": ("Técnica",),
        "comparison": ("Comparación",),
        "findings": ("Hallazgos",),
        "impression": ("Impresión", "Impresión diagnóstica", "Conclusión"),
    },
    indications=(
        "Tos y fiebre.",
        "Disnea.",
        "Dolor torácico.",
        "Paciente de {age} años con tos.",
        "Paciente de {age} años con disnea de esfuerzo.",
        "Caída, descartar lesiones.",
        "Estudio preoperatorio.",
        "Control.",
    ),
    technique={
        "PA": ("Radiografía de tórax PA.", "Proyección posteroanterior."),
        "AP": ("Radiografía de tórax AP portátil.", "Proyección AP en decúbito."),
        "ct": ("TC de tórax.", "TC helicoidal de tórax."),
    },
    comparison=("No disponible.", "Sin estudios previos."),
    slots=_slots,
    polish=_polish,
)
