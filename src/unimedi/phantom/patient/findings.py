"""How each finding is sampled: side, lobe, size, severity, place, and on which modality it can be seen.

Nodule diameters follow the long-tailed shape of LIDC-IDRI's annotations (median near 11 mm, most below 18 mm); lesions
are spread over the lungs' whole depth. All lengths are mm in the patient coordinates of ``anatomy``.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from unimedi.phantom.patient.anatomy import Anatomy, Array, Point, lobe_of, points_in_lung, rib_point
from unimedi.phantom.patient.catalogue import BOTH, CT_ONLY, Finding, Lobe, Severity, Side

Drawn = Mapping[str, Finding]  # the findings that the patient has already, by name


def _severity(rng: np.random.Generator, mild: float = 0.25, moderate: float = 0.4) -> Severity:
    roll = rng.random()
    return "mild" if roll < mild else "moderate" if roll < mild + moderate else "severe"


def _side(rng: np.random.Generator, both: float = 0.0) -> Side:
    roll = rng.random()
    return "both" if roll < both else "left" if roll < both + (1 - both) / 2 else "right"


def _lung(rng: np.random.Generator) -> tuple[int, Side, int]:
    """One lung at random: its index in pairs, its name, and the sign of its widths."""
    return (0, "right", -1) if rng.random() < 0.5 else (1, "left", 1)


def _size(rng: np.random.Generator, severity: Severity, *mm: float, spread: float = 0.15) -> float:
    """A size around the one of ``mm`` (mild, moderate, severe) that belongs to the severity."""
    return mm[("mild", "moderate", "severe").index(severity)] * float(rng.uniform(1 - spread, 1 + spread))


def _unless_mild(severity: Severity) -> frozenset[str]:
    """Where a finding is seen whose mild form only a CT shows."""
    return CT_ONLY if severity == "mild" else BOTH


def in_lung(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn, margin: float) -> Point:
    """A place for a lesion, even over the lungs' depth, not inside fluid, free air or another lesion."""
    clouds = points_in_lung(rng, anatomy, margin, 24)
    clouds = clouds[rng.permutation(len(clouds))]
    best, room = clouds[0], -np.inf
    for point in clouds:
        free = min((_clearance(point, other) for other in drawn.values()), default=0.0) - margin
        if free > 0:
            best = point
            break
        if free > room:
            best, room = point, free
    return (float(best[0]), float(best[1]), float(best[2]))


def _clearance(point: Array, other: Finding) -> float:
    """Room in mm between a point and another finding; large findings claim their side's fluid or air."""
    side = "right" if point[2] < 0 else "left"
    if other.name in ("pleural_effusion", "pneumothorax", "atelectasis") and other.severity != "mild":
        return 100.0 if side not in (other.side, "both" if other.side == "both" else "") else -20.0
    if other.centre_mm is None or other.name in ("fibrosis", "emphysema", "rib_fracture"):
        return 100.0
    return float(np.linalg.norm(point - np.asarray(other.centre_mm))) - other.size_mm / 2 - 6


def lesion(anatomy: Anatomy, name: str, where: Point, size: float, severity: Severity, visible: frozenset[str],
            form: str, hu: float, seed: int) -> Finding:  # fmt: skip
    lobe = lobe_of(anatomy, where)
    side: Side = "right" if where[2] < 0 else "left"
    return Finding(name, side, lobe, round(size, 1), severity, where, None, visible, form, hu, seed)  # type: ignore[arg-type]


def new_seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def is_hidden(anatomy: Anatomy, where: Point) -> bool:
    """Whether heart or diaphragm lies over the point on an X-ray."""
    side = 0 if where[2] < 0 else 1
    return where[0] < anatomy.dome[side] + 4


