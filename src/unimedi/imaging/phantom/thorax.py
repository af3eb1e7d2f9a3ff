"""A healthy chest in HU on any grid: skin to lungs, bones, heart, vessels. Findings are painted into it afterwards."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unimedi.imaging.phantom.anatomy import (
    Anatomy,
    Array,
    cage_distance,
    diaphragm_depth,
    minor_fissure,
    oblique_fissure,
)
from unimedi.imaging.phantom.findings import Patient
from unimedi.imaging.phantom.ribs import DEPTH_OFF_WALL, rib_coordinate
from unimedi.imaging.phantom.voxelise import (
    Box,
    Grid,
    blend,
    capsule,
    cover,
    ellipsoid,
    lattice_noise,
    threads,
    tube,
)


@dataclass(slots=True)
class Scene:
    """A chest being painted. ``lung`` and ``wall`` cover ``box`` only: the part of the grid that can hold lung."""

    patient: Patient
    grid: Grid
    posture: str  # supine (CT), upright (PA), reclined (AP)
    blood: float  # HU of heart and great vessels
    hu: Array
    box: Box
    part: Grid
    wall: Array  # mm to the inner chest wall, negative inside
    lung: Array  # coverage by lung
    heart: tuple[Box, Array]


def paint_thorax(patient: Patient, grid: Grid, posture: str, blood: float) -> Scene:
    """The chest without findings. ``posture`` is kept for fluid and air; ``blood`` is the contrast phase in HU."""
    anatomy = patient.anatomy
    hu = _body(patient, grid, posture)
    reach = max(anatomy.half_width) + 18
    box = grid.box((-400.0, -anatomy.half_depth - 18, -reach), (anatomy.apex + 20, anatomy.half_depth + 18, reach))
    part = grid.part(box)
    wall = cage_distance(anatomy, *part.axes)
    lung = _cavity(anatomy, part, hu[box], wall)
    _ribs(patient, part, hu[box], wall)
    scene = Scene(patient, grid, posture, blood, hu, box, part, wall, lung, (box, lung))
    _mediastinum(scene)
    _spine(scene)
    _parenchyma(scene)
    _heart(scene)
    _great_vessels(scene)
    _airways(scene)
    _lung_vessels(scene)
    _girdle(anatomy, grid, hu)
    return scene


def body_half_sizes(anatomy: Anatomy, depth: Array) -> tuple[Array, Array]:
    """Half width and half depth (mm) of the skin's outline by depth: chest, shoulders, neck."""
    thick = anatomy.fat + anatomy.muscle + 10
    width = np.mean(anatomy.half_width) + thick
    chest = anatomy.half_depth + thick
    top = anatomy.apex
    level = np.array([-400, top - 90, top - 45, top - 5, top + 18, top + 34, top + 50, top + 90])
    widths = np.interp(depth, level, [width, width, width + 22, width + 45, width + 28, 0.75 * width, 72, 60])
    depths = np.interp(depth, level, [chest, chest, 0.97 * chest, 0.86 * chest, 0.74 * chest, 0.65 * chest, 64, 62])
    return widths.astype(np.float32), depths.astype(np.float32)


def _body(patient: Patient, grid: Grid, posture: str) -> Array:
    anatomy, rng = patient.anatomy, patient.generator("fat")
    depth, height, width = grid.axes
    half_width, half_depth = body_half_sizes(anatomy, depth)
    distance = np.sqrt(np.abs(width / half_width) ** 2.6 + np.abs(height / half_depth) ** 2.6)
    distance -= 1
    distance *= np.sqrt(half_width * half_depth) * np.float32(2 / 2.6)
    edge = max(grid.voxel, 1.0)
    hu = cover(distance, edge)
    hu *= 895
    distance += np.float32(anatomy.fat)
    muscle = cover(distance, edge + 1)
    # Fat between the muscles, in patches.
    patches = lattice_noise(rng, grid, 16.0, (0.0, 0.0, 0.0))
    patches *= 34
    patches += 132
    np.minimum(patches, 156, out=patches)
    muscle *= patches
    hu += muscle
    hu -= 1000
    if anatomy.breast:
        _breasts(anatomy, grid, hu, flat=posture == "supine")
    return hu


