"""Focal findings painted into a chest: nodule, mass, consolidation, ground glass, lymph node, rib fracture."""

from dataclasses import replace
from math import pi

import numpy as np

from unimedi.phantom.painting.canvas import Canvas, Mask, grain, lobe_share, lumpy, mark, side_of, soft_edge, within
from unimedi.phantom.painting.voxelise import Grid, ball_cover, blend, cover, ellipsoid, lattice_noise, small, threads
from unimedi.phantom.patient.anatomy import Array
from unimedi.phantom.patient.catalogue import Finding

# Inside a lesion with details: HU and radius (mm) of its small balls, and how far apart they lie (mm).
INSIDE = {"cavitating": (-950.0, 4.5, 18.0), "part_solid": (60.0, 5.5, 16.0), "calcified": (1300.0, 3.0, 14.0)}
ROUND = (1.0, 1.0, 1.0)


def nodule(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    radius = finding.size_mm / 2
    half_depth = finding.depth_mm / 2 or radius
    box, part, view, _ = within(canvas, finding, 1.35 * max(radius, half_depth) + soft_edge(canvas))
    rough = 0.2 if _spiculated(finding) else 0.10
    distance = lumpy(finding, part, (half_depth, radius, radius), rough * half_depth, max(radius, 3.0))
    share = small(cover(distance, part.voxel), 4 / 3 * pi * radius**3 * (half_depth / radius), part)
    blend(view, share, finding.hu)
    if _spiculated(finding) and radius > 4:
        _spikes(canvas, finding, radius, 10)
    _inside(finding, part, view, share, distance)
    mark(canvas, mask, box, share)


def _spiculated(finding: Finding) -> bool:
    return "spiculated" in (finding.form, finding.margin)


def _inside(finding: Finding, part: Grid, view: Array, share: Array, distance: Array) -> None:
    """What makes a lesion more than an even lump: a cavity; of a lesion with details many small ones, solid cores in a
    part-solid one, or specks of calcium: little where voxels are larger than they are."""
    if finding.form == "cavitating" and not finding.margin:
        blend(view, cover(distance + 0.42 * (finding.size_mm / 2), part.voxel) * share, -960.0)
    if finding.margin and finding.form in INSIDE:
        assert finding.centre_mm is not None
        hu, radius, apart = INSIDE[finding.form]
        rng = grain(finding, 6)
        for _ in range(round((finding.size_mm / apart) ** 2)):
            angle, far = rng.uniform(0, 2 * pi), 0.42 * finding.size_mm * rng.uniform() ** 0.5
            offset = (rng.uniform(-0.25, 0.25) * finding.depth_mm, far * np.sin(angle), far * np.cos(angle))
            where = np.asarray(finding.centre_mm) + offset
            inside, covered = ball_cover(part, (float(where[0]), float(where[1]), float(where[2])), radius, ROUND)
            blend(view[inside], covered * share[inside], hu)


def _spikes(canvas: Canvas, finding: Finding, radius: float, count: int) -> None:
    """Thin strands from a lesion's rim into the lung; longer and thicker where the report speaks of them."""
    rng = grain(finding, 1)
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    centre = np.asarray(finding.centre_mm)
    reach, width, tip = (1.3, 1.75), 0.09 * radius + 0.4, 0.3
    roots = np.zeros((count, 3))
    if finding.margin:  # thick, and in the plane: spread over the lesion's depth
        direction *= (0.1, 1, 1)
        reach, width, tip = (1.5, 2.0), 5.0, 3.0
        roots[:, 0] = rng.uniform(-0.4, 0.4, count) * finding.depth_mm
    ends = centre + roots + direction * radius * rng.uniform(*reach, (count, 1))
    widths = np.array([[width, tip]])
    rows = np.concatenate([centre + roots + 0.8 * radius * direction, ends, np.repeat(widths, count, 0)], axis=1)
    _, part, view, lung = within(canvas, finding, max(1.8, reach[1]) * radius + soft_edge(canvas))
    blend(view, threads(part, rows.astype(np.float32)) * lung, finding.hu)


def mass(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    radius = finding.size_mm / 2
    stretch = grain(finding, 2).uniform(0.85, 1.12, 3)
    rough = 0.13 * radius
    if finding.depth_mm:
        stretch, rough = stretch * (finding.depth_mm / finding.size_mm, 1, 1), 0.13 * finding.depth_mm / 2
    box, part, view, lung = within(canvas, finding, 1.4 * max(radius, finding.depth_mm / 2) + soft_edge(canvas))
    distance = lumpy(finding, part, tuple(radius * stretch), rough, 0.75 * radius)
    share = cover(distance, part.voxel)
    # A mass may touch mediastinum and wall, but never grows out of the chest.
    share *= cover(canvas.wall[box], part.voxel)
    heart_free = np.maximum(lung, 0.25 * (canvas.wall[box] < 0))
    share *= np.clip(heart_free * 4, 0, 1)
    blend(view, share, finding.hu)
    if _spiculated(finding):
        _spikes(canvas, finding, radius, 20 if finding.margin else 18)
    _inside(finding, part, view, share, distance)
    mark(canvas, mask, box, share)


def consolidation(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    radius = finding.size_mm / 2
    box, part, view, lung = within(canvas, finding, 1.5 * radius)
    distance = lumpy(finding, part, (0.62 * radius, radius, radius), 0.16 * radius, 18.0)
    share = cover(distance, 7.0 + part.voxel) * lung * lobe_share(part, canvas, finding)
    airway = lattice_noise(grain(finding, 3), part, 13.0, (0.0, 0.0, 0.0)) ** 2
    airway += lattice_noise(grain(finding, 4), part, 13.0, (0.0, 0.0, 0.0)) ** 2
    air = np.clip(1 - airway / 0.10, 0, 1)
    texture = lattice_noise(grain(finding, 5), part, 8.0, (0.0, 0.0, 0.0)) * np.float32(45)
    blend(view, share, finding.hu + texture - 500 * air)
    mark(canvas, mask, box, share)


def ground_glass(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    assert finding.centre_mm is not None
    _haze(canvas, finding, mask)
    if finding.side == "both":
        z, y, x = finding.centre_mm
        _haze(canvas, replace(finding, centre_mm=(z, y, -x), size_mm=0.8 * finding.size_mm), mask)


def _haze(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    radius = finding.size_mm / 2
    box, part, view, lung = within(canvas, finding, 1.5 * radius)
    distance = lumpy(finding, part, (0.54 * radius, 1.15 * radius, radius), 0.22 * radius, 24.0)
    share = cover(distance, 12.0 + part.voxel) * lung
    share *= lobe_share(part, canvas, finding) if finding.lobe else side_of(part, finding.side)
    # Haze: what is already denser (vessels, walls) stays as it is.
    np.maximum(view, view + share * (finding.hu - view), out=view)
    mark(canvas, mask, box, share)


def lymph_node(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    assert finding.centre_mm is not None
    if finding.side == "both":
        z, y, x = finding.centre_mm
        mirrored = (z, y, 2 * canvas.patient.anatomy.shift - x)
        lymph_node(canvas, replace(finding, side="left", centre_mm=mirrored, size_mm=0.85 * finding.size_mm), mask)
    rng, radius = grain(finding), finding.size_mm / 2
    box, part, view, _ = within(canvas, finding, 2.2 * radius + soft_edge(canvas))
    distance = ellipsoid(part, finding.centre_mm, (1.2 * radius, 0.95 * radius, radius))
    for _ in range(2):
        offset = rng.normal(0, 0.5, 3) * radius * np.array([1.3, 0.8, 0.5])
        other = ellipsoid(part, tuple(np.asarray(finding.centre_mm) + offset), float(rng.uniform(0.5, 0.75)) * radius)
        distance = np.minimum(distance, other)
    share = cover(distance, part.voxel)
    blend(view, share, finding.hu)
    mark(canvas, mask, box, share)


def rib_fracture(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    """The step and the gap are part of the rib; here the bruise that bulges under it."""
    assert finding.centre_mm is not None
    reach = 15.0 + 1.7 * finding.size_mm
    box = canvas.part.around(finding.centre_mm, reach + soft_edge(canvas))
    part, wall = canvas.part.part(box), canvas.wall[box]
    share = cover(ellipsoid(part, finding.centre_mm, (0.8 * reach, reach, 0.8 * reach)), part.voxel + 1)
    view = canvas.hu[canvas.box][box]
    blend(view, share * cover(wall, part.voxel), finding.hu)
    mark(canvas, mask, box, share)
