"""Distractors: bright, harmless things that no report mentions. Who only looks for bright spots picks them."""

from dataclasses import dataclass

import numpy as np

from unimedi.phantom.patient.anatomy import Anatomy, Array, Point, points_in_lung, rib_point


@dataclass(frozen=True, slots=True)
class Distractor:
    """``points`` are (depth, height, width) in mm: one for a body, two or more for a line.

    A body's radii along the axes are ``radius_mm`` times ``stretch``.
    """

    name: str
    points: tuple[Point, ...]
    radius_mm: float
    hu: float
    stretch: Point = (1.0, 1.0, 1.0)


def sample_distractors(rng: np.random.Generator, anatomy: Anatomy, age: int, sex: str) -> tuple[Distractor, ...]:
    """Nearly every patient gets several: granulomas, scars, nipples, leads, dots, bone islands, plaques."""
    drawn = _granulomas(rng, anatomy) + _electrodes(rng, anatomy) + _nipples(rng, anatomy, sex)
    if rng.random() < 0.25:
        drawn += _line(rng, anatomy)
    for _ in range(rng.poisson(0.8)):
        drawn += (_bone_island(rng, anatomy),)
    if rng.random() < anatomy.calcium:
        drawn += _nodes(rng, anatomy)
    if rng.random() < 0.3:
        drawn += _dots(rng, anatomy)
    for rate, draw in ((0.13, _pacemaker), (0.2, _meal), (0.12, _hernia), (0.2 * (age > 50), _plaques), (0.14, _wires)):
        if rng.random() < rate:
            drawn += draw(rng, anatomy)
    return drawn


def _point(values: Array) -> Point:
    return (float(values[0]), float(values[1]), float(values[2]))


