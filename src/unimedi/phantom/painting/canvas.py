"""A chest while it is being painted, and the few operations that painters share."""

from dataclasses import dataclass

from unimedi.phantom.anatomy import Array
from unimedi.phantom.findings import Patient
from unimedi.phantom.voxelise import Box, Grid


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


def clear(scene: Scene, box: Box, share: Array) -> None:
    """Take a shape (coverage over ``box`` of the lungs' part) out of the lungs."""
    scene.lung[box] *= 1 - share


def recut(share: Array, box: Box, outer: Box, inner: Box) -> Array:
    """A coverage over ``box`` of the grid, cut to ``inner`` of the lungs' part (which starts at ``outer``)."""
    slices = []
    for whole, base, wanted in zip(box, outer, inner, strict=True):
        first = wanted.start + base.start - whole.start
        slices.append(slice(first, first + wanted.stop - wanted.start))
    return share[tuple(slices)]
