"""Implicit shapes on a grid: distances in mm, each inside its bounding box, turned into soft coverage of voxels.

A voxel that a surface cuts is covered in part (``cover``), so coarse and fine grids hold the same volume. Nothing here
knows about anatomy.
"""

from dataclasses import dataclass
from functools import cached_property
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Box = tuple[slice, slice, slice]
Triple = tuple[float, float, float]
Corner = NDArray[np.floating[Any]] | tuple[float, ...]  # a place in mm, (depth, height, width)


@dataclass(frozen=True)
class Grid:
    """Voxel centres in mm along (depth, height, width); evenly spaced, increasing."""

    depth: Array
    height: Array
    width: Array

    @classmethod
    def spanning(cls, shape: tuple[int, int, int], low: tuple[float, ...], high: tuple[float, ...]) -> "Grid":
        """Grid of ``shape`` whose voxels fill the box from ``low`` to ``high`` (mm)."""
        axes = [
            (a + (np.arange(n) + 0.5) * ((b - a) / n)).astype(np.float32)
            for n, a, b in zip(shape, low, high, strict=True)
        ]
        return cls(*axes)

    @cached_property
    def axes(self) -> tuple[Array, Array, Array]:
        """The three axes, shaped to broadcast."""
        return self.depth[:, None, None], self.height[None, :, None], self.width[None, None, :]

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (depth, height, width)."""
        return len(self.depth), len(self.height), len(self.width)

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Mm a voxel along (depth, height, width)."""
        return tuple(float((a[-1] - a[0]) / max(len(a) - 1, 1)) or 1.0 for a in (self.depth, self.height, self.width))  # type: ignore[return-value]

    @cached_property
    def _begin(self) -> Triple:
        return float(self.depth[0]), float(self.height[0]), float(self.width[0])

    @cached_property
    def voxel(self) -> float:
        """Edge (mm) of the cube that holds as much as a voxel: the width of a soft edge."""
        return float(np.prod(self.spacing) ** (1 / 3))

    def box(self, low: Corner, high: Corner) -> Box:
        """Slices of the voxels between two corners (mm), with one voxel's margin; may be empty."""
        slices = []
        for begin, count, step, a, b in zip(self._begin, self.shape, self.spacing, low, high, strict=True):
            first = int((float(a) - begin) / step - 0.5)
            last = int((float(b) - begin) / step + 2.5)
            slices.append(slice(min(max(first, 0), count), min(max(last, 0), count)))
        return (slices[0], slices[1], slices[2])

    def around(self, centre: tuple[float, ...], reach: float | tuple[float, ...]) -> Box:
        """The box of ``reach`` mm (one number or three) about a centre."""
        return self.box(np.asarray(centre) - reach, np.asarray(centre) + reach)

    def holds(self, point: Triple) -> bool:
        """Whether a place (mm) lies in one of the voxels."""
        axes = zip((self.depth, self.height, self.width), self.spacing, point, strict=True)
        return all(float(axis[0]) - step / 2 <= at <= float(axis[-1]) + step / 2 for axis, step, at in axes)

    def part(self, box: Box) -> "Grid":
        """The grid's voxels inside a box."""
        return Grid(self.depth[box[0]], self.height[box[1]], self.width[box[2]])._spaced(self)

    def _spaced(self, whole: "Grid") -> "Grid":
        # A part of one voxel cannot tell its own spacing; and what was worked out once need not be again.
        self.__dict__["spacing"], self.__dict__["voxel"] = whole.spacing, whole.voxel
        return self


def cover(distance: Array, edge: float) -> Array:
    """Share of a voxel inside a surface, from its signed distance (mm, negative inside) and the edge's width (mm)."""
    out = distance * np.float32(-1 / edge)
    out += np.float32(0.5)
    return out.clip(0, 1, out=out)


def blend(target: Array, share: Array, value: Array | float) -> None:
    """``target`` moves towards ``value`` by ``share`` (0..1), in place."""
    step = value - target
    step *= share
    target += step


