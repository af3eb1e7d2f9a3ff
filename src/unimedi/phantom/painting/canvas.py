"""The chest while organs and findings are painted into it, and what all painters need: outline, side, lobe, mask."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unimedi.phantom.painting.voxelise import Box, Grid, cover, ellipsoid, lattice_noise
from unimedi.phantom.patient.anatomy import Array, minor_fissure, oblique_fissure
from unimedi.phantom.patient.catalogue import Finding
from unimedi.phantom.patient.patient import Patient

Mask = NDArray[np.bool_]
Posture = Literal["supine", "upright", "reclined"]  # CT, X-ray PA, X-ray AP


@dataclass(slots=True)
class Canvas:
    """What painters write into. ``part``, ``wall`` and ``lung`` cover ``box`` only: the voxels that can hold lung."""

    patient: Patient
    grid: Grid
    posture: Posture
    blood: float  # HU of heart and great vessels
    hu: Array  # float32, over the whole grid
    box: Box
    part: Grid
    wall: Array  # mm to the inner chest wall, negative inside
    lung: Array  # share of the voxel that is lung, 0..1
    heart: tuple[Box, Array]  # where the heart lies in the grid, and the share of each voxel there that is heart


def clear(canvas: Canvas, box: Box, share: Array) -> None:
    """Take a shape (coverage over ``box`` of the lungs' part) out of the lungs."""
    canvas.lung[box] *= 1 - share


def recut(share: Array, box: Box, outer: Box, inner: Box) -> Array:
    """A coverage over ``box`` of the grid, cut to ``inner`` of the lungs' part (which starts at ``outer``)."""
    slices = []
    for whole, base, wanted in zip(box, outer, inner, strict=True):
        first = wanted.start + base.start - whole.start
        slices.append(slice(first, first + wanted.stop - wanted.start))
    return share[tuple(slices)]


def grain(finding: Finding, salt: int = 0) -> np.random.Generator:
    """Random numbers for the texture and outline of one finding; another ``salt``, other numbers."""
    return np.random.Generator(np.random.PCG64([finding.seed, salt]))


def side_of(part: Grid, side: str | None) -> Array:
    """1 on the finding's side of the midline, 0 on the other, by width."""
    width = part.width[None, None, :]
    if side == "both" or side is None:
        return np.ones_like(width)
    return np.asarray(width < 0 if side == "right" else width > 0, np.float32)


def lobe_share(part: Grid, canvas: Canvas, finding: Finding) -> Array:
    """Soft coverage by the finding's lobe."""
    depth, height, width = part.axes
    anatomy, edge = canvas.patient.anatomy, part.voxel + 1
    above = (oblique_fissure(anatomy, height, width) - depth) * np.float32(0.76)
    side = side_of(part, finding.side)
    if finding.lobe == "lower":
        return cover(-above, edge) * side
    out = cover(above, edge) * side
    if finding.side == "right":
        level = minor_fissure(anatomy, height, width) - depth
        out *= cover(level if finding.lobe == "upper" else -level, edge)
    return out


def within(canvas: Canvas, finding: Finding, reach: float | tuple[float, ...]) -> tuple[Box, Grid, Array, Array]:
    """The lungs' part of the grid around a lesion: (box, grid, HU view, lung coverage)."""
    assert finding.centre_mm is not None
    box = canvas.part.around(finding.centre_mm, reach)
    return box, canvas.part.part(box), canvas.hu[canvas.box][box], canvas.lung[box]


def mark(canvas: Canvas, mask: Mask, box: Box, share: Array, threshold: float = 0.5) -> None:
    """Set the mask where the coverage (over ``box`` of the lungs' part) passes the threshold."""
    mask[canvas.box][box] |= passing(share, threshold)


def passing(share: Array, threshold: float = 0.5) -> Mask:
    """Where a coverage passes the threshold, or half its own maximum: what is smaller than a voxel is not lost."""
    return share > min(threshold, 0.5 * float(share.max(initial=0)) + 1e-6)


def lumpy(finding: Finding, part: Grid, radii: float | tuple[float, ...], rough: float, cell: float) -> Array:
    """Distance to an ellipsoid whose surface is disturbed by ``rough`` mm of noise."""
    assert finding.centre_mm is not None
    noise = lattice_noise(grain(finding), part, cell, finding.centre_mm)
    noise *= rough
    noise += ellipsoid(part, finding.centre_mm, radii)
    return noise


def soft_edge(canvas: Canvas) -> float:
    """A margin (mm) that soft edges need around a shape."""
    return 1.5 * canvas.part.voxel
