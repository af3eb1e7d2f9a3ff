"""What the painters of findings share: where a finding lies, its rough outline, its mask."""

import numpy as np
from numpy.typing import NDArray

from unimedi.phantom.anatomy import Array, minor_fissure, oblique_fissure
from unimedi.phantom.catalogue import Finding
from unimedi.phantom.scene import Scene
from unimedi.phantom.voxelise import Box, Grid, cover, ellipsoid, lattice_noise

Mask = NDArray[np.bool_]


def grain(finding: Finding, salt: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([finding.seed, salt]))


def side_of(part: Grid, side: str | None) -> Array:
    """1 on the finding's side of the midline, 0 on the other, by width."""
    width = part.width[None, None, :]
    if side == "both" or side is None:
        return np.ones_like(width)
    return np.asarray(width < 0 if side == "right" else width > 0, np.float32)


def lobe_share(part: Grid, scene: Scene, finding: Finding) -> Array:
    """Soft coverage by the finding's lobe."""
    depth, height, width = part.axes
    anatomy, edge = scene.patient.anatomy, part.voxel + 1
    above = (oblique_fissure(anatomy, height, width) - depth) * np.float32(0.76)
    side = side_of(part, finding.side)
    if finding.lobe == "lower":
        return cover(-above, edge) * side
    out = cover(above, edge) * side
    if finding.side == "right":
        level = minor_fissure(anatomy, height, width) - depth
        out *= cover(level if finding.lobe == "upper" else -level, edge)
    return out


def within(scene: Scene, finding: Finding, reach: float | tuple[float, ...]) -> tuple[Box, Grid, Array, Array]:
    """The lungs' part of the grid around a lesion: (box, grid, HU view, lung coverage)."""
    assert finding.centre_mm is not None
    box = scene.part.around(finding.centre_mm, reach)
    return box, scene.part.part(box), scene.hu[scene.box][box], scene.lung[box]


def mark(scene: Scene, mask: Mask, box: Box, share: Array, threshold: float = 0.5) -> None:
    """Set the mask where the coverage (over ``box`` of the lungs' part) passes the threshold."""
    mask[scene.box][box] |= passing(share, threshold)


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


def soft_edge(scene: Scene) -> float:
    """A margin (mm) that soft edges need around a shape."""
    return 1.5 * scene.part.voxel
