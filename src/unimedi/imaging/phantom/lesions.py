"""Findings painted into a chest, each returning the voxels it changed: a boolean mask over the whole grid."""

from collections.abc import Callable
from dataclasses import replace
from math import pi

import numpy as np
from numpy.typing import NDArray

from unimedi.imaging.phantom.anatomy import Array, diaphragm_depth, minor_fissure, oblique_fissure
from unimedi.imaging.phantom.findings import Finding
from unimedi.imaging.phantom.thorax import Scene
from unimedi.imaging.phantom.voxelise import (
    Box,
    Grid,
    blend,
    cover,
    ellipsoid,
    lattice_noise,
    small,
    threads,
)

Mask = NDArray[np.bool_]


def paint_findings(scene: Scene) -> dict[str, Mask]:
    """Paint all findings of the scene's patient; masks by finding name. Fluid and air first, lesions over them."""
    masks = {}
    for name in _PAINT:
        finding = scene.patient.finding(name)
        if finding is not None:
            mask = np.zeros(scene.grid.shape, np.bool_)
            _PAINT[name](scene, finding, mask)
            masks[name] = mask
    return masks


def _rng(finding: Finding, salt: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([finding.seed, salt]))


def _over(part: Grid, side: str | None) -> Array:
    """1 on the finding's side of the midline, 0 on the other, by width."""
    width = part.width[None, None, :]
    if side == "both" or side is None:
        return np.ones_like(width)
    return np.asarray(width < 0 if side == "right" else width > 0, np.float32)


def _lobe(part: Grid, scene: Scene, finding: Finding) -> Array:
    """Soft coverage by the finding's lobe."""
    depth, height, width = part.axes
    anatomy, edge = scene.patient.anatomy, part.voxel + 1
    above = (oblique_fissure(anatomy, height, width) - depth) * np.float32(0.76)
    side = _over(part, finding.side)
    if finding.lobe == "lower":
        return cover(-above, edge) * side
    out = cover(above, edge) * side
    if finding.side == "right":
        level = minor_fissure(anatomy, height, width) - depth
        out *= cover(level if finding.lobe == "upper" else -level, edge)
    return out


def _within(scene: Scene, finding: Finding, reach: float | tuple[float, ...]) -> tuple[Box, Grid, Array, Array]:
    """The lungs' part of the grid around a lesion: (box, grid, HU view, lung coverage)."""
    assert finding.centre_mm is not None
    box = scene.part.around(finding.centre_mm, reach)
    return box, scene.part.part(box), scene.hu[scene.box][box], scene.lung[box]


def _mark(scene: Scene, mask: Mask, box: Box, share: Array, threshold: float = 0.5) -> None:
    """Set the mask where the coverage (over ``box`` of the lungs' part) passes the threshold."""
    if share.size:
        np.logical_or(
            mask[scene.box][box], share > min(threshold, 0.5 * float(share.max()) + 1e-6), out=mask[scene.box][box]
        )


def _lumpy(finding: Finding, part: Grid, radii: float | tuple[float, ...], rough: float, cell: float) -> Array:
    """Distance to an ellipsoid whose surface is disturbed by ``rough`` mm of noise."""
    assert finding.centre_mm is not None
    noise = lattice_noise(_rng(finding), part, cell, finding.centre_mm)
    noise *= rough
    noise += ellipsoid(part, finding.centre_mm, radii)
    return noise


def _nodule(scene: Scene, finding: Finding, mask: Mask) -> None:
    radius = finding.size_mm / 2
    box, part, view, _ = _within(scene, finding, 1.35 * radius + part_edge(scene))
    rough = 0.10 if finding.form != "spiculated" else 0.2
    share = cover(_lumpy(finding, part, radius, rough * radius, max(radius, 3.0)), part.voxel)
    small(share, 4 / 3 * pi * radius**3, part)
    blend(view, share, finding.hu)
    if finding.form == "spiculated" and radius > 4:
        _spikes(scene, finding, radius, 10)
    _mark(scene, mask, box, share)


def part_edge(scene: Scene) -> float:
    """A margin (mm) that soft edges need around a shape."""
    return 1.5 * scene.part.voxel