def _nodule(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    size = float(np.clip(rng.lognormal(2.48, 0.5), 5, 30))
    form = str(rng.choice(["solid", "spiculated", "subsolid"], p=[0.5, 0.25, 0.25]))
    hu = float(rng.uniform(-550, -350)) if form == "subsolid" else float(rng.uniform(-60, 70))
    where = in_lung(rng, anatomy, drawn, size / 2 + 2)
    seen = size >= (20 if form == "subsolid" else 12) and not is_hidden(anatomy, where)
    severity: Severity = "mild" if size < 8 else "moderate" if size < 15 else "severe"
    return lesion(anatomy, "nodule", where, size, severity, BOTH if seen else CT_ONLY, form, hu, new_seed(rng))


def _mass(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    size = float(np.clip(rng.normal(49, 7), 31, 62))
    form = str(rng.choice(["solid", "spiculated", "cavitating"], p=[0.4, 0.4, 0.2]))
    where = in_lung(rng, anatomy, drawn, size / 2 - 7)
    severity: Severity = "moderate" if size < 45 else "severe"
    hu = float(rng.uniform(10, 60))
    return lesion(anatomy, "mass", where, size, severity, BOTH, form, hu, new_seed(rng))


def _consolidation(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    severity = _severity(rng)
    size = _size(rng, severity, 70.0, 100.0, 130.0)
    where = in_lung(rng, anatomy, drawn, 12.0)
    hu = float(rng.uniform(-30, 50))
    return lesion(anatomy, "consolidation", where, size, severity, BOTH, "patchy", hu, new_seed(rng))


def _ground_glass(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    severity = _severity(rng)
    size = _size(rng, severity, 70.0, 105.0, 135.0)
    where = in_lung(rng, anatomy, drawn, 14.0)
    hu = float(rng.uniform(-590, -420))
    found = lesion(anatomy, "ground_glass", where, size, severity, _unless_mild(severity), "hazy", hu, new_seed(rng))
    # Much haze mostly lies in both lungs.
    both = rng.random() < {"mild": 0.0, "moderate": 0.5, "severe": 1.0}[severity]
    return replace(found, side="both", lobe=None) if both else found


def _atelectasis(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    severity = _severity(rng)
    side, side_name, sign = _lung(rng)
    if severity != "severe":
        thick = float(rng.uniform(5, 8) if severity == "mild" else rng.uniform(8, 13))
        where = (anatomy.dome[side] + 30 + float(rng.uniform(-5, 18)), float(rng.uniform(-25, 35)), sign * 75.0)
        return Finding("atelectasis", side_name, "lower", round(thick, 1), severity, where,
                       form="plate", hu=20.0, seed=new_seed(rng))  # fmt: skip
    lobe: Lobe = "lower" if rng.random() < 0.6 else "upper"
    level = anatomy.dome[side] + 15 if lobe == "lower" else anatomy.apex - 28
    where = (level, 45.0 if lobe == "lower" else 0.0, sign * (anatomy.core + 18.0) + anatomy.shift)
    thick = float(rng.uniform(32, 50))
    return Finding("atelectasis", side_name, lobe, round(thick, 1), severity, where,
                   form="lobar", hu=45.0, seed=new_seed(rng))  # fmt: skip


def _pleural_effusion(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    severity = _severity(rng, 0.3, 0.4)
    side = _side(rng, 0.25)
    thick = _size(rng, severity, 20.0, 38.0, 62.0)
    if side == "both":
        thick = min(thick, 42.0)
        severity = "moderate" if severity == "severe" else severity
    return Finding("pleural_effusion", side, None, round(thick, 1), severity, form="free",
                   hu=float(rng.uniform(2, 18)), seed=new_seed(rng))  # fmt: skip


def _pneumothorax(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    severity = _severity(rng, 0.22, 0.4)
    thick = _size(rng, severity, 12.0, 30.0, 58.0)
    seen = _unless_mild(severity)
    return Finding("pneumothorax", _side(rng), None, round(thick, 1), severity, visible_on=seen, form="apical",
                   hu=-1000.0, seed=new_seed(rng))  # fmt: skip


def _cardiomegaly(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    severity = _severity(rng, 0.4, 0.35)
    scale = {"mild": 1.2, "moderate": 1.32, "severe": 1.46}[severity] + float(rng.uniform(-0.04, 0.05))
    return Finding("cardiomegaly", None, None, round(2 * anatomy.heart_radius * scale, 1), severity,
                   anatomy.heart_centre)  # fmt: skip


def _emphysema(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    severity = _severity(rng)
    size = {"mild": 9.0, "moderate": 14.0, "severe": 22.0}[severity]
    return Finding("emphysema", "both", "upper", size, severity, visible_on=_unless_mild(severity),
                   form="centrilobular", hu=-975.0, seed=new_seed(rng))  # fmt: skip


def _fibrosis(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    severity = _severity(rng)
    size = _size(rng, severity, 16.0, 26.0, 38.0, spread=0.1)
    return Finding("fibrosis", "both", "lower", round(size, 1), severity, visible_on=_unless_mild(severity),
                   form="reticular", hu=-150.0, seed=new_seed(rng))  # fmt: skip


def _lymph_node(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    size = float(np.clip(rng.normal(35, 7), 17, 50))
    side, side_name, sign = _lung(rng)
    # Large nodes are often there on both sides; the centre is that of the larger one.
    both = size > 30 and rng.random() < 0.6
    where = (
        anatomy.hilum[side] + float(rng.normal(0, 18)),
        float(rng.normal(4, 6)),
        sign * (anatomy.core + 0.38 * size + 5) + anatomy.shift,
    )
    severity: Severity = "mild" if size < 20 else "moderate" if size < 30 else "severe"
    return Finding("lymph_node", "both" if both else side_name, None, round(size, 1), severity, where, None,
                   BOTH if size >= 20 else CT_ONLY, "solid", float(rng.uniform(30, 70)), new_seed(rng))  # fmt: skip


def _rib_fracture(rng: np.random.Generator, anatomy: Anatomy, drawn: Drawn) -> Finding:
    severity = _severity(rng)
    side, side_name, _ = _lung(rng)
    angle = float(rng.uniform(62, 106))
    lowest = next((rib for rib in range(10, 3, -1) if rib_point(anatomy, side, rib, angle)[0] > anatomy.dome[side]), 4)
    rib = int(rng.integers(3, lowest + 1))
    step = _size(rng, severity, 6.0, 10.0, 14.0, spread=0.1)
    where = rib_point(anatomy, side, rib, angle)
    return Finding("rib_fracture", side_name, None, round(step, 1), severity, where, rib,
                   _unless_mild(severity), form="displaced", hu=45.0, seed=new_seed(rng))  # fmt: skip


SAMPLERS: dict[str, Callable[[np.random.Generator, Anatomy, Drawn], Finding]] = {
    "nodule": _nodule,
    "mass": _mass,
    "consolidation": _consolidation,
    "ground_glass": _ground_glass,
    "atelectasis": _atelectasis,
    "pleural_effusion": _pleural_effusion,
    "pneumothorax": _pneumothorax,
    "cardiomegaly": _cardiomegaly,
    "emphysema": _emphysema,
    "fibrosis": _fibrosis,
    "lymph_node": _lymph_node,
    "rib_fracture": _rib_fracture,
}