def _breasts(anatomy: Anatomy, grid: Grid, hu: Array, flat: bool) -> None:
    radius = anatomy.breast
    level = anatomy.dome[0] + (18 if flat else 2)
    bulge = 0.55 if flat else 0.8
    front = -(anatomy.half_depth + anatomy.fat + anatomy.muscle) * 0.86
    for sign in (-1, 1):
        centre = (level, front - 0.25 * radius, sign * 0.58 * anatomy.half_width[0])
        box = grid.around(centre, (1.3 * radius, radius, 1.35 * radius))
        view, part = hu[box], grid.part(box)
        if view.size:
            share = cover(
                ellipsoid(part, centre, (radius, bulge * radius, 1.1 * radius)), grid.voxel + (2 if flat else 9)
            )
            np.maximum(view, share * 930 - 1000, out=view)


def _cavity(anatomy: Anatomy, part: Grid, view: Array, wall: Array) -> Array:
    """Paint what fills the rib cage under the diaphragm; return the coverage by the space above it."""
    depth, height, width = part.axes
    inside = cover(wall, part.voxel)
    # Liver on the right, fat, bowel and stomach on the left.
    organs = 60 - 75 / (1 + np.exp(-(width - 20) / 8)) + 0 * depth
    blend(view, inside, organs.astype(np.float32))
    spleen = (anatomy.dome[1] - 42, 45.0, 0.68 * anatomy.half_width[1])
    box = part.around(spleen, 48.0)
    if view[box].size:
        blend(view[box], cover(ellipsoid(part.part(box), spleen, (45.0, 36.0, 26.0)), part.voxel) * inside[box], 50.0)
    stomach = (anatomy.dome[1] - 20, -22.0, 0.48 * anatomy.half_width[1])
    box = part.around(stomach, 36.0)
    if view[box].size:
        blend(
            view[box], cover(ellipsoid(part.part(box), stomach, (16.0, 26.0, 30.0)), part.voxel) * inside[box], -950.0
        )
    above = diaphragm_depth(anatomy, height, width) - depth
    above *= np.float32(0.8)  # the dome slopes: its distance is shorter than the height above it
    inside *= cover(above, part.voxel)
    return inside


def _ribs(patient: Patient, part: Grid, view: Array, wall: Array) -> None:
    """Ribs, their cartilage in front, and the step of a fracture, for the voxels of a shell around the cage alone."""
    anatomy = patient.anatomy
    edge = part.voxel
    flat = np.flatnonzero(np.abs(wall - DEPTH_OFF_WALL) < 4 + 0.8 * edge)
    z, y, x = np.unravel_index(flat, wall.shape)
    depth, height, width = part.depth[z], part.height[y], part.width[x]
    stretch = anatomy.half_depth / np.mean(anatomy.half_width)
    angle = np.degrees(np.arctan2(np.abs(width) * np.float32(stretch), height)).astype(np.float32)
    radial = wall.reshape(-1)[flat] - DEPTH_OFF_WALL
    number = rib_coordinate(anatomy, depth, angle)
    bone = np.full(len(flat), 460, np.float32)
    gap = np.ones(len(flat), np.float32)
    fracture = patient.finding("rib_fracture")
    if fracture is not None and fracture.rib and fracture.centre_mm:
        _break(
            anatomy,
            fracture.rib,
            fracture.centre_mm,
            fracture.size_mm,
            (depth, height, width),
            angle,
            number,
            radial,
            gap,
        )
    nearest = np.rint(number)
    across = (number - nearest) * np.float32(anatomy.rib_pitch)
    distance = np.sqrt((across / 1.45) ** 2 + radial**2) - 3.6
    front = np.where(nearest > 10, 105.0, 132.0)
    cartilage = angle > front
    bone[cartilage] = 70 + 500 * anatomy.calcium * ((angle[cartilage] * 7.3 + nearest[cartilage] * 3) % 5 < 1.6)
    share = cover(distance, edge) * gap
    share[(nearest < 1) | (nearest > 12) | ((nearest > 10) & cartilage) | (angle > 168)] = 0
    values = view.reshape(-1)[flat] if view.flags.c_contiguous else view[z, y, x]
    view[z, y, x] = values + share * (bone - values)


