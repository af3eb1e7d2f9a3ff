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
from unimedi.transfer.metrics import Figure, PatientBootstrap, interval, mean_figure

FOCAL = ("nodule", "mass", "consolidation", "ground_glass", "lymph_node", "rib_fracture")
BUDGETS = (1, 2, 4)  # k: how many slices may be looked at
RANDOM_DRAWS = 256  # the random selector is an expectation over draws, not one lucky draw


@dataclass(frozen=True)
class LesionExtent:
    """Where focal lesions lie: ``planes[v, z]`` for any focal finding, ``by_finding[name][v, z]`` for one."""

    planes: Bool[ndarray, "volumes depth"]
    by_finding: Mapping[str, Bool[ndarray, "volumes depth"]]

    def slabs(self, count: int) -> Bool[ndarray, "volumes slabs"]:
        """Which of ``count`` equal slabs a lesion touches."""
        edges = np.linspace(0, self.planes.shape[1], count + 1).round().astype(int)[:-1]
        return np.logical_or.reduceat(self.planes, edges, axis=1)


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


def slabs_by_score(scores: Float[ndarray, "volumes slabs"], k: int, gap: int = 1) -> Int[ndarray, "volumes k"]:
    """The model's own rule, :func:`unimedi.model.slice_selection.select_slices`, on any selector's scores."""
    return select_slices(torch.from_numpy(np.ascontiguousarray(scores)), k, gap).numpy()


def hits(
    slabs: Int[ndarray, "volumes k"], planes: Bool[ndarray, "volumes depth"], slab_count: int
) -> Float[ndarray, "volumes"]:
    """1 where the middle plane of any chosen slab holds the lesion, else 0."""
    chosen = slab_centres(torch.from_numpy(np.ascontiguousarray(slabs)), slab_count, planes.shape[1]).numpy()
    return np.asarray(np.take_along_axis(planes, chosen, axis=1).any(axis=1), dtype=np.float64)


def slab_hits(slabs: Int[ndarray, "volumes k"], lesion: Bool[ndarray, "volumes slabs"]) -> Float[ndarray, "volumes"]:
    """1 where any chosen slab is touched by the lesion, else 0 (kinder than a plane: the slab is thicker)."""
    return np.asarray(np.take_along_axis(lesion, slabs, axis=1).any(axis=1), dtype=np.float64)


def within_volume_auroc(
    scores: Float[ndarray, "volumes slabs"], lesion: Bool[ndarray, "volumes slabs"]
) -> Float[ndarray, "volumes"]:
    """Chance that a slab with the lesion outscores one without, inside each volume; NaN where all slabs are alike."""
    higher = scores[:, :, None] - scores[:, None, :]
    wins = (higher > 0) + 0.5 * (higher == 0)
    pairs = lesion[:, :, None] & ~lesion[:, None, :]
    count = pairs.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, (wins * pairs).sum(axis=(1, 2)) / np.maximum(count, 1), np.nan)


def blind_outcomes(
    name: str, extent: LesionExtent, slab_count: int, k: int, seed: int = 0
) -> tuple[Float[ndarray, "volumes"], Float[ndarray, "volumes"]]:
    """(plane hits, slab hits) of ``random`` (mean of 256 draws a volume), ``uniform`` or ``centre``."""
    draws = RANDOM_DRAWS if name == "random" else 1
    generator = torch.Generator().manual_seed(seed)
    volumes, lesion = len(extent.planes), extent.slabs(slab_count)
    plane, slab = np.zeros(volumes), np.zeros(volumes)
    for _ in range(draws):
        chosen = BLIND_SELECTORS[name](volumes, slab_count, k, generator).numpy()
        plane += hits(chosen, extent.planes, slab_count) / draws
        slab += slab_hits(chosen, lesion) / draws
    return plane, slab


def oracle_scores(extent: LesionExtent, slab_count: int) -> Float[ndarray, "volumes slabs"]:
    """Knows the mask: 1 for the slabs whose middle plane holds the lesion. The ceiling of every selector of slabs."""
    centres = slab_centres(torch.arange(slab_count)[None], slab_count, extent.planes.shape[1])[0].numpy()
    return extent.planes[:, centres].astype(np.float64)


def slice_figures(
    scored: Mapping[str, Float[ndarray, "volumes slabs"]],
    extent: LesionExtent,
    bootstrap: PatientBootstrap,
    seed: int = 0,
) -> dict[str, Figure]:
    """Every figure ``slice_selection/…`` of the selectors that score slabs and of those that look at nothing.

    ``extent`` and ``bootstrap`` cover the volumes with a focal lesion only. ``minus_<other>`` keys are attentive's hit
    rate minus the other's on the same resamples.
    """
    slab_count = scored["attentive"].shape[1]
    lesion = extent.slabs(slab_count)
    scored = {**scored, "oracle": oracle_scores(extent, slab_count)}
    figures: dict[str, Figure] = {}
    for k in (k for k in BUDGETS if k <= slab_count):
        outcome = {name: blind_outcomes(name, extent, slab_count, k, seed) for name in BLIND_SELECTORS}
        for name, scores in scored.items():
            chosen = slabs_by_score(scores, k)
            outcome[name] = hits(chosen, extent.planes, slab_count), slab_hits(chosen, lesion)
        ours = outcome["attentive"][0]
        for name, (plane, slab) in outcome.items():
            figures[f"slice_selection/{name}/hit@{k}"] = mean_figure(plane, bootstrap)
            figures[f"slice_selection/{name}/slab_hit@{k}"] = mean_figure(slab, bootstrap)
            if name != "attentive":
                figures[f"slice_selection/attentive/minus_{name}/hit@{k}"] = mean_figure(ours - plane, bootstrap)
        chance = bootstrap.means(outcome["random"][0])
        ratio = interval(bootstrap.means(ours) / np.where(chance > 0, chance, np.nan))
        value = ours.mean() / outcome["random"][0].mean() if outcome["random"][0].any() else np.nan
        figures[f"slice_selection/attentive/times_random/hit@{k}"] = Figure(float(value), *ratio, n=len(ours))
    for name, scores in scored.items():
        if name != "oracle":
            figures[f"slice_selection/{name}/auroc"] = mean_figure(within_volume_auroc(scores, lesion), bootstrap)
    return figures | _by_finding(scored["attentive"], extent, bootstrap)


def _by_finding(
    scores: Float[ndarray, "volumes slabs"], extent: LesionExtent, bootstrap: PatientBootstrap
) -> dict[str, Figure]:
    chosen = slabs_by_score(scores, 1)
    figures = {}
    for name, planes in extent.by_finding.items():
        there = planes.any(axis=1)
        if there.any():
            values = np.where(there, hits(chosen, planes, scores.shape[1]), np.nan)
            figures[f"slice_selection/attentive/hit@1/{name}"] = mean_figure(values, bootstrap)
    return figures
