"""A healthy chest in HU on any grid: skin to lungs, bones, heart, vessels. Findings are painted into it afterwards."""

import numpy as np
from numpy.typing import NDArray

from unimedi.phantom.painting.body import body, cavity
from unimedi.phantom.painting.bones import girdle, ribs, spine
from unimedi.phantom.painting.canvas import Canvas, Posture
from unimedi.phantom.painting.mediastinum import airways, great_vessels, heart, mediastinum
from unimedi.phantom.painting.voxelise import Grid, blend, capsule, cover, lattice_noise, threads
from unimedi.phantom.patient.anatomy import Array, cage_distance, minor_fissure, oblique_fissure
from unimedi.phantom.patient.patient import Patient


def paint_thorax(patient: Patient, grid: Grid, posture: Posture, blood: float) -> Canvas:
    """Paint a chest without findings.

    Args:
        grid: the voxels to fill (mm in patient coordinates).
        posture: tells where fluid and air will gather.
        blood: HU of heart and vessels, more with contrast.
    """
    anatomy = patient.anatomy
    hu = body(patient, grid, posture)
    reach = max(anatomy.half_width) + 18
    box = grid.box((-400.0, -anatomy.half_depth - 18, -reach), (anatomy.apex + 20, anatomy.half_depth + 18, reach))
    part = grid.part(box)
    wall = cage_distance(anatomy, *part.axes)
    lung = cavity(anatomy, part, hu[box], wall)
    ribs(patient, part, hu[box], wall)
    canvas = Canvas(patient, grid, posture, blood, hu, box, part, wall, lung, (box, lung))
    mediastinum(canvas)
    spine(canvas)
    _parenchyma(canvas)
    heart(canvas)
    great_vessels(canvas)
    airways(canvas)
    _lung_vessels(canvas)
    girdle(anatomy, grid, hu)
    return canvas


def _parenchyma(canvas: Canvas) -> None:
    """Lung tissue: denser towards the back, uneven, with the fissures as faint planes."""
    anatomy, part = canvas.patient.anatomy, canvas.part
    depth, height, width = part.axes
    pull = anatomy.gravity if canvas.posture == "supine" else 0.0
    plane = anatomy.lung_hu + pull * height - (0.12 * depth if canvas.posture != "supine" else 0)
    value = lattice_noise(canvas.patient.generator("parenchyma"), part, 17.0, (0.0, 0.0, 0.0))
    value *= 11
    value += plane.astype(np.float32)
    oblique = oblique_fissure(anatomy, height, width)[0]
    minor = minor_fissure(anatomy, height, width)[0]
    _sheet(value, part, oblique, np.ones_like(oblique, np.bool_))
    _sheet(value, part, minor, (minor > oblique) & (width[0] < 0))
    blend(canvas.hu[canvas.box], canvas.lung, value)


def _sheet(value: Array, part: Grid, surface: Array, where: NDArray[np.bool_]) -> None:
    """Add a membrane of 1.2 mm at ``surface`` (depth over the axial plane) to the two nearest voxels of each column."""
    place = (surface - part.depth[0]) / part.spacing[0]
    y, x = np.nonzero(where & (place >= 0) & (place < len(part.depth) - 1))
    first = place[y, x].astype(np.int64)
    rest = place[y, x] - first
    amount = np.float32(330 * min(1.0, 1.2 / part.spacing[0]))
    value[first, y, x] += amount * (1 - rest)
    value[first + 1, y, x] += amount * rest


def _lung_vessels(canvas: Canvas) -> None:
    part, lung = canvas.part, canvas.lung
    view = canvas.hu[canvas.box]
    segments = canvas.patient.anatomy.vessels
    thick = segments[:, 6:].max(1) > 0.75 * part.voxel
    value = max(40.0, 0.9 * canvas.blood)
    share = threads(part, segments[~thick])
    for row in segments[thick]:
        reach = max(row[6], row[7]) + part.voxel
        box = part.box(np.minimum(row[:3], row[3:6]) - reach, np.maximum(row[:3], row[3:6]) + reach)
        if share[box].size:
            one = cover(capsule(part.part(box), row[:3], row[3:6], float(row[6]), float(row[7])), part.voxel)
            np.maximum(share[box], one, out=share[box])
    share *= lung
    blend(view, share, value)