def _break(anatomy: Anatomy, rib: int, centre: tuple[float, float, float], step: float, at: tuple[Array, Array, Array],
           angle: Array, number: Array, radial: Array, gap: Array) -> None:  # fmt: skip
    """Beyond the break the rib is displaced by ``step`` mm down and inwards; at the break a gap lies open."""
    depth, height, width = at
    middle = np.degrees(np.arctan2(abs(centre[2]) * anatomy.half_depth / np.mean(anatomy.half_width), centre[1]))
    here = (np.sign(width) == np.sign(centre[2])) & (np.abs(number - rib) < 0.62)
    away = np.sqrt((depth - centre[0]) ** 2 + (height - centre[1]) ** 2 + (width - centre[2]) ** 2)
    beyond = here & (angle > middle) & (away < 45)
    fade = np.clip(1.3 - away / 40, 0, 1)
    number[beyond] -= (step * fade / anatomy.rib_pitch)[beyond]
    radial[beyond] += (0.5 * step * fade)[beyond]
    along = np.sqrt(np.maximum(away**2 - ((number - rib) * anatomy.rib_pitch) ** 2, 0))
    gap *= np.where(here, np.clip((along - 1.5 - 0.25 * step) / 2, 0, 1), 1).astype(np.float32)


def _clear(scene: Scene, box: Box, share: Array) -> None:
    """Take a shape (coverage over ``box`` of the lungs' part) out of the lungs."""
    scene.lung[box] *= 1 - share


def _mediastinum(scene: Scene) -> None:
    """Fat and soft tissue between the lungs: broad at the top, narrow in front of the heart."""
    anatomy, part = scene.patient.anatomy, scene.part
    box = part.box((-400.0, -400.0, anatomy.shift - 62), (400.0, 400.0, anatomy.shift + 62))
    inner = part.part(box)
    depth, height, width = inner.axes
    half = anatomy.core * np.interp(depth, [-120, -20, 40, anatomy.apex], [0.75, 0.70, 0.90, 1.15]).astype(np.float32)
    front = np.clip(-height / anatomy.half_depth - 0.25, 0, 1) * np.clip(1 - np.abs(depth - 25) / 55, 0, 1)
    round_ = np.sqrt(np.clip(1.05 - 0.75 * (height / anatomy.half_depth) ** 2, 0.1, 1)) + 0.08 * np.sin(
        depth / 17 + height / 30
    )
    half = (half * (1 - 0.8 * front) * round_).astype(np.float32)
    share = cover(np.abs(width - np.float32(anatomy.shift)) - half, part.voxel + 2)
    view = scene.hu[scene.box][box]
    tissue = np.where(depth > anatomy.dome[0] - 30, -20, 40).astype(np.float32)
    blend(view, share * scene.lung[box], tissue)
    _clear(scene, box, share)