def _spikes(scene: Scene, finding: Finding, radius: float, count: int) -> None:
    """Thin strands from a lesion's rim into the lung."""
    rng = _rng(finding, 1)
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    centre = np.asarray(finding.centre_mm)
    ends = centre + direction * radius * rng.uniform(1.3, 1.75, (count, 1))
    widths = np.array([[0.09 * radius + 0.4, 0.3]])
    rows = np.concatenate([centre + 0.8 * radius * direction, ends, np.repeat(widths, count, 0)], axis=1)
    _, part, view, lung = _within(scene, finding, 1.8 * radius + part_edge(scene))
    blend(view, threads(part, rows.astype(np.float32)) * lung, finding.hu)


def _mass(scene: Scene, finding: Finding, mask: Mask) -> None:
    radius = finding.size_mm / 2
    stretch = _rng(finding, 2).uniform(0.85, 1.12, 3)
    box, part, view, lung = _within(scene, finding, 1.4 * radius + part_edge(scene))
    distance = _lumpy(finding, part, tuple(radius * stretch), 0.13 * radius, 0.75 * radius)
    share = cover(distance, part.voxel)
    # A mass may touch mediastinum and wall, but never grows out of the chest.
    share *= cover(scene.wall[box], part.voxel)
    heart_free = np.maximum(lung, 0.25 * (scene.wall[box] < 0))
    share *= np.clip(heart_free * 4, 0, 1)
    blend(view, share, finding.hu)
    if finding.form == "spiculated":
        _spikes(scene, finding, radius, 18)
    if finding.form == "cavitating":
        blend(view, cover(distance + 0.42 * radius, part.voxel) * share, -960.0)
    _mark(scene, mask, box, share)


def _consolidation(scene: Scene, finding: Finding, mask: Mask) -> None:
    radius = finding.size_mm / 2
    box, part, view, lung = _within(scene, finding, 1.5 * radius)
    distance = _lumpy(finding, part, (0.66 * radius, radius, radius), 0.2 * radius, 16.0)
    share = cover(distance, 7.0 + part.voxel) * lung * _lobe(part, scene, finding)
    airway = lattice_noise(_rng(finding, 3), part, 13.0, (0.0, 0.0, 0.0)) ** 2
    airway += lattice_noise(_rng(finding, 4), part, 13.0, (0.0, 0.0, 0.0)) ** 2
    air = np.clip(1 - airway / 0.10, 0, 1)
    texture = lattice_noise(_rng(finding, 5), part, 8.0, (0.0, 0.0, 0.0)) * np.float32(45)
    blend(view, share, finding.hu + texture - 500 * air)
    _mark(scene, mask, box, share)


def _ground_glass(scene: Scene, finding: Finding, mask: Mask) -> None:
    assert finding.centre_mm is not None
    _haze(scene, finding, mask)
    if finding.side == "both":
        z, y, x = finding.centre_mm
        _haze(scene, replace(finding, centre_mm=(z, y, -x), size_mm=0.8 * finding.size_mm), mask)


def _haze(scene: Scene, finding: Finding, mask: Mask) -> None:
    radius = finding.size_mm / 2
    box, part, view, lung = _within(scene, finding, 1.5 * radius)
    distance = _lumpy(finding, part, (0.62 * radius, radius, radius), 0.24 * radius, 24.0)
    share = cover(distance, 12.0 + part.voxel) * lung
    share *= _lobe(part, scene, finding) if finding.lobe else _over(part, finding.side)
    # Haze: what is already denser (vessels, walls) stays as it is.
    np.maximum(view, view + share * (finding.hu - view), out=view)
    _mark(scene, mask, box, share)


