"""Slabs and planes of the stored array, and the slabs that each selector takes.

A slab is the set of stored planes under one depth index of the T_3D grid. Every selector takes slabs, and every chosen
slab is looked at through the same plane: the one in its middle.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.metrics.checks import refuse_not_finite
from unimedi.model.slice_selection import BLIND_SELECTORS, select_slices, slab_centres

Scores = Mapping[str, Float[ndarray, "volumes slabs"]]  # selector → a score a slab, higher is better
Choices = dict[str, Int[ndarray, "volumes k"]]  # selector → the slabs taken, in order of depth


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


def oracle_scores(planes: Bool[ndarray, "volumes depth"], slab_count: int) -> Float[ndarray, "volumes slabs"]:
    """1 for the slabs whose middle plane is marked, else 0. Knows the mask: a ceiling, and no method."""
    return planes[:, middle_planes(slab_count, planes.shape[1])].astype(np.float64)


def slabs_by_score(scores: Float[ndarray, "volumes slabs"], k: int) -> Int[ndarray, "volumes k"]:
    """The k slabs of the highest scores, in order of depth.

    What a model itself takes, by its own selector, is :attr:`EmbeddingTable.selected`.

    Raises:
        InputError: a score is not finite.
    """
    refuse_not_finite(scores, "scores", "volume number {}".format)
    return select_slices(torch.from_numpy(np.ascontiguousarray(scores)), k).numpy()


def choices(scored: Scores, k: int) -> Choices:
    """What each selector takes at k slices: ``uniform`` and ``centre``, which look at nothing, then those with scores.

    ``random`` is missing: instead of one draw its expectation is taken, :func:`.measures.expected_at_random`.
    """
    volumes, slab_count = next(iter(scored.values())).shape
    generator = torch.Generator().manual_seed(0)
    blind = {
        name: select(volumes, slab_count, k, generator).numpy()
        for name, select in BLIND_SELECTORS.items()
        if name != "random"
    }
    return blind | {name: slabs_by_score(scores, k) for name, scores in scored.items()}
