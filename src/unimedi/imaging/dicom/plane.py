"""Planes in space: what a slice of a volume is before it is stacked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice: where its first pixel's centre lies (mm: x to the left, y to the back, z to the head), and how to get
    its Hounsfield units, int16 (height, width)."""

    position: NDArray[np.float64]  # (3,)
    voxels: Callable[[], NDArray[np.int16]]
    tags: Mapping[str, str] = field(default_factory=dict)  # what may tell one pass of the scanner from another
    number: str = ""  # InstanceNumber


@dataclass(frozen=True, slots=True)
class Grid:
    """What the planes share: directions of a row and of a column (2, 3), and mm between rows and between columns."""

    cosines: NDArray[np.float64]
    spacing: tuple[float, float]

    @property
    def normal(self) -> NDArray[np.float64]:
        across = np.cross(*self.cosines)
        return np.asarray(across / np.linalg.norm(across))


def degrees_between(cosines: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The larger of the angles between two directions of rows and two of columns, each (2, 3)."""
    # By the chord: near 0 the arc cosine of a product is all rounding.
    return float(np.degrees(np.linalg.norm(cosines - others, axis=1).max()))
