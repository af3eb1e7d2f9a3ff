"""Does slice selection find the lesion? Selected planes against the depth extent of masked lesions.

Volumes with at least one *focal* lesion count (a finding that fills the chest is in every plane). Each selector gives
slabs; they all pass through the same slab → plane rule (the slab's middle plane), and a plane hits if the mask of
a focal lesion touches it. Slab scores of two volumes are never compared: AUROC is taken within a volume and averaged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.inputs.store import Store
from unimedi.model.slice_selection import BLIND_SELECTORS, select_slices, slab_centres
from unimedi.transfer.slices.lesions import Lesions
from unimedi.transfer.slices.measures import centre_error, coverage, depth_error, precision

FOCAL = ("nodule", "mass", "consolidation", "ground_glass", "lymph_node", "rib_fracture")
RANDOM_DRAWS = 256  # the random selector is an expectation over draws, not one lucky draw
OF_LESIONS = ("coverage", "depth_error_mm", "centre_error_mm")  # measured a lesion; the others a volume
OF_THE_ORACLE = ("hit", "precision")  # it takes planes that show a lesion: no more lesions and no nearer ones

Choices = dict[str, list[Int[ndarray, "volumes k"]]]  # selector → the slabs taken, in each of its draws


@dataclass(frozen=True)
class LesionExtent:
    """Where focal lesions lie: ``planes[v, z]`` for any focal finding, ``by_finding[name][v, z]`` for one."""

    planes: Bool[ndarray, "volumes depth"]
    by_finding: Mapping[str, Bool[ndarray, "volumes depth"]]

    def slabs(self, count: int) -> Bool[ndarray, "volumes slabs"]:
        """Which of ``count`` equal slabs a lesion touches."""
        return np.logical_or.reduceat(self.planes, slab_starts(count, self.planes.shape[1]), axis=1)

    def of(self, rows: Int[ndarray, "kept"]) -> "LesionExtent":
        """The extents of some of the volumes."""
        return LesionExtent(self.planes[rows], {name: planes[rows] for name, planes in self.by_finding.items()})


def slab_starts(count: int, depth: int) -> Int[ndarray, "count"]:
    """The first plane of each of ``count`` equal slabs."""
    return np.linspace(0, depth, count + 1).round().astype(int)[:-1]


def plane_scores(scores: Float[ndarray, "volumes slabs"], depth: int) -> Float[ndarray, "volumes depth"]:
    """Every plane has the score of its slab."""
    starts = slab_starts(scores.shape[1], depth)
    return np.repeat(scores, np.diff(starts, append=depth), axis=1)


def lesion_extent(store: Store, indices: Sequence[int], focal: Sequence[str] = FOCAL) -> LesionExtent:
    """Depth extents of the focal lesions of stored volumes, from the bit field of their masks (no mask: no lesion)."""
    depth = store.preprocess.fine_shape[0]
    names = [name for name in focal if name in store.findings]
    extent = {name: np.zeros((len(indices), depth), dtype=bool) for name in names}
    for row, index in enumerate(indices):
        mask = store.mask(index)
        if mask is None:
            continue
        plane_bits = np.bitwise_or.reduce(mask.reshape(depth, -1), axis=1)
        for name in names:
            extent[name][row] = (plane_bits >> store.findings.index(name)) & 1
    planes = np.any([*extent.values(), np.zeros((len(indices), depth), dtype=bool)], axis=0)
    return LesionExtent(planes, extent)


def slabs_by_score(scores: Float[ndarray, "volumes slabs"], k: int) -> Int[ndarray, "volumes k"]:
    """The k best slabs, ordered by depth; a model's ``slice_gap`` plays no part, so selectors differ by scores alone.

    What a model itself takes, by its selector and with its gap, is :attr:`EmbeddingTable.selected`.
    """
    return select_slices(torch.from_numpy(np.ascontiguousarray(scores)), k).numpy()


def hits(
    slabs: Int[ndarray, "volumes k"], planes: Bool[ndarray, "volumes depth"], slab_count: int
) -> Float[ndarray, "volumes"]:
    """1 where the middle plane of any chosen slab holds the lesion, else 0."""
    chosen = middle_planes(slabs, slab_count, planes.shape[1])
    return np.asarray(np.take_along_axis(planes, chosen, axis=1).any(axis=1), dtype=np.float64)


def slab_hits(slabs: Int[ndarray, "volumes k"], lesion: Bool[ndarray, "volumes slabs"]) -> Float[ndarray, "volumes"]:
    """1 where any chosen slab is touched by the lesion, else 0 (kinder than a plane: the slab is thicker)."""
    return np.asarray(np.take_along_axis(lesion, slabs, axis=1).any(axis=1), dtype=np.float64)


def middle_planes(slabs: Int[ndarray, "volumes k"], slab_count: int, depth: int) -> Int[ndarray, "volumes k"]:
    """The middle plane of each slab: what is cut out for a chosen slab."""
    return slab_centres(torch.from_numpy(np.ascontiguousarray(slabs)), slab_count, depth).numpy()


def measured(
    slabs: Int[ndarray, "volumes k"], extent: LesionExtent, lesions: Lesions, slab_count: int
) -> dict[str, Float[ndarray, "rows"]]:
    """Every measure of one choice: ``hit``, ``slab_hit``, ``precision`` a volume, those of ``OF_LESIONS`` a lesion."""
    chosen = middle_planes(slabs, slab_count, extent.planes.shape[1])
    return {
        "hit": hits(slabs, extent.planes, slab_count),
        "slab_hit": slab_hits(slabs, extent.slabs(slab_count)),
        "precision": precision(chosen, extent.planes),
        "coverage": coverage(chosen, lesions),
        "depth_error_mm": depth_error(chosen, lesions),
        "centre_error_mm": centre_error(chosen, lesions),
    }


def choices(scored: Mapping[str, Float[ndarray, "volumes slabs"]], k: int, seed: int = 0) -> Choices:
    """What each selector takes at k slices: those that look at nothing, then those that score slabs."""
    volumes, slab_count = next(iter(scored.values())).shape
    chosen: Choices = {}
    for name, select in BLIND_SELECTORS.items():
        generator = torch.Generator().manual_seed(seed)
        draws = RANDOM_DRAWS if name == "random" else 1
        chosen[name] = [select(volumes, slab_count, k, generator).numpy() for _ in range(draws)]
    return chosen | {name: [slabs_by_score(scores, k)] for name, scores in scored.items()}


def outcomes(
    chosen: Choices, extent: LesionExtent, lesions: Lesions, slab_count: int
) -> dict[str, dict[str, Float[ndarray, "rows"]]]:
    """Selector → measure → a value a volume (or a lesion), the mean over the selector's draws."""
    result = {}
    for name, draws in chosen.items():
        each = [measured(slabs, extent, lesions, slab_count) for slabs in draws]
        result[name] = {key: np.mean([one[key] for one in each], axis=0) for key in each[0]}
    return result


def oracle_scores(extent: LesionExtent, slab_count: int) -> Float[ndarray, "volumes slabs"]:
    """Knows the mask: 1 for the slabs whose middle plane holds the lesion. The ceiling of ``OF_THE_ORACLE``."""
    centres = middle_planes(np.arange(slab_count)[None], slab_count, extent.planes.shape[1])[0]
    return extent.planes[:, centres].astype(np.float64)