def _spine(scene: Scene) -> None:
    anatomy, grid = scene.patient.anatomy, scene.grid
    _, middle, shift = anatomy.spine
    box = grid.box((-400.0, middle - 26, shift - 46), (400.0, middle + 75, shift + 46))
    part = grid.part(box)
    depth, height, width = part.axes
    bend = shift + anatomy.scoliosis * np.sin(depth / 70)
    view, edge = scene.hu[box], grid.voxel
    lateral = width - bend.astype(np.float32)
    disc = np.abs((depth / 25.5) % 1 - 0.5)  # 0 at the middle of a disc
    waist = (1 + 0.1 * np.clip(1 - disc / 0.15, 0, 1)).astype(np.float32)
    body = (np.sqrt((lateral / (19 * waist)) ** 2 + ((height - middle) / 16) ** 2) - 1) * 17
    marrow = np.where(disc < 0.09, 85, np.where(disc < 0.17, 420, 210)).astype(np.float32)
    soft = cover((np.sqrt((lateral / 30) ** 2 + ((height - middle - 6) / 26) ** 2) - 1) * 27, edge + 2)
    blend(view, soft, 45.0)
    rim = np.clip((body + 4) / 3, 0, 1)
    blend(view, cover(body, edge), marrow + 180 * rim)
    arch = (np.sqrt((lateral / 17) ** 2 + ((height - middle - 32) / 9) ** 2) - 1) * 12
    arms = (np.sqrt((lateral / 36) ** 2 + ((height - middle - 27) / 6) ** 2) - 1) * 12
    spike = (np.sqrt((lateral / 4) ** 2 + ((height - middle - 46) / 18) ** 2) - 1) * 7
    level = np.clip((0.36 - np.abs((depth / 25.5 + 0.1) % 1 - 0.5)) * 10, 0, 1).astype(np.float32)
    blend(view, cover(np.minimum(np.minimum(arch, spike), arms), edge) * level, 380.0)
    blend(view, cover((np.hypot(lateral, height - middle - 25) - 8), edge), 20.0)
    # The lungs' part is smaller than the grid: cut the same soft column out of the lungs.
    inner = scene.part.box((-400.0, middle - 26, shift - 46), (400.0, middle + 75, shift + 46))
    depth, height, width = scene.part.part(inner).axes
    bend = shift + anatomy.scoliosis * np.sin(depth / 70)
    lateral = width - bend.astype(np.float32)
    soft = cover((np.sqrt((lateral / 30) ** 2 + ((height - middle - 6) / 26) ** 2) - 1) * 27, edge + 2)
    _clear(scene, inner, soft)


def _parenchyma(scene: Scene) -> None:
    """Lung tissue: denser towards the back, uneven, with the fissures as faint planes."""
    anatomy, part = scene.patient.anatomy, scene.part
    depth, height, width = part.axes
    pull = anatomy.gravity if scene.posture == "supine" else 0.0
    plane = anatomy.lung_hu + pull * height - (0.12 * depth if scene.posture != "supine" else 0)
    value = lattice_noise(scene.patient.generator("parenchyma"), part, 17.0, (0.0, 0.0, 0.0))
    value *= 11
    value += plane.astype(np.float32)
    oblique = oblique_fissure(anatomy, height, width)[0]
    minor = minor_fissure(anatomy, height, width)[0]
    _sheet(value, part, oblique, np.ones_like(oblique, np.bool_))
    _sheet(value, part, minor, (minor > oblique) & (width[0] < 0))
    blend(scene.hu[scene.box], scene.lung, value)


def _sheet(value: Array, part: Grid, surface: Array, where: NDArray[np.bool_]) -> None:
    """Add a membrane of 1.2 mm at ``surface`` (depth over the axial plane) to the two nearest voxels of each column."""
    place = (surface - part.depth[0]) / part.spacing[0]
    y, x = np.nonzero(where & (place >= 0) & (place < len(part.depth) - 1))
    first = place[y, x].astype(np.int64)
    rest = place[y, x] - first
    amount = np.float32(330 * min(1.0, 1.2 / part.spacing[0]))
    value[first, y, x] += amount * (1 - rest)
    value[first + 1, y, x] += amount * rest


def _heart(scene: Scene) -> None:
    """Two joined ellipsoids, the larger towards the left and the front; its coverage becomes cardiomegaly's mask."""
    anatomy, grid = scene.patient.anatomy, scene.grid
    radius = anatomy.heart_radius * anatomy.heart_scale
    z, y, x = anatomy.heart_centre
    x += anatomy.shift + 8 * (anatomy.heart_scale - 1) * 3
    z += 0.18 * (radius - anatomy.heart_radius)
    y = max(y, -anatomy.half_depth + 0.86 * radius)
    box = grid.around((z, y, x), (1.35 * radius, 1.05 * radius, 1.6 * radius))
    part = grid.part(box)
    left = ellipsoid(
        part, (z - 0.14 * radius, y - 0.06 * radius, x + 0.20 * radius), (0.80 * radius, 0.86 * radius, 0.98 * radius)
    )
    right = ellipsoid(
        part, (z + 0.16 * radius, y + 0.04 * radius, x - 0.42 * radius), (0.86 * radius, 0.72 * radius, 0.72 * radius)
    )
    fat = cover(np.minimum(left, right) - 3, grid.voxel + 1)
    share = cover(np.minimum(left, right), grid.voxel)
    above = cover(_over_diaphragm(anatomy, part), grid.voxel)
    share *= above
    fat *= above
    blend(scene.hu[box], fat, -70.0)
    blend(scene.hu[box], share, 42.0)
    if scene.blood > 60:
        blend(scene.hu[box], cover(left + 11, grid.voxel) * above, scene.blood)
        blend(scene.hu[box], cover(right + 5, grid.voxel) * above, 0.9 * scene.blood)
    scene.heart = (box, share)
    inner = scene.part.around((z, y, x), (1.35 * radius, 1.05 * radius, 1.6 * radius))
    _clear(scene, inner, _recut(fat, box, scene.box, inner))


