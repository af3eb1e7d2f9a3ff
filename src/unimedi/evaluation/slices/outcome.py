"""Does slice selection find the lesion? What every selector takes, and what that brings.

Volumes with at least one *focal* lesion count (a finding that fills the chest is in every plane). Each selector gives
slabs; they all pass through the same slab → plane rule (the slab's middle plane), and a plane hits if the mask of
a focal lesion touches it. Slab scores of two volumes are never compared: AUROC is taken within a volume and averaged.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.stats import hypergeom

from unimedi.evaluation.slices.choices import middle_planes, slabs_by_score
from unimedi.evaluation.slices.lesions import Lesions
from unimedi.evaluation.slices.measures import OF_LESIONS, Worths
from unimedi.model.slice_selection import BLIND_SELECTORS

OF_THE_ORACLE = ("hit", "precision")  # it takes planes that show a lesion: no more lesions and no nearer ones

Choices = dict[str, Int[ndarray, "volumes k"]]  # selector → the slabs taken


def choices(scored: Mapping[str, Float[ndarray, "volumes slabs"]], k: int) -> Choices:
    """What each selector takes at k slices: those that look at nothing, then those that score slabs.

    Without ``random``, which has no choice but an expectation: :func:`by_chance`.
    """
    volumes, slab_count = next(iter(scored.values())).shape
    draws = torch.Generator().manual_seed(0)
    blind = {
        name: select(volumes, slab_count, k, draws).numpy()
        for name, select in BLIND_SELECTORS.items()
        if name != "random"
    }
    return blind | {name: slabs_by_score(scores, k) for name, scores in scored.items()}


def outcomes(chosen: Choices, worths: Worths, lesions: Lesions, k: int) -> dict[str, dict[str, Float[ndarray, "rows"]]]:
    """Selector (``random`` first) → measure → a value a volume (or a lesion)."""
    result = {"random": {measure: by_chance(values, k, measure) for measure, values in worths.items()}}
    for name, slabs in chosen.items():
        rows = {measure: slabs[lesions.volume] if measure in OF_LESIONS else slabs for measure in worths}
        result[name] = {measure: brought(values, rows[measure], measure) for measure, values in worths.items()}
    return result


def brought(
    values: Float[ndarray, "rows slabs"], chosen: Int[ndarray, "rows k"], measure: str = "hit"
) -> Float[ndarray, "rows"]:
    """What the chosen slabs bring together: the best of them, the least of mm, the mean of ``precision``."""
    taken = np.take_along_axis(values, chosen, axis=1)
    if measure == "precision":
        return np.asarray(taken.mean(axis=1))
    return np.asarray(taken.min(axis=1) if measure.endswith("_mm") else taken.max(axis=1))


def by_chance(values: Float[ndarray, "rows slabs"], k: int, measure: str = "hit") -> Float[ndarray, "rows"]:
    """The expectation of :func:`brought` over all sets of k slabs, each as likely as any other."""
    if measure == "precision":
        return np.asarray(values.mean(axis=1))
    slabs = values.shape[1]
    none_of_the_best = hypergeom.pmf(0, slabs, np.arange(slabs + 1), k)  # at place i: none of the i best is drawn
    ranked = np.sort(values, axis=1)
    return np.asarray((ranked if measure.endswith("_mm") else ranked[:, ::-1]) @ -np.diff(none_of_the_best))


def oracle_scores(planes: Bool[ndarray, "volumes depth"], slab_count: int) -> Float[ndarray, "volumes slabs"]:
    """Knows the mask: 1 for the slabs whose middle plane is marked. The ceiling of ``OF_THE_ORACLE``."""
    return planes[:, middle_planes(slab_count, planes.shape[1])].astype(np.float64)
