"""A patient's chest X-ray: perspective Beer-Lambert projection, scatter, quantum noise, exposure, 12 bits.

Every layer of the chest parallel to the detector is magnified by its own distance and added up (a shear-warp: two small
matrix products a layer), which for flat layers is the line integral itself, interpolated linearly.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from unimedi.phantom.painting.body import body_half_sizes
from unimedi.phantom.painting.distractors import paint_distractors
from unimedi.phantom.painting.findings import paint_findings
from unimedi.phantom.painting.thorax import paint_thorax
from unimedi.phantom.painting.voxelise import Grid
from unimedi.phantom.patient.anatomy import Array
from unimedi.phantom.patient.patient import Patient

View = Literal["PA", "AP"]
WATER = 0.0185  # attenuation of water, 1/mm, at the effective energy of a 120 kVp beam
BONE_EXTRA = 1.9  # what lies above water attenuates more than its HU say: the photoelectric share
BAND = 16  # pixels, see ``_interpolated``
LARGEST = 512  # voxels along depth and width; larger images are interpolated from this


@dataclass(frozen=True, slots=True, eq=False)
class XrayScan:
    """``pixels`` uint16 0..4095 (height, width), dense tissue bright (MONOCHROME2), patient's right on the left."""

    pixels: NDArray[np.uint16]
    spacing: tuple[float, float]  # mm a pixel on the detector
    masks: dict[str, NDArray[np.bool_]]  # by finding, same shape as the pixels
    view: View


@dataclass(frozen=True, slots=True)
class Geometry:
    """A source on the axis depth = width = 0. ``source`` and ``detector`` are height coordinates (mm)."""

    source: float
    detector: float
    pitch: float  # mm a detector pixel
    yaw: float = 0.0  # mm sideways a mm of height: a patient turned a little
    tilt: float = 0.0  # mm in depth a mm of height


def render_xray(
    patient: Patient, view: View = "PA", size: tuple[int, int] = (128, 128), masks: bool = True
) -> XrayScan:
    """The patient's radiograph.

    Args:
        view: ``PA``: upright, source 1.8 m behind; ``AP``: half lying, source 1.0 to 1.3 m in front.
        size: pixels (height, width).
        masks: whether to project the findings' masks, which takes as long as projecting the chest.

    Returns:
        Pixels uint16 0..4095, spacing on the detector (mm) and a mask of each finding, or no masks.
    """
    rng = patient.generator(view)
    # The radiographer collimates to the chest.
    lungs = sum(patient.anatomy.half_width)
    chest = max(lungs, 1.05 * (patient.anatomy.apex - min(patient.anatomy.dome) + 45))
    field = chest * patient.varied(rng.uniform(1.32, 1.52), 1.42)
    geometry, grid = _setup(patient, view, size, field, rng)
    canvas = paint_thorax(patient, grid, "upright" if view == "PA" else "reclined", 42.0)
    found = paint_findings(canvas)
    paint_distractors(patient.distractors, grid, canvas.hu)
    path = project(attenuation(canvas.hu), grid, geometry, size)
    pixels = _detector(path, geometry.pitch, rng)
    flat = {name: project_mask(mask, grid, geometry, size) for name, mask in found.items() if masks}
    return XrayScan(pixels, (geometry.pitch, geometry.pitch), flat, view)


def attenuation(hu: Array) -> Array:
    """Linear attenuation (1/mm) of HU values; overwrites its argument."""
    extra = hu - 60
    extra.clip(0, np.inf, out=extra)  # several times as fast as the maximum of an array and a number
    extra *= np.float32(BONE_EXTRA - 1)
    if hu.max(initial=0) > 1400:
        # Steel and titanium stop far more than the scale of HU, which ends near 3000, can say.
        extra += np.float32(8) * np.maximum(hu - 1400, 0)
    hu += extra
    hu += 1000
    hu *= np.float32(WATER / 1000)
    return hu.clip(0, np.inf, out=hu)


