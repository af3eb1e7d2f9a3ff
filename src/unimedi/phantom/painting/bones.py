"""Ribs with their cartilage and fractures, spine, breastbone, collar bones, shoulder blades."""

import itertools

import numpy as np

from unimedi.phantom.painting.canvas import Canvas, clear
from unimedi.phantom.painting.voxelise import Grid, blend, capsule, cover, tube
from unimedi.phantom.patient.anatomy import RIB_OFF_WALL, Anatomy, Array, rib_coordinate
from unimedi.phantom.patient.catalogue import Finding
from unimedi.phantom.patient.patient import Patient


def ribs(patient: Patient, part: Grid, view: Array, wall: Array) -> None:
    """Ribs, their cartilage in front, and the step of a fracture, for the voxels of a shell around the cage alone."""
    anatomy = patient.anatomy
    edge = part.voxel
    flat = np.flatnonzero(np.abs(wall - RIB_OFF_WALL) < 4 + 0.8 * edge)
    z, y, x = np.unravel_index(flat, wall.shape)
    depth, height, width = part.depth[z], part.height[y], part.width[x]
    stretch = anatomy.half_depth / np.mean(anatomy.half_width)
    angle = np.degrees(np.arctan2(np.abs(width) * np.float32(stretch), height)).astype(np.float32)
    radial = wall.reshape(-1)[flat] - RIB_OFF_WALL
    number = rib_coordinate(anatomy, depth, angle)
    bone = np.full(len(flat), 460, np.float32)
    gap = np.ones(len(flat), np.float32)
    fracture = patient.finding("rib_fracture")
    if fracture is not None and fracture.rib and fracture.centre_mm:
        _break(anatomy, fracture, (depth, height, width), angle, number, radial, gap)
    nearest = np.rint(number)
    across = (number - nearest) * np.float32(anatomy.rib_pitch)
    distance = np.asarray(np.sqrt((across / 1.45) ** 2 + radial**2) - 3.6, np.float32)
    front = np.where(nearest > 10, 105.0, 132.0)
    cartilage = angle > front
    bone[cartilage] = 70 + 500 * anatomy.calcium * ((angle[cartilage] * 7.3 + nearest[cartilage] * 3) % 5 < 1.6)
    share = cover(distance, edge) * gap
    share[(nearest < 1) | (nearest > 12) | ((nearest > 10) & cartilage) | (angle > 168)] = 0
    values = view.reshape(-1)[flat] if view.flags.c_contiguous else view[z, y, x]
    view[z, y, x] = values + share * (bone - values)


def _break(anatomy: Anatomy, fracture: Finding, at: tuple[Array, Array, Array], angle: Array, number: Array,
           radial: Array, gap: Array) -> None:  # fmt: skip
    """Beyond the break the rib (its neighbours too, where the step is large) lies a step down and inwards; in place."""
    rib, centre, step = fracture.rib or 0, fracture.centre_mm or (0.0, 0.0, 0.0), fracture.size_mm
    depth, height, width = at
    middle = np.degrees(np.arctan2(abs(centre[2]) * anatomy.half_depth / np.mean(anatomy.half_width), centre[1]))
    here = (np.sign(width) == np.sign(centre[2])) & (np.abs(number - rib) < (1.62 if step > 8 else 0.62))
    away = np.sqrt((depth - centre[0]) ** 2 + (height - centre[1]) ** 2 + (width - centre[2]) ** 2)
    beyond = here & (angle > middle) & (away < 45)
    fade = np.clip(1.3 - away / 40, 0, 1)
    number[beyond] -= (step * fade / anatomy.rib_pitch)[beyond]
    radial[beyond] += (0.5 * step * fade)[beyond]
    along = np.sqrt(np.maximum(away**2 - ((number - rib) * anatomy.rib_pitch) ** 2, 0))
    gap *= np.where(here, np.clip((along - 1.5 - 0.25 * step) / 2, 0, 1), 1).astype(np.float32)


def spine(canvas: Canvas) -> None:
    anatomy, grid = canvas.patient.anatomy, canvas.grid
    _, middle, shift = anatomy.spine
    box = grid.box((-400.0, middle - 26, shift - 46), (400.0, middle + 75, shift + 46))
    part = grid.part(box)
    depth, height, width = part.axes
    bend = shift + anatomy.scoliosis * np.sin(depth / 70)
    view, edge = canvas.hu[box], grid.voxel
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
    canal = part.box((-400.0, middle + 15 - edge, shift - 12 - edge - abs(anatomy.scoliosis)),
                     (400.0, middle + 35 + edge, shift + 12 + edge + abs(anatomy.scoliosis)))  # fmt: skip
    across = lateral[:, :, canal[2]], (height - middle - 25)[:, canal[1]]
    blend(view[canal], cover(np.hypot(*across) - 8, edge), 20.0)
    # The lungs' part is smaller than the grid: cut the same soft column out of the lungs.
    inner = canvas.part.box((-400.0, middle - 26, shift - 46), (400.0, middle + 75, shift + 46))
    depth, height, width = canvas.part.part(inner).axes
    bend = shift + anatomy.scoliosis * np.sin(depth / 70)
    lateral = width - bend.astype(np.float32)
    soft = cover((np.sqrt((lateral / 30) ** 2 + ((height - middle - 6) / 26) ** 2) - 1) * 27, edge + 2)
    clear(canvas, inner, soft)


def girdle(anatomy: Anatomy, grid: Grid, hu: Array) -> None:
    """Breastbone, collar bones, shoulder blades."""
    front = -anatomy.half_depth - 7
    top = np.array([anatomy.apex - 34, 0.80 * front, 0], np.float32)
    middle = np.array([anatomy.apex - 70, front, 0], np.float32)
    low = np.array([-45, front - 2, 0], np.float32)
    for start, end in ((top, middle), (middle, low)):
        box = grid.box(np.minimum(start, end) - 22, np.maximum(start, end) + 22)
        part = grid.part(box)
        if hu[box].size:
            flat = Grid(part.depth, part.height, part.width / 2.4)._spaced(part)
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
