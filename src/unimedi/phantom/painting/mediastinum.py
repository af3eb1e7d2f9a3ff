"""Heart, great vessels, airways, and the fat between the lungs."""

import itertools

import numpy as np

from unimedi.phantom.painting.canvas import Canvas, clear, recut
from unimedi.phantom.painting.voxelise import Grid, blend, cover, ellipsoid, tube
from unimedi.phantom.patient.anatomy import Anatomy, Array, diaphragm_depth


def mediastinum(canvas: Canvas) -> None:
    """Fat and soft tissue between the lungs: broad at the top, narrow in front of the heart."""
    anatomy, part = canvas.patient.anatomy, canvas.part
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
    view = canvas.hu[canvas.box][box]
    tissue = np.where(depth > anatomy.dome[0] - 30, -20, 40).astype(np.float32)
    blend(view, share * canvas.lung[box], tissue)
    clear(canvas, box, share)


def heart(canvas: Canvas) -> None:
    """Two joined ellipsoids, the larger towards the left and the front; its coverage becomes cardiomegaly's mask."""
    anatomy, grid = canvas.patient.anatomy, canvas.grid
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
    blend(canvas.hu[box], fat, -70.0)
    blend(canvas.hu[box], share, 42.0)
    if canvas.blood > 60:
        blend(canvas.hu[box], cover(left + 11, grid.voxel) * above, canvas.blood)
        blend(canvas.hu[box], cover(right + 5, grid.voxel) * above, 0.9 * canvas.blood)
    canvas.heart = (box, share)
    inner = canvas.part.around((z, y, x), (1.35 * radius, 1.05 * radius, 1.6 * radius))
    clear(canvas, inner, recut(fat, box, canvas.box, inner))


def _over_diaphragm(anatomy: Anatomy, part: Grid) -> Array:
    depth, height, width = part.axes
    # Under the heart the diaphragm is flat, not a valley between two domes.
    floor = np.minimum(
        diaphragm_depth(anatomy, height, np.maximum(np.abs(width), 50) * np.sign(width)), anatomy.dome[1] + 6
    )
    return np.asarray(floor - 14 - depth, np.float32)


def great_vessels(canvas: Canvas) -> None:
    anatomy, grid, hu = canvas.patient.anatomy, canvas.grid, canvas.hu
    r, top, shift = anatomy.aorta, anatomy.arch, anatomy.shift
    z, y, _ = anatomy.heart_centre
    spine_front = anatomy.spine[1] - 26
    value = max(canvas.blood, 44.0)
    path = [
        (z + 20, y + 4, 2 + shift),
        (top - 22, y + 8, -9 + shift),
        (top - 6, 0.0, 3 + shift),
        (top - 8, 0.55 * spine_front, 17 + shift),
        (top - 26, spine_front - 2, 24 + shift),
        (anatomy.dome[1], spine_front + 4, 19 + shift),
        (-400.0, spine_front + 10, 6.0),
    ]
    plaque = canvas.patient.generator("plaque")
    for start, end in itertools.pairwise(path):
        a, b = np.asarray(start, np.float32), np.asarray(end, np.float32)
        _vessel(canvas, a, b, r, 44.0, value)
        for _ in range(plaque.poisson(1.8 * anatomy.calcium)):
            t, turn = plaque.random(), plaque.uniform(0, 6.28)
            spot = a + (b - a) * t + np.array([0, np.cos(turn), np.sin(turn)]) * r
            reach = np.array([plaque.uniform(3, 9), 0, 0])
            tube(grid, hu, spot.astype(np.float32), (spot + reach).astype(np.float32), 1.5, 1.5, 800.0)
    cava = np.array([anatomy.carina - 28, y + 12, -20 + shift], np.float32)
    _vessel(canvas, cava, np.array([anatomy.apex - 12, -8, -23 + shift], np.float32), 9.0, 44.0, value * 1.25)
    trunk = np.array([anatomy.carina - 22, -14, 14 + shift], np.float32)
    for side, sign in ((0, -1), (1, 1)):
        hilum = np.array([anatomy.hilum[side], 0, sign * (anatomy.core + 6) + shift], np.float32)
        _vessel(canvas, trunk, hilum, 12.0, 44.0, value, 8.5)
        low = hilum + np.array([-30, 14, sign * 10], np.float32)
        _vessel(canvas, hilum, low, 7.5, 44.0, value, 5.0)


def _vessel(
    canvas: Canvas, start: Array, end: Array, radius: float, wall: float, blood: float, taper: float | None = None
) -> None:
    last = radius if taper is None else taper
    tube(canvas.grid, canvas.hu, start, end, radius, last, wall)
    if blood > 60:
        tube(canvas.grid, canvas.hu, start, end, radius - 1.2, last - 1.2, blood)


def airways(canvas: Canvas) -> None:
    anatomy, grid, hu = canvas.patient.anatomy, canvas.grid, canvas.hu
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