def project(density: Array, grid: Grid, geometry: Geometry, size: tuple[int, int]) -> Array:
    """Line integrals of ``density`` (1/mm, over ``grid``) to the detector: (height, width), feet at the bottom."""
    total = np.zeros(size, np.float32)
    up, across = _pixel_axes(geometry, size)
    reach = abs(geometry.detector - geometry.source)
    for index, height in enumerate(grid.height):
        layer = density[:, index]
        if not layer.any():
            continue
        share = abs(float(height) - geometry.source) / reach
        rows = _weights(up * share - geometry.tilt * float(height), grid.depth, grid.spacing[0])
        columns = _weights(across * share - geometry.yaw * float(height), grid.width, grid.spacing[2])
        total += _interpolated(layer, rows, columns)
    slant = np.sqrt(1 + (up[:, None] ** 2 + across[None] ** 2) / reach**2)
    total *= (slant * grid.spacing[1]).astype(np.float32)
    return total


def _interpolated(layer: Array, rows: "_Weights", columns: "_Weights") -> Array:
    """``rows @ layer @ columns.T`` of weights that lie along a band: a few pixels and their voxels at a time."""
    lines = np.empty((len(rows.full), layer.shape[1]), np.float32)
    for pixels, voxels in rows.bands():
        lines[pixels] = rows.full[pixels, voxels] @ layer[voxels]
    out = np.empty((len(rows.full), len(columns.full)), np.float32)
    for pixels, voxels in columns.bands():
        out[:, pixels] = lines[:, voxels] @ columns.full[pixels, voxels].T
    return out


