"""The chest in a CT by thresholds and connected parts: body, lungs, and the spine's way through the slices."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unimedi.imaging.intensity import AIR_HU
from unimedi.imaging.resample import resize_array

T = TypeVar("T", bound=np.generic)
STEP = 5.0  # mm: the grid on which organs are found; ribs blur, and lungs, heart, liver and spine stay
TOP = 1500  # HU: metal must not weigh more than bone
LUNG = -400  # HU: half way from lung (-850) to tissue (50)
BODY = -300  # HU: above the foam of a table
LEAST_PART = 100.0  # ml: bowel gas and the windpipe are less, each lung of a ten-year-old is more
LEAST_LUNGS = 500.0  # ml in all: below, no chest is recognised
BONE = 150  # HU where a voxel begins to count as bone
NEAR = 50.0  # mm from the body's middle, where the spine is looked for
ALONG = 15.0  # mm, over which the spine's place is smoothed from slice to slice


@dataclass(frozen=True, slots=True, eq=False)
class Chest:
    """On one grid (depth, height, width), feet to head, front to back, right to left as the file says.

    ``step`` is its spacing in mm; ``lung_at_side`` the largest area of lung on one of
    the picture's four sides, in cm²; ``body_at_side`` the body's largest cross-section there, as a share of its largest
    parallel one.
    """

    hu: NDArray[np.float32]
    step: tuple[float, float, float]
    body: NDArray[np.bool_]
    lungs: NDArray[np.bool_]
    lung_at_side: float
    body_at_side: float

    @property
    def recognised(self) -> bool:
        """Whether there are lungs enough to tell head from feet by them."""
        return self.millilitres(self.lungs) >= LEAST_LUNGS and bool(self.body.any())

    def millilitres(self, inside: NDArray[np.bool_]) -> float:
        return float(np.count_nonzero(inside) * np.prod(self.step) / 1000)

    @property
    def extent(self) -> tuple[int, int]:
        """First and last plane with lung."""
        planes = np.flatnonzero(self.lungs.any(axis=(1, 2)))
        return int(planes[0]), int(planes[-1])


def find_chest(voxels: NDArray[np.int16], spacing: tuple[float, ...]) -> Chest:
    """Body and lungs in a volume of Hounsfield units."""
    size = tuple(max(4, min(n, round(n * mm / STEP))) for n, mm in zip(voxels.shape, spacing, strict=True))
    hu = resize_array(np.clip(voxels, AIR_HU, TOP), size)
    depth, height, width = (n * mm / new for n, mm, new in zip(voxels.shape, spacing, size, strict=True))
    step = (depth, height, width)
    solid = _largest(ndimage.binary_opening(hu > BODY))
    body = np.stack([ndimage.binary_fill_holes(plane) for plane in solid])
    lungs = _lungs(hu, float(np.prod(step)) / 1000)
    return Chest(hu, step, body, lungs, _lung_at_side(hu, step), _body_at_side(body))


def spine_line(chest: Chest) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(height, width) of the spine in voxels, a pair for each plane: the centroid of the bone near the middle, in
    the back half of the body."""
    weight = bone_weight(chest)
    height, width = middle(chest)
    weight *= (np.arange(weight.shape[1]) > height)[None, :, None]
    weight *= (np.abs(np.arange(weight.shape[2]) - width) * chest.step[2] < NEAR)[None, None, :]
    weight = ndimage.gaussian_filter1d(weight, ALONG / chest.step[0], axis=0)
    total = weight.sum(axis=(1, 2))
    whole = weight.sum(axis=0)
    fallback = ndimage.center_of_mass(whole) if whole.sum() > 0 else (height, width)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = (weight.sum(axis=2) @ np.arange(weight.shape[1])) / total
        x = (weight.sum(axis=1) @ np.arange(weight.shape[2])) / total
    return np.where(total > 0, y, fallback[0]), np.where(total > 0, x, fallback[1])


def bone_weight(chest: Chest) -> NDArray[np.float32]:
    """HU above 150 inside the body (its outermost layer, where a table touches, left out), at most 600."""
    bone: NDArray[np.float32] = np.clip(chest.hu - BONE, 0, 600) * ndimage.binary_erosion(chest.body)
    return bone


def middle(chest: Chest) -> tuple[float, float]:
    """Middle of the body's bounding box over all planes, (height, width) in voxels."""
    rows, columns = (np.flatnonzero(chest.body.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    return (float(rows[0] + rows[-1]) / 2, float(columns[0] + columns[-1]) / 2)


def _largest(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(inside)
    if count < 2:
        return inside
    return np.asarray(parts == 1 + np.bincount(parts.ravel())[1:].argmax())


def _lungs(hu: NDArray[np.float32], voxel: float) -> NDArray[np.bool_]:
    """Air that no way within the volume joins to its four sides; the windpipe may leave at the top."""
    parts, count = ndimage.label(hu < LUNG)
    sides = np.unique(np.concatenate([face.ravel() for face in _faces(parts)]))
    kept = np.bincount(parts.ravel(), minlength=count + 1) * voxel >= LEAST_PART
    kept[sides] = kept[0] = False
    return np.asarray(kept[parts])


def _lung_at_side(hu: NDArray[np.float32], step: tuple[float, float, float]) -> float:
    """Largest area (cm²) of air on a side of the picture that is ringed there by tissue: the side cuts through a lung.

    Air around the patient and the foam of a table are open to the rim of the side, so they do not count.
    """
    areas = (step[0] * step[2], step[0] * step[2], step[0] * step[1], step[0] * step[1])
    return max(
        float(np.count_nonzero(ndimage.binary_fill_holes(face >= LUNG) & (face < LUNG))) * area / 100
        for face, area in zip(_faces(hu), areas, strict=True)
    )


def _body_at_side(body: NDArray[np.bool_]) -> float:
    sections = (body.sum(axis=(0, 2)), body.sum(axis=(0, 1)))
    return max(float(max(section[0], section[-1]) / max(section.max(), 1)) for section in sections)


def _faces(array: NDArray[T]) -> tuple[NDArray[T], ...]:
    return array[:, 0], array[:, -1], array[:, :, 0], array[:, :, -1]