def _lymph_node(scene: Scene, finding: Finding, mask: Mask) -> None:
    assert finding.centre_mm is not None
    if finding.side == "both":
        z, y, x = finding.centre_mm
        mirrored = (z, y, 2 * scene.patient.anatomy.shift - x)
        _lymph_node(scene, replace(finding, side="left", centre_mm=mirrored, size_mm=0.85 * finding.size_mm), mask)
    rng, radius = _rng(finding), finding.size_mm / 2
    box, part, view, _ = _within(scene, finding, 2.2 * radius + part_edge(scene))
    distance = ellipsoid(part, finding.centre_mm, (1.2 * radius, 0.95 * radius, radius))
    for _ in range(2):
        offset = rng.normal(0, 0.5, 3) * radius * np.array([1.3, 0.8, 0.5])
        other = ellipsoid(part, tuple(np.asarray(finding.centre_mm) + offset), float(rng.uniform(0.5, 0.75)) * radius)
        distance = np.minimum(distance, other)
    share = cover(distance, part.voxel)
    blend(view, share, finding.hu)
    _mark(scene, mask, box, share)


def _rib_fracture(scene: Scene, finding: Finding, mask: Mask) -> None:
    """The step and the gap are part of the rib; here the bruise that bulges under it."""
    assert finding.centre_mm is not None
    reach = 14.0 + 1.6 * finding.size_mm
    box = scene.part.around(finding.centre_mm, reach + part_edge(scene))
    part, wall = scene.part.part(box), scene.wall[box]
    share = cover(ellipsoid(part, finding.centre_mm, (0.8 * reach, reach, 0.8 * reach)), part.voxel + 1)
    view = scene.hu[scene.box][box]
    blend(view, share * cover(wall, part.voxel), finding.hu)
    _mark(scene, mask, box, share)


def _pleural_effusion(scene: Scene, finding: Finding, mask: Mask) -> None:
    """Fluid sinks: to the back in a supine CT, to the base with a rising meniscus in an upright X-ray."""
    anatomy, part = scene.patient.anatomy, scene.part
    depth, height, _width = part.axes
    view = scene.hu[scene.box]
    if scene.posture == "supine":
        low = anatomy.half_depth - 0.1 * (min(anatomy.dome) - 20)
        under = (low - finding.size_mm * 1.0) - (height - 0.1 * depth)
    else:
        reach = anatomy.half_width[0] * 0.93
        base = diaphragm_depth(anatomy, np.zeros(1, np.float32), np.array([reach], np.float32)).item()
        lean = 0.0 if scene.posture == "upright" else 0.35
        under = depth - lean * height - (base + 1.15 * finding.size_mm)
    under = under - 42 * np.exp(np.minimum(scene.wall, 0) / (10 if scene.posture == "supine" else 20))
    share = cover(under, part.voxel)
    near = cover(under - 9, 12.0) * np.float32(0.4)
    only = scene.lung * _over(part, finding.side)
    blend(view, near * only, -250.0)
    share *= only
    blend(view, share, finding.hu)
    _mark(scene, mask, (slice(None),) * 3, share)


def _pneumothorax(scene: Scene, finding: Finding, mask: Mask) -> None:
    """Air rises: under the breastbone in a supine CT, to the apex in an upright X-ray. The lung's edge is a thin line."""
    anatomy, part = scene.patient.anatomy, scene.part
    depth, height, _width = part.axes
    view = scene.hu[scene.box]
    if scene.posture == "supine":
        rise = np.clip(0.42 - 0.75 * height / anatomy.half_depth + 0.1 * depth / 100, 0.06, 1.15)
    else:
        floor = anatomy.dome[0 if finding.side == "right" else 1]
        rise = np.clip(0.12 + 1.05 * (depth - floor) / (anatomy.apex - floor), -0.1, 1.15)
    gap = scene.wall + (finding.size_mm * rise).astype(np.float32)
    only = scene.lung * _over(part, finding.side)
    grade = {"mild": 50.0, "moderate": 110.0, "severe": 230.0}[finding.severity]
    share = cover(-gap, part.voxel) * only
    view += only * grade
    blend(view, share, -1000.0)
    line = np.clip(1 - np.abs(gap) / max(part.voxel, 1.0), 0, 1) * only
    view += line * np.float32(650 * min(1.0, 1.6 / part.voxel))
    _mark(scene, mask, (slice(None),) * 3, share)


