"""Skin, fat, muscle and breasts, and what lies under the diaphragm."""

import numpy as np

from unimedi.phantom.painting.voxelise import Grid, blend, cover, ellipsoid, lattice_noise
from unimedi.phantom.patient.anatomy import Anatomy, Array, diaphragm_depth
from unimedi.phantom.patient.patient import Patient


def body_half_sizes(anatomy: Anatomy, depth: Array) -> tuple[Array, Array]:
    """Half width and half depth (mm) of the skin's outline by depth: chest, shoulders, neck."""
    thick = anatomy.fat + anatomy.muscle + 10
    width = sum(anatomy.half_width) / 2 + thick
    chest = anatomy.half_depth + thick
    top = anatomy.apex
    level = np.array([-400, top - 90, top - 45, top - 5, top + 18, top + 34, top + 50, top + 90])
    widths = np.interp(depth, level, [width, width, width + 22, width + 45, width + 28, 0.75 * width, 72, 60])
    depths = np.interp(depth, level, [chest, chest, 0.97 * chest, 0.86 * chest, 0.74 * chest, 0.65 * chest, 64, 62])
    return widths.astype(np.float32), depths.astype(np.float32)


def body(patient: Patient, grid: Grid, posture: str) -> Array:
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
    patches.clip(-np.inf, 156, out=patches)  # several times as fast as the minimum of an array and a number
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


def cavity(anatomy: Anatomy, part: Grid, view: Array, wall: Array) -> Array:
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