def project_mask(mask: NDArray[np.bool_], grid: Grid, geometry: Geometry, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose ray runs through the mask for at least 5 mm (or 40 % of its longest run, for small things)."""
    inside: NDArray[np.bool_] = np.asarray(mask.any(axis=(0, 2)))
    if not inside.any():
        return np.zeros(size, np.bool_)
    first, last = int(np.argmax(inside)), len(inside) - int(np.argmax(inside[::-1]))
    count = min(last - first, 24)  # a few thick layers are enough for an outline
    edges = np.linspace(first, last, count + 1).astype(int)
    layers = [mask[:, a:b].sum(axis=1, dtype=np.float32) for a, b in itertools.pairwise(edges)]
    heights = np.array([grid.height[a:b].mean() for a, b in itertools.pairwise(edges)], np.float32)
    part = Grid(grid.depth, heights, grid.width)
    part.__dict__["spacing"] = grid.spacing
    path = project(np.stack(layers, axis=1), part, geometry, size)
    path = gaussian_filter(path, 0.7)  # thin oblique sheets would leave combs
    return np.asarray(path > min(5.0, 0.4 * float(path.max())))


def _setup(
    patient: Patient, view: View, size: tuple[int, int], field: float, rng: np.random.Generator
) -> tuple[Geometry, Grid]:
    anatomy = patient.anatomy
    deep = float(body_half_sizes(anatomy, np.zeros(1, np.float32))[1][0]) + 12
    sign = 1.0 if view == "PA" else -1.0  # PA: the source stands behind the patient
    reach = 1800.0 if view == "PA" else float(rng.uniform(1000, 1300))
    detector = -sign * (deep + (25 if view == "PA" else 45))
    # Detectors are larger than the field at the patient's middle by the magnification.
    pitch = field / min(size) * reach / (reach - abs(detector))
    turn = 0.03 if view == "PA" else 0.06
    yaw, tilt = patient.varied(rng.normal(0, turn)), patient.varied(rng.normal(0, turn))
    geometry = Geometry(detector + sign * reach, detector, pitch, yaw, tilt)
    shape = [min(LARGEST, max(16, round(0.88 * n))) for n in size]
    extent = [field * n / min(size) / 2 for n in size]
    off_depth, off_width = patient.varied(rng.normal(0, 7)), patient.varied(rng.normal(0, 6))
    middle = (anatomy.apex + min(anatomy.dome)) / 2 - 20 + off_depth, off_width
    layers = min(160, max(44, round(0.4 * min(shape))))
    grid = Grid.spanning(
        (shape[0], layers, shape[1]),
        (middle[0] - extent[0], -deep, middle[1] - extent[1]),
        (middle[0] + extent[0], deep, middle[1] + extent[1]),
    )
    return geometry, grid


def _pixel_axes(geometry: Geometry, size: tuple[int, int]) -> tuple[Array, Array]:
    """Detector coordinates (mm) of pixel rows (top = head) and columns (left = patient's right)."""
    up = ((size[0] - 1) / 2 - np.arange(size[0], dtype=np.float32)) * np.float32(geometry.pitch)
    across = (np.arange(size[1], dtype=np.float32) - (size[1] - 1) / 2) * np.float32(geometry.pitch)
    return up, across


@dataclass(frozen=True, slots=True)
class _Weights:
    """Linear interpolation: ``full`` (points, voxels); a point lies between voxel ``first`` and the next one."""

    full: Array
    first: list[int]

    def bands(self) -> Iterator[tuple[slice, slice]]:
        """``BAND`` points (as many in the last, which may overlap) and the voxels with a weight in one of them."""
        count = len(self.first)
        for start in range(0, count, BAND):
            begin = max(min(start, count - BAND), 0)
            ends = self.first[begin], self.first[min(begin + BAND, count) - 1]
            yield slice(begin, begin + BAND), slice(min(ends), max(ends) + 2)


def _weights(points: Array, axis: Array, step: float) -> _Weights:
    """Weights to interpolate an axis at ``points`` (rising or falling); beyond the grid its edge is repeated."""
    place = ((points - axis[0]) / np.float32(step)).clip(0, len(axis) - 1)
    first = np.minimum(place.astype(np.intp), len(axis) - 2)
    rest = place - first.astype(np.float32)
    full = np.zeros((len(place), len(axis)), np.float32)
    pair = first + np.arange(0, full.size, len(axis))
    full.reshape(-1)[pair] = 1 - rest
    full.reshape(-1)[pair + 1] = 1 - np.abs(rest - 1)
    return _Weights(full, first.tolist())


def _detector(path: Array, pitch: float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """From path lengths to pixels: primary beam, scatter, photon noise, logarithm, exposure."""
    primary = np.exp(-path)
    scatter = _blur(primary, 55 / pitch)
    share = float(rng.uniform(0.12, 0.4))  # what the anti-scatter grid lets through
    signal = primary + share / (1 - share) * 0.6 * scatter
    photons = float(rng.uniform(0.5, 2.5)) * 3.0e4 * (pitch / 3.0) ** 2
    signal += np.sqrt(signal / photons) * rng.standard_normal(signal.shape, dtype=np.float32)
    shade = -np.log(np.maximum(signal, 1e-4))
    # The exposure follows the chest, not the air beside it: the borders of the picture do not count.
    rows, columns = shade.shape[0] // 5, shade.shape[1] // 5
    low, high = np.percentile(shade[rows:-rows, columns:-columns], (1, 91))
    low -= float(rng.uniform(0.08, 0.2)) * (high - low)
    high += float(rng.uniform(0.0, 0.12)) * (high - low)
    grey = np.clip((shade - low) / (high - low), 0, 1) ** float(rng.uniform(0.88, 1.14))
    pixels: NDArray[np.uint16] = np.rint(grey * 4095).astype(np.uint16)
    return pixels


def _blur(image: Array, sigma: float) -> Array:
    """Wide Gaussian blur, done on a coarse copy."""
    step = max(1, int(sigma / 4))
    rows, columns = (np.arange(0, n, step) for n in image.shape)
    coarse = np.add.reduceat(np.add.reduceat(image, rows, 0), columns, 1)
    count = np.outer(np.diff(np.append(rows, image.shape[0])), np.diff(np.append(columns, image.shape[1])))
    coarse = gaussian_filter(coarse / count, sigma / step, mode="nearest").astype(np.float32)
    up, across = (
        _weights(np.asarray((np.arange(n) + 0.5) / step - 0.5, np.float32), np.arange(m, dtype=np.float32), 1.0).full
        for n, m in zip(image.shape, coarse.shape, strict=True)
    )
    out: Array = up @ coarse @ across.T
    return out
