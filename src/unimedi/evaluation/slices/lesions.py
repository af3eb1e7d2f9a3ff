"""Single lesions of masked volumes: where each lies, and how far it reaches along the depth axis, in millimetres."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage

from unimedi.inputs.store import Store
from unimedi.metrics.checks import NotComputable

# Findings that one slice shows or misses; one that fills the chest is in every plane, so choosing means nothing there.
FOCAL = ("nodule", "mass", "consolidation", "ground_glass", "lymph_node", "rib_fracture")
# Depth extents, lower bound included. 10 and 30 mm part small nodules, nodules and masses (Fleischner's words of size).
SIZE_BANDS_MM = {"under_10mm": (0.0, 10.0), "10_to_30mm": (10.0, 30.0), "from_30mm": (30.0, math.inf)}
_TOUCHING = np.ones((3, 3, 3), dtype=bool)  # 26 neighbours: nearest resampling leaves thin lesions joined by corners


@dataclass(frozen=True)
class Lesions:
    """One row a lesion: a connected component (26 neighbours) of the mask of one finding in the stored array.

    Small separate components at the edge of a diffuse finding therefore count as lesions of their own.

    ``volume`` is the row of its volume among all ``volumes``; ``first`` and ``last`` are its outermost of the
    ``depth`` planes of the stored array (a connected component touches every plane between); ``plane_mm`` is the
    distance of that volume's neighbouring planes in mm, NaN where the file did not say.
    """

    volumes: int
    depth: int
    volume: Int[ndarray, "lesions"]
    finding: tuple[str, ...]
    first: Int[ndarray, "lesions"]
    last: Int[ndarray, "lesions"]
    plane_mm: Float[ndarray, "lesions"]

    def __len__(self) -> int:
        return len(self.finding)

    @property
    def extent_mm(self) -> Float[ndarray, "lesions"]:
        """From the first plane's lower face to the last one's upper face; never below one stored plane."""
        return np.asarray((self.last - self.first + 1) * self.plane_mm)

    def planes(self, kept: Bool[ndarray, "lesions"] | None = None) -> Bool[ndarray, "volumes depth"]:
        """The planes of the stored arrays that any lesion touches, or any of the ``kept`` ones."""
        touched = np.zeros((self.volumes, self.depth), dtype=bool)
        for row in range(len(self)) if kept is None else np.flatnonzero(kept):
            touched[self.volume[row], self.first[row] : self.last[row] + 1] = True
        return touched

    def groups(self) -> dict[str, Bool[ndarray, "volumes depth"]]:
        """Finding, or band of ``SIZE_BANDS_MM`` → the planes of its lesions; a group without a lesion is left out."""
        names, extent = np.array(self.finding), self.extent_mm
        kept = {name: names == name for name in dict.fromkeys(self.finding)}
        kept |= {name: (extent >= low) & (extent < high) for name, (low, high) in SIZE_BANDS_MM.items()}
        return {name: self.planes(rows) for name, rows in kept.items() if rows.any()}

    def largest_mm(self, finding: str) -> Float[ndarray, "volumes"]:
        """The depth extent of the largest lesion of a finding in each volume; NaN where it has none, or is unknown."""
        kept = [row for row, name in enumerate(self.finding) if name == finding]
        largest = np.full(self.volumes, np.nan)
        np.fmax.at(largest, self.volume[kept], self.extent_mm[kept])
        return largest


def connected_lesions(store: Store, indices: Sequence[int], focal: Sequence[str] = FOCAL) -> Lesions:
    """Every connected component of the focal findings' masks in stored volumes.

    Args:
        store: the store that holds the volumes.
        indices: their places in the store; a volume without a mask has no lesion.
        focal: the findings that count; those that the store does not know are passed over.
    """
    rows: list[tuple[int, str, int, int, float]] = []
    for row, index in enumerate(indices):
        mask, spacing = store.mask(index), store.studies[index].spacing
        if mask is None:
            continue
        bits = np.bitwise_or.reduce(mask.reshape(len(mask), -1), axis=1)
        for name in (name for name in focal if name in store.findings):
            bit = store.findings.index(name)
            there = np.flatnonzero((bits >> bit) & 1)
            if there.size == 0:
                continue
            components, _ = ndimage.label((mask[there[0] : there[-1] + 1] >> bit) & 1, _TOUCHING)
            for place in ndimage.find_objects(components):
                first, last = there[0] + place[0].start, there[0] + place[0].stop - 1
                rows.append((row, name, first, last, spacing[0] if spacing else math.nan))
    volume, finding, first, last, plane_mm = zip(*rows, strict=True) if rows else ((),) * 5
    at, start, stop = (np.array(part, dtype=np.int64) for part in (volume, first, last))
    depth = store.preprocess.hires_shape[0]
    return Lesions(len(indices), depth, at, tuple(finding), start, stop, np.array(plane_mm, dtype=np.float64))


def affected_volumes(lesions: Lesions, focal: Sequence[str]) -> tuple[list[int], Lesions]:
    """The volumes that have a lesion, and the same lesions counted among these volumes alone.

    Args:
        lesions: those of all volumes.
        focal: the findings that they are of, for the message.

    Returns:
        The rows of the volumes with a lesion, and the lesions; their ``volume`` counts among these rows.

    Raises:
        NotComputable: no volume has a lesion.
    """
    rows, places = np.unique(lesions.volume, return_inverse=True)
    if rows.size == 0:
        raise NotComputable(f"no volume of this split has a mask of {', '.join(focal)}")
    return rows.tolist(), replace(lesions, volumes=len(rows), volume=places)
