"""Slabs and the planes of the stored array: where each begins, its middle, which lesions touch it, the k best."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.metrics.checks import refuse_not_finite
from unimedi.model.slice_selection import select_slices, slab_centres


def slab_starts(count: int, depth: int) -> Int[ndarray, "count"]:
    """The first plane of each of ``count`` equal slabs."""
    return np.linspace(0, depth, count + 1).round().astype(int)[:-1]


def middle_planes(count: int, depth: int) -> Int[ndarray, "count"]:
    """The middle plane of each slab: what is cut out for a chosen slab."""
    return slab_centres(torch.arange(count)[None], count, depth)[0].numpy()


def touched_slabs(planes: Bool[ndarray, "volumes depth"], count: int) -> Bool[ndarray, "volumes slabs"]:
    """Which of ``count`` equal slabs hold a marked plane."""
    return np.logical_or.reduceat(planes, slab_starts(count, planes.shape[1]), axis=1)


def plane_scores(scores: Float[ndarray, "volumes slabs"], depth: int) -> Float[ndarray, "volumes depth"]:
    """Every plane has the score of its slab."""
    starts = slab_starts(scores.shape[1], depth)
    return np.repeat(scores, np.diff(starts, append=depth), axis=1)


def slabs_by_score(scores: Float[ndarray, "volumes slabs"], k: int) -> Int[ndarray, "volumes k"]:
    """The k best slabs, ordered by depth; a model's ``slice_gap`` plays no part, so selectors differ by scores alone.

    What a model itself takes, by its selector and with its gap, is :attr:`EmbeddingTable.selected`. Raises ValueError
    on a score that is not finite.
    """
    refuse_not_finite(scores, "scores", "volume number {}".format)
    return select_slices(torch.from_numpy(np.ascontiguousarray(scores)), k).numpy()