def ellipsoid(grid: Grid, centre: tuple[float, ...], radii: tuple[float, ...] | float) -> Array:
    """Signed distance (mm; exact for a sphere) to an axis-parallel ellipsoid, for every voxel of ``grid``."""
    radius = np.broadcast_to(np.asarray(radii, np.float32), 3)
    z, y, x = (((axis - np.float32(c)) / r) ** 2 for axis, c, r in zip(grid.axes, centre, radius, strict=True))
    out: Array = np.sqrt((z + y) + x)
    out -= 1
    out *= np.float32(radius.prod() ** (1 / 3))
    return out


def capsule(grid: Grid, start: Array, end: Array, r0: float, r1: float) -> Array:
    """Signed distance (mm) to a tapering capsule from ``start`` to ``end``, for every voxel of ``grid``."""
    along = (end - start).astype(np.float32)
    square = max(float(along @ along), 1e-6)
    z, y, x = (axis - np.float32(c) for axis, c in zip(grid.axes, start, strict=True))
    t = (z * (along[0] / square) + y * (along[1] / square)) + x * (along[2] / square)
    t.clip(0, 1, out=t)
    out: Array = z - t * along[0]
    out *= out
    for axis, step in ((y, along[1]), (x, along[2])):
        off = axis - t * step
        off *= off
        out += off
    np.sqrt(out, out=out)
    out -= r0 + (r1 - r0) * t
    return out


def tube(grid: Grid, target: Array, start: Array, end: Array, r0: float, r1: float, value: float) -> None:
    """Paint a tapering capsule of ``value`` into ``target`` (an array over the whole grid)."""
    reach = max(r0, r1) + grid.voxel
    box = grid.box(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
    view = target[box]
    if view.size:
        blend(view, cover(capsule(grid.part(box), start, end, r0, r1), grid.voxel), value)


def small(share: Array, volume: float, grid: Grid) -> Array:
    """Scale the coverage of a shape smaller than a voxel so that it adds up to its true volume (mm³)."""
    total = float(share.sum()) * float(np.prod(grid.spacing))
    if total > volume > 0:
        share *= np.float32(volume / total)
    return share


def ball_cover(grid: Grid, centre: Triple, radius: float, stretch: Triple) -> tuple[Box, Array]:
    """Coverage by an ellipsoid (radii ``radius * stretch`` mm) of the voxels in its box, empty outside the grid.

    It adds up to the true volume even if the ellipsoid is smaller than a voxel.
    """
    radii = (radius * stretch[0], radius * stretch[1], radius * stretch[2])
    box = grid.around(centre, max(radii) + grid.voxel)
    part = grid.part(box)
    share = cover(ellipsoid(part, centre, radii), grid.voxel)
    return box, small(share, 4 / 3 * pi * radii[0] * radii[1] * radii[2], part)


def ball(grid: Grid, hu: Array, centre: Triple, radius: float, value: float, stretch: Triple = (1.0, 1.0, 1.0)) -> None:
    """Paint an ellipsoid (radii ``radius * stretch``), in the right amount even if smaller than a voxel."""
    box, share = ball_cover(grid, centre, radius, stretch)
    blend(hu[box], share, value)


def threads(grid: Grid, segments: Array) -> Array:
    """Coverage of the whole grid by thin lines: (count, 8) rows of start, end, radius at both ends (mm).

    Points along every line leave their volume in the eight voxels around them (trilinear weights).
    """
    out = np.zeros(grid.shape, np.float32)
    if not len(segments):
        return out
    start, along = segments[:, :3], segments[:, 3:6] - segments[:, :3]
    length = np.sqrt((along**2).sum(1))
    counts = np.maximum(np.ceil(length / (0.8 * min(grid.spacing))), 1).astype(np.int64)
    row = np.repeat(np.arange(len(segments)), counts)
    t = ((np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)) + 0.5) / counts[row]
    radius = segments[row, 6] * (1 - t) + segments[row, 7] * t
    amount = (pi / np.prod(grid.spacing)) * radius**2 * (length / counts)[row]
    origin = np.array([grid.depth[0], grid.height[0], grid.width[0]])
    place = (start[row] + along[row] * t[:, None] - origin) / np.asarray(grid.spacing)
    shape = np.asarray(grid.shape)
    keep = ((place > 0) & (place < shape - 1.001)).all(1)
    place, amount = place[keep], amount[keep].astype(np.float32)
    first = place.astype(np.int64)
    rest = (place - first).astype(np.float32)
    base = (first[:, 0] * shape[1] + first[:, 1]) * shape[2] + first[:, 2]
    flat = out.reshape(-1)
    for dz in (0, 1):
        wz = amount * (rest[:, 0] if dz else 1 - rest[:, 0])
        for dy in (0, 1):
            wy = wz * (rest[:, 1] if dy else 1 - rest[:, 1])
            for dx in (0, 1):
                shift = (dz * shape[1] + dy) * shape[2] + dx
                np.add.at(flat, base + shift, wy * (rest[:, 2] if dx else 1 - rest[:, 2]))
    return np.minimum(out, 1, out=out)