def _over_diaphragm(anatomy: Anatomy, part: Grid) -> Array:
    depth, height, width = part.axes
    # Under the heart the diaphragm is flat, not a valley between two domes.
    floor = np.minimum(
        diaphragm_depth(anatomy, height, np.maximum(np.abs(width), 50) * np.sign(width)), anatomy.dome[1] + 6
    )
    return np.asarray(floor - 14 - depth, np.float32)


def _recut(share: Array, box: Box, outer: Box, inner: Box) -> Array:
    """A coverage over ``box`` of the grid, cut to ``inner`` of the lungs' part (which starts at ``outer``)."""
    slices = []
    for whole, base, wanted in zip(box, outer, inner, strict=True):
        first = wanted.start + base.start - whole.start
        slices.append(slice(first, first + wanted.stop - wanted.start))
    return share[tuple(slices)]


def _great_vessels(scene: Scene) -> None:
    anatomy, grid, hu = scene.patient.anatomy, scene.grid, scene.hu
    r, top, shift = anatomy.aorta, anatomy.arch, anatomy.shift
    z, y, _ = anatomy.heart_centre
    spine_front = anatomy.spine[1] - 26
    value = max(scene.blood, 44.0)
    path = [
        (z + 20, y + 4, 2 + shift),
        (top - 22, y + 8, -9 + shift),
        (top - 6, 0.0, 3 + shift),
        (top - 8, 0.55 * spine_front, 17 + shift),
        (top - 26, spine_front - 2, 24 + shift),
        (anatomy.dome[1], spine_front + 4, 19 + shift),
        (-400.0, spine_front + 10, 6.0),
    ]
    plaque = scene.patient.generator("plaque")
    for start, end in itertools.pairwise(path):
        a, b = np.asarray(start, np.float32), np.asarray(end, np.float32)
        _vessel(scene, a, b, r, 44.0, value)
        for _ in range(plaque.poisson(1.8 * anatomy.calcium)):
            t, turn = plaque.random(), plaque.uniform(0, 6.28)
            spot = a + (b - a) * t + np.array([0, np.cos(turn), np.sin(turn)]) * r
            reach = np.array([plaque.uniform(3, 9), 0, 0])
            tube(grid, hu, spot.astype(np.float32), (spot + reach).astype(np.float32), 1.5, 1.5, 800.0)
    cava = np.array([anatomy.carina - 28, y + 12, -20 + shift], np.float32)
    _vessel(scene, cava, np.array([anatomy.apex - 12, -8, -23 + shift], np.float32), 9.0, 44.0, value * 1.25)
    trunk = np.array([anatomy.carina - 22, -14, 14 + shift], np.float32)
    for side, sign in ((0, -1), (1, 1)):
        hilum = np.array([anatomy.hilum[side], 0, sign * (anatomy.core + 6) + shift], np.float32)
        _vessel(scene, trunk, hilum, 12.0, 44.0, value, 8.5)
        low = hilum + np.array([-30, 14, sign * 10], np.float32)
        _vessel(scene, hilum, low, 7.5, 44.0, value, 5.0)