def _atelectasis(scene: Scene, finding: Finding, mask: Mask) -> None:
    assert finding.centre_mm is not None
    rng = _rng(finding)
    if finding.form == "plate":
        box, part, view, lung = _within(scene, finding, (30.0, 60.0, 60.0))
        z, y, x = (axis - np.float32(c) for axis, c in zip(part.axes, finding.centre_mm, strict=True))
        tilt = rng.uniform(-0.25, 0.25, 2) + np.array([0, 0.18 if finding.side == "right" else -0.18])
        middle = tilt[0] * y + tilt[1] * x + 4 * np.sin(x / 21 + y / 17)
        disc = np.sqrt((x / 48) ** 2 + (y / 36) ** 2)
        flat = np.abs(z - middle.astype(np.float32)) - finding.size_mm / 2 * (1.1 - disc**4)
        share = cover(flat, part.voxel) * lung * _over(part, finding.side)
    else:
        radii = (58.0, 44.0, 0.85 * finding.size_mm) if finding.lobe == "lower" else (44.0, 52.0, finding.size_mm)
        box, part, view, lung = _within(scene, finding, tuple(1.3 * r for r in radii))
        share = cover(_lumpy(finding, part, radii, 3.0, 25.0), part.voxel) * lung * _over(part, finding.side)
    blend(view, share, finding.hu)
    _mark(scene, mask, box, share)


def _cardiomegaly(scene: Scene, finding: Finding, mask: Mask) -> None:
    box, share = scene.heart
    np.greater(share, 0.5, out=mask[box])


def _emphysema(scene: Scene, finding: Finding, mask: Mask) -> None:
    """Holes without walls, more of them in the upper lungs."""
    anatomy, part = scene.patient.anatomy, scene.part
    noise = lattice_noise(_rng(finding), part, 0.75 * finding.size_mm + 2, (0.0, 0.0, 0.0))
    fine = lattice_noise(_rng(finding, 1), part, 0.4 * finding.size_mm + 2, (0.0, 0.0, 0.0))
    fine *= 0.5
    noise += fine
    level = {"mild": 0.9, "moderate": 0.5, "severe": 0.15}[finding.severity]
    noise -= np.asarray(level - 0.5 * np.clip(part.axes[0] / anatomy.apex, -1, 1), np.float32)
    noise *= 3.0
    share = np.clip(noise, 0, 1, out=noise)
    share *= scene.lung
    blend(scene.hu[scene.box], share, finding.hu)
    _mark(scene, mask, (slice(None),) * 3, share)


def _fibrosis(scene: Scene, finding: Finding, mask: Mask) -> None:
    """A net of thickened septa with small cysts, at the bases and under the pleura."""
    part = scene.part
    depth, height, _ = part.axes
    anatomy = scene.patient.anatomy
    floor = np.float32(min(anatomy.dome))
    base = np.clip((floor + 62 + 0.3 * height - depth) / 40, 0.0, 1)
    above = depth - diaphragm_depth(anatomy, height, part.axes[2])
    near = np.minimum(-scene.wall, above)
    zone = np.clip((finding.size_mm * (0.25 + 0.75 * base) - near) / 8, 0, 1) * np.clip(base + 0.12, 0, 1)
    zone *= scene.lung
    net = np.abs(lattice_noise(_rng(finding), part, 5.5, (0.0, 0.0, 0.0)))
    strand = np.clip(1.25 - net / 0.42, 0, 1)
    hole = np.clip((net - 0.9) * 2, 0, 1)
    texture = -690 + (finding.hu + 690) * strand - 230 * hole
    blend(scene.hu[scene.box], zone, texture.astype(np.float32))
    _mark(scene, mask, (slice(None),) * 3, zone)


# The order of painting: what fills a space first, what lies in it afterwards.
_PAINT: dict[str, Callable[[Scene, Finding, Mask], None]] = {
    "emphysema": _emphysema,
    "fibrosis": _fibrosis,
    "cardiomegaly": _cardiomegaly,
    "pneumothorax": _pneumothorax,
    "pleural_effusion": _pleural_effusion,
    "ground_glass": _ground_glass,
    "consolidation": _consolidation,
    "atelectasis": _atelectasis,
    "lymph_node": _lymph_node,
    "mass": _mass,
    "nodule": _nodule,
    "rib_fracture": _rib_fracture,
}