def _granulomas(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    count = 1 + int(rng.poisson(1.6))
    radii = np.clip(rng.lognormal(0.75, 0.4, count), 1.0, 5.0)
    return tuple(
        Distractor("granuloma", (_point(where),), float(radius), float(rng.uniform(350, 1200)))
        for where, radius in zip(points_in_lung(rng, anatomy, 3.0, count), radii, strict=True)
    )


def _skin(anatomy: Anatomy, width: float, front: bool = True) -> float:
    """Height of the skin at a distance from the midline, roughly."""
    thick = anatomy.fat + anatomy.muscle + 8
    share = min(abs(width) / (anatomy.half_width[0] + thick), 0.99)
    height = (anatomy.half_depth + thick) * float((1 - share**2.5) ** (1 / 2.5))
    return -height if front else height


def _electrodes(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    if rng.random() < 0.45:
        return ()
    drawn = []
    for _ in range(int(rng.integers(1, 5))):
        width = float(rng.uniform(-110, 110))
        depth = float(rng.uniform(-120, 110))
        height = _skin(anatomy, width) - 2
        drawn.append(Distractor("electrode", ((depth, height, width),), float(rng.uniform(3, 5)), 2600.0))
        if rng.random() < 0.7:
            middle = (depth + float(rng.uniform(-50, 50)), height - 6, width + float(rng.uniform(-50, 50)))
            end = (-200.0, height - 2, middle[2] + float(rng.uniform(-60, 60)))
            drawn.append(Distractor("lead", ((depth, height - 4, width), middle, end), 0.9, 2600.0))
    return tuple(drawn)


def _nipples(rng: np.random.Generator, anatomy: Anatomy, sex: str) -> tuple[Distractor, ...]:
    if rng.random() < 0.4:
        return ()
    width = 0.62 * anatomy.half_width[0]
    depth = float(rng.normal(-38 if sex == "M" else -58, 10))
    height = _skin(anatomy, width) - (3 if sex == "M" else 0.55 * anatomy.breast)
    radius = float(rng.uniform(4, 6.5))
    return tuple(Distractor("nipple", ((depth, height, sign * width),), radius, 60.0) for sign in (-1.0, 1.0))


def _line(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    """A central venous catheter from the right neck to the right atrium."""
    end = float(rng.uniform(-25, 20))
    entry = (160.0, -10.0, -30.0 + float(rng.normal(0, 6)))
    points = (entry, (100.0, -25.0, -22.0), (end, -25.0, -22.0 + anatomy.shift))
    return (Distractor("catheter", points, 1.3, 2200.0),)


def _bone_island(rng: np.random.Generator, anatomy: Anatomy) -> Distractor:
    depth = float(rng.uniform(-130, 120))
    where = (depth, anatomy.spine[1] + float(rng.uniform(-10, 12)), float(rng.uniform(-14, 14)))
    return Distractor("bone_island", (where,), float(rng.uniform(3, 6)), 1300.0)


def _nodes(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    """Small calcified lymph nodes of the hila: old, never mentioned."""
    drawn = []
    for _ in range(int(rng.integers(1, 4))):
        side = int(rng.integers(2))
        width = (-1 if side == 0 else 1) * (anatomy.core + float(rng.uniform(0, 16))) + anatomy.shift
        depth = anatomy.hilum[side] + float(rng.normal(4, 14))
        drawn.append(Distractor("calcified_node", ((depth, 10.0, width),), float(rng.uniform(2, 4)), 900.0))
    return tuple(drawn)


def _dots(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    """Clips, pellets and buttons in or on the chest wall."""
    drawn = []
    for _ in range(int(rng.integers(1, 4))):
        width = float(rng.uniform(-120, 120))
        height = _skin(anatomy, width, bool(rng.random() < 0.7)) * float(rng.uniform(0.85, 1.02))
        where = (float(rng.uniform(-120, 120)), height, width)
        drawn.append(Distractor("metal_dot", (where,), float(rng.uniform(1.2, 3.0)), 3000.0))
    return tuple(drawn)


def _pacemaker(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    sign = 1.0 if rng.random() < 0.75 else -1.0
    width = sign * float(rng.uniform(62, 86))
    depth = anatomy.apex - float(rng.uniform(38, 62))
    where = (depth, 0.93 * _skin(anatomy, width), width)
    vein = (anatomy.apex - 22, -20.0, sign * 30.0)
    tip = (anatomy.heart_centre[0] - 18, anatomy.heart_centre[1], anatomy.heart_centre[2] + 22)
    return (
        Distractor("pacemaker", (where,), 17.0, 2400.0, (1.15, 0.25, 1.0)),
        Distractor("pacemaker_lead", (where, vein, (anatomy.carina, -15.0, -18.0), tip), 1.2, 2400.0),
    )


def _meal(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    """Contrast that was drunk, in the stomach."""
    where = (anatomy.dome[1] - 38 + float(rng.normal(0, 5)), -10.0, 0.46 * anatomy.half_width[1])
    return (Distractor("meal", (where,), float(rng.uniform(18, 28)), float(rng.uniform(180, 600)), (0.7, 1.1, 1.1)),)


def _hernia(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    """A hiatus hernia: a round thing behind the heart that nobody mentions."""
    where = (
        anatomy.dome[1] + float(rng.uniform(4, 18)),
        anatomy.spine[1] - 44,
        float(rng.uniform(2, 14)) + anatomy.shift,
    )
    return (Distractor("hernia", (where,), float(rng.uniform(14, 22)), 35.0),)


def _plaques(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    """Calcified plaques on the inner chest wall, after asbestos."""
    drawn = []
    for _ in range(int(rng.integers(2, 6))):
        side = int(rng.integers(2))
        depth, height, width = rib_point(anatomy, side, int(rng.integers(4, 9)), float(rng.uniform(45, 130)))
        where = (depth, 0.93 * height, 0.95 * width)
        radius = float(rng.uniform(7, 14))
        drawn.append(Distractor("plaque", (where,), radius, float(rng.uniform(300, 800)), (0.9, 0.7, 0.22)))
    return tuple(drawn)


def _wires(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Distractor, ...]:
    """Steel loops that close the breastbone after heart surgery."""
    height = -anatomy.half_depth - 12
    levels = np.linspace(-25, anatomy.apex - 55, int(rng.integers(4, 7)))
    return tuple(
        Distractor("wire", ((float(z), height, -9.0), (float(z) + 3, height - 3, 9.0)), 1.0, 2600.0) for z in levels
    )