def _vessel(
    scene: Scene, start: Array, end: Array, radius: float, wall: float, blood: float, taper: float | None = None
) -> None:
    last = radius if taper is None else taper
    tube(scene.grid, scene.hu, start, end, radius, last, wall)
    if blood > 60:
        tube(scene.grid, scene.hu, start, end, radius - 1.2, last - 1.2, blood)


def _airways(scene: Scene) -> None:
    anatomy, grid, hu = scene.patient.anatomy, scene.grid, scene.hu
    shift = anatomy.shift
    carina = np.array([anatomy.carina, 6, shift], np.float32)
    top = np.array([anatomy.apex + 70, -6, 0.3 * shift], np.float32)
    tube(grid, hu, carina, top, 10.0, 10.5, 30.0)
    for side, sign in ((0, -1), (1, 1)):
        hilum = np.array([anatomy.hilum[side] - 2, 14, sign * (anatomy.core + 10) + shift], np.float32)
        low = hilum + np.array([-38, 20, sign * 16], np.float32)
        tube(grid, hu, carina, hilum, 7.5, 6.0, 20.0)
        tube(grid, hu, carina, hilum, 6.0, 4.5, -1000.0)
        tube(grid, hu, hilum, low, 3.8, 2.2, -1000.0)
    tube(grid, hu, carina, top, 8.0, 8.6, -1000.0)


def _lung_vessels(scene: Scene) -> None:
    part, lung = scene.part, scene.lung
    view = scene.hu[scene.box]
    segments = scene.patient.anatomy.vessels
    thick = segments[:, 6:].max(1) > 0.75 * part.voxel
    value = max(40.0, 0.9 * scene.blood)
    share = threads(part, segments[~thick])
    for row in segments[thick]:
        reach = max(row[6], row[7]) + part.voxel
        box = part.box(np.minimum(row[:3], row[3:6]) - reach, np.maximum(row[:3], row[3:6]) + reach)
        if share[box].size:
            one = cover(capsule(part.part(box), row[:3], row[3:6], float(row[6]), float(row[7])), part.voxel)
            np.maximum(share[box], one, out=share[box])
    share *= lung
    blend(view, share, value)


def _girdle(anatomy: Anatomy, grid: Grid, hu: Array) -> None:
    """Breastbone, collar bones, shoulder blades."""
    front = -anatomy.half_depth - 7
    top = np.array([anatomy.apex - 34, 0.80 * front, 0], np.float32)
    middle = np.array([anatomy.apex - 70, front, 0], np.float32)
    low = np.array([-45, front - 2, 0], np.float32)
    for start, end in ((top, middle), (middle, low)):
        box = grid.box(np.minimum(start, end) - 22, np.maximum(start, end) + 22)
        part = grid.part(box)
        if hu[box].size:
            flat = Grid(part.depth, part.height, part.width / 2.4)._spaced(part.spacing)
            share = cover(capsule(flat, start, end, 6.5, 6.5), grid.voxel)
            blend(hu[box], share, 190.0)
    for sign in (-1, 1):
        points = np.array(
            [
                [anatomy.apex - 28, 0.72 * front, sign * 16],
                [anatomy.apex - 16, 0.66 * front, sign * 62],
                [anatomy.apex - 4, 0.05 * front, sign * 118],
                [anatomy.apex - 2, 8, sign * 152],
            ],
            np.float32,
        )
        for start, end in itertools.pairwise(points):
            tube(grid, hu, start, end, 6.2, 6.2, 420.0)
        blade = (anatomy.apex - 58.0, 0.72 * anatomy.half_depth, sign * (anatomy.half_width[0] + 12.0))
        box = grid.around(blade, (66.0, 40.0, 30.0))
        part = grid.part(box)
        if hu[box].size:
            depth, height, width = part.axes
            tilt = (width - blade[2]) + sign * 0.9 * (height - blade[1]) + sign * 0.12 * (depth - blade[0])
            along = np.sqrt(((height - blade[1]) / 22) ** 2 + ((depth - blade[0]) / 58) ** 2)
            sheet = np.maximum(np.abs(tilt) * 0.74 - 2.6, (along - 1) * 40)
            blend(hu[box], cover(sheet, grid.voxel), 330.0)