def lattice_noise(rng: np.random.Generator, grid: Grid, cell: float, origin: tuple[float, ...]) -> Array:
    """Smooth noise (mean 0, SD about 1), ``cell`` mm coarse, tied to ``origin`` and not to the grid.

    Every lattice point has a value hashed from its position and a salt from ``rng``; quadratic B-splines join them
    along each axis in turn. So the same place has the same noise at every resolution and in every box.
    """
    spans = [
        (int(np.floor((float(axis[0]) - o) / cell)) - 1, int(np.ceil((float(axis[-1]) - o) / cell)) + 2)
        for axis, o in zip((grid.depth, grid.height, grid.width), origin, strict=True)
    ]
    salt = int(rng.integers(2**31))
    values = _hashed(salt, spans)
    for axis, coordinate in enumerate((grid.depth, grid.height, grid.width)):
        weights = _spline(((coordinate - origin[axis]) / cell).astype(np.float32), spans[axis][0], values.shape[axis])
        values = np.moveaxis(np.tensordot(weights, values, axes=(1, axis)), 0, axis)
    out = np.empty(grid.shape, np.float32)
    for first in range(0, len(grid.width), 8):  # turned over whole, lines that lie a power of two apart crowd the cache
        out[:, :, first : first + 8] = values[:, :, first : first + 8]
    out *= np.float32(2.4)  # a spline mean of 27 values has an SD of about 0.42
    return out


def _hashed(salt: int, spans: list[tuple[int, int]]) -> Array:
    """Uniform values of SD 1 that depend on lattice position and salt alone."""
    z, y, x = np.ix_(*(np.arange(a, b, dtype=np.uint32) for a, b in ((s[0] + 4096, s[1] + 4096) for s in spans)))
    mixed = (z * np.uint32(73856093)) ^ (y * np.uint32(19349663)) ^ (x * np.uint32(83492791)) ^ np.uint32(salt)
    for _ in range(2):
        mixed = (mixed ^ (mixed >> np.uint32(16))) * np.uint32(0x45D9F3B)
    mixed ^= mixed >> np.uint32(16)
    out: Array = (mixed.astype(np.float32) * np.float32(2**-32) - np.float32(0.5)) * np.float32(12**0.5)
    return out


def _spline(coordinate: Array, first: int, count: int) -> Array:
    """(points, lattice) quadratic B-spline weights."""
    distance = np.abs(coordinate[:, None] - (first + np.arange(count, dtype=np.float32))[None])
    inner = 0.75 - distance**2
    outer = 0.5 * np.maximum(1.5 - distance, 0) ** 2
    out: Array = np.where(distance < 0.5, inner, outer).astype(np.float32)
    return out
