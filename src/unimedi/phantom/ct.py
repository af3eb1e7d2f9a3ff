"""A patient's CT: the chest lying on its back on a table, seen through a scanner with blur, noise and an offset."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unimedi.phantom.painting.body import body_half_sizes
from unimedi.phantom.painting.distractors import paint_distractors
from unimedi.phantom.painting.findings import paint_findings
from unimedi.phantom.painting.thorax import paint_thorax
from unimedi.phantom.painting.voxelise import Grid, cover
from unimedi.phantom.patient.anatomy import Array
from unimedi.phantom.patient.patient import Patient

LOWEST_LESIONS = 0.6  # of the diaphragm's fall: below it the lung is a rim too thin for a lesion


@dataclass(frozen=True, slots=True, eq=False)
class CtScan:
    """``voxels`` int16 HU (depth, height, width), feet to head, front to back, patient's right to left."""

    voxels: NDArray[np.int16]
    grid: Grid  # the voxels' centres in patient coordinates (mm)
    masks: dict[str, NDArray[np.bool_]]  # by finding, same shape as the voxels

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Mm a voxel, same order."""
        return self.grid.spacing

    @property
    def origin(self) -> tuple[float, float, float]:
        """Patient coordinates (mm) of voxel (0, 0, 0)."""
        return float(self.grid.depth[0]), float(self.grid.height[0]), float(self.grid.width[0])


def render_ct(patient: Patient, shape: tuple[int, int, int] = (64, 128, 128), lungs_only: bool = False) -> CtScan:
    """The patient's CT.

    Args:
        patient: field of view, reconstruction kernel and noise are the patient's own.
        shape: voxels (depth, height, width). Pixels are square: where height and width differ, the longer axis shows
            more of the body.
        lungs_only: the field ends with the lungs, so that every height may show a lesion.

    Returns:
        Voxels int16 HU, the grid that they lie on (mm) and a mask of each finding.
    """
    rng = patient.generator("ct")
    grid = _field(patient, shape, rng, lungs_only)
    # One scan in three is done with contrast; blood then is as bright as bone.
    blood = float(rng.uniform(110, 260)) if rng.random() < 0.33 * patient.variety else float(rng.uniform(36, 50))
    canvas = paint_thorax(patient, grid, "supine", blood)
    masks = paint_findings(canvas)
    paint_distractors(patient.distractors, grid, canvas.hu)
    _table(patient, grid, canvas.hu, rng)
    _scanner(canvas.hu, grid, rng)
    canvas.hu.clip(-1024, 3071, out=canvas.hu)
    voxels = np.rint(canvas.hu, out=canvas.hu).astype(np.int16)
    return CtScan(voxels, grid, masks)


def _field(patient: Patient, shape: tuple[int, int, int], rng: np.random.Generator, lungs_only: bool) -> Grid:
    anatomy = patient.anatomy
    # One scan in seven goes on into the abdomen, one in ten begins in the neck: the middle slice means little.
    below = rng.uniform(70, 150) if rng.random() < 0.15 * patient.variety else patient.varied(rng.uniform(4, 60), 32.0)
    above = rng.uniform(45, 90) if rng.random() < 0.1 * patient.variety else patient.varied(rng.uniform(6, 45), 25.0)
    low, high = min(anatomy.dome) - anatomy.dome_drop - float(below), anatomy.apex + float(above)
    if lungs_only:
        low = min(anatomy.dome) - LOWEST_LESIONS * anatomy.dome_drop - patient.varied(rng.uniform(0, 12), 6.0)
        high = anatomy.apex + patient.varied(rng.uniform(-8, 0), -4.0)
    skin = float(body_half_sizes(anatomy, np.zeros(1, np.float32))[0][0])
    half = skin * patient.varied(rng.uniform(0.98, 1.16), 1.07)
    shift_y, shift_x = patient.varied(rng.normal(0, 7)), patient.varied(rng.normal(0, 6))
    step = 2 * half / min(shape[1:])
    reach = (step * shape[1] / 2, step * shape[2] / 2)
    return Grid.spanning(
        shape, (low, shift_y - reach[0], shift_x - reach[1]), (high, shift_y + reach[0], shift_x + reach[1])
    )


def _table(patient: Patient, grid: Grid, hu: Array, rng: np.random.Generator) -> None:
    """The couch: a shallow trough of foam with a bright skin, under the back."""
    back = float(body_half_sizes(patient.anatomy, np.zeros(1, np.float32))[1][0]) + float(rng.uniform(4, 12))
    _, height, width = grid.axes
    top: Array = np.asarray(height - back + 0.0011 * width**2, np.float32)
    inside = np.abs(width) < 205
    foam = cover(_thick(top, 14.0, 28.0), grid.voxel) * inside
    shell = np.maximum(cover(_thick(top, 0.0, 1.6), grid.voxel), cover(_thick(top, 28.0, 1.6), grid.voxel)) * inside
    rows = slice(int(np.argmax(foam[0].any(1))), None) if foam.any() else slice(0, 0)
    view = hu[:, rows]
    outside = np.clip((-600 - view) / 300, 0, 1)
    foam, shell = foam[:, rows], shell[:, rows] * min(1.0, 1.6 / grid.voxel)
    view += outside * (foam * 120 + shell * 700)


def _thick(top: Array, middle: float, thickness: float) -> Array:
    """Distance to a layer around ``middle`` mm under the couch's top."""
    return np.asarray(np.abs(top - middle) - thickness / 2, np.float32)


def _scanner(hu: Array, grid: Grid, rng: np.random.Generator) -> None:
    """Reconstruction kernel (soft to sharp), quantum noise with the kernel's grain, calibration offset; in place."""
    sharp = float(rng.uniform(0, 1))
    noise = float(rng.uniform(9, 26)) * (0.6 + 0.8 * sharp)
    noise *= min(1.5, (3.0 / max(grid.voxel, 1.0)) ** 0.5)
    side = 0.22 * (1 - sharp)
    grain = rng.standard_normal(hu.shape, dtype=np.float32)
    grain *= noise
    hu += grain
    for axis in (1, 2):
        _soften(np.moveaxis(hu, axis, 0), side)
    hu += np.float32(rng.normal(0, 4))


def _soften(hu: Array, side: float) -> None:
    """Weigh each plane along the first axis with its neighbours (side, 1 - 2 side, side), in place; the ends stay."""
    around = hu[:-2] + hu[2:]
    around *= np.float32(side)
    hu[1:-1] *= np.float32(1 - 2 * side)
    hu[1:-1] += around
