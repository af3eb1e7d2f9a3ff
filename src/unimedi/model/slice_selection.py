"""Attentive slice selection: which planes of a volume stand for it in 2D (UniMedI, section 3.2).

A slab is the set of planes under one depth index of the T_3D grid. The teacher's one pass over the volume's tokens
gives every token a share v of one attention budget; a slab's score s_i is the mean over its N tokens.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Int16
from torch import Tensor

from unimedi.errors import InputError

SlabPooling = Callable[[Tensor], Tensor]  # (batch, layers, heads, slabs, tokens) -> (batch, slabs)


def token_scores(
    cls_attention: Float[Tensor, "batch layers heads *patches"],
) -> Float[Tensor, "batch *patches"]:
    """v = 1/(H L) sum_l sum_h softmax(q_lh([CLS]) K_lh([Patch]) / sqrt(C)): the mean over layers and heads."""
    return cls_attention.mean(dim=(1, 2))


# How the N tokens of a slab become one number. The paper's is the mean; a peak keeps small lesions (open point 3.3).
# ``head_max`` takes each head's peak before the heads are averaged: one head that sees a lesion is not outvoted there.
# ``penultimate`` is the mean in the last layer but one alone: in the last one [CLS] has what it needs.
SLAB_POOLINGS: dict[str, SlabPooling] = {
    "mean": lambda rows: token_scores(rows).mean(-1),
    "max": lambda rows: token_scores(rows).amax(-1),
    "top_mean": lambda rows: token_scores(rows).topk(max(1, rows.shape[-1] // 10), dim=-1).values.mean(-1),
    "head_max": lambda rows: token_scores(rows.amax(-1)),
    "penultimate": lambda rows: token_scores(rows[:, -2:][:, :1]).mean(-1),
}


def slice_scores(
    cls_attention: Float[Tensor, "batch layers heads patches"],
    grid: tuple[int, int, int],
    pooling: str = "mean",
) -> Float[Tensor, "batch depth"]:
    """s_i = 1/N sum_j v_ij: the score of each slab (section 3.2).

    Args:
        cls_attention: softmax of [CLS] over the patches, of every layer and head.
        grid: (depth, height, width) of the T_3D tokens, whose product is the number of patches.
        pooling: a key of ``SLAB_POOLINGS``; ``mean`` is the paper's.

    Raises:
        InputError: the grid has another number of tokens than the attention.
    """
    depth, height, width = grid
    if cls_attention.shape[-1] != depth * height * width:
        raise InputError(
            f"grid {grid} has {depth * height * width} tokens, the attention has {cls_attention.shape[-1]}"
        )
    return SLAB_POOLINGS[pooling](cls_attention.unflatten(-1, (depth, height * width)))


def select_slices(scores: Float[Tensor, "batch depth"], k: int) -> Int[Tensor, "batch k"]:
    """The k best slabs of each volume, ordered by depth; of equal scores the lower slab.

    Raises:
        InputError: ``k`` is 0, or above the number of slabs.
    """
    depth = scores.shape[1]
    if not 0 < k <= depth:
        raise InputError(f"k must be between 1 and the {depth} slabs, got {k}")
    return scores.sort(dim=1, descending=True, stable=True).indices[:, :k].sort(dim=1).values


def slab_centres(slabs: Int[Tensor, "batch k"], slab_count: int, stored_depth: int) -> Int[Tensor, "batch k"]:
    """The plane of the stored volume in the middle of each slab: what is cut out when nothing is drawn at random."""
    thickness = stored_depth / slab_count
    return ((slabs + 0.5) * thickness).long().clamp(max=stored_depth - 1)


def planes_within(
    slabs: Int[Tensor, "batch k"], slab_count: int, stored_depth: int, offset: Float[Tensor, "batch k"]
) -> Int[Tensor, "batch k"]:
    """The plane at the relative ``offset`` in [0, 1) of each slab: training draws it anew each step."""
    thickness = stored_depth / slab_count
    return ((slabs + offset) * thickness).long().clamp(max=stored_depth - 1)


# What a slice shows: (volumes in HU, planes, slabs) -> pictures along depth, and which of them stands for each plane.
SliceContent = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


def one_plane(
    hires: Int16[Tensor, "batch depth height width"], planes: Int[Tensor, "batch k"], slab_count: int
) -> tuple[Int16[Tensor, "batch depth height width"], Int[Tensor, "batch k"]]:
    """The plane itself: the paper's. A lesion thinner than a slab may lie beside it (open point 3.2)."""
    return hires, planes


def slab_maximum(
    hires: Int16[Tensor, "batch depth height width"], planes: Int[Tensor, "batch k"], slab_count: int
) -> tuple[Int16[Tensor, "batch slabs height width"], Int[Tensor, "batch k"]]:
    """The maximum intensity projection of the plane's slab, as thin MIPs are read for nodules: what is bright anywhere
    in the slab is shown. InputError where slabs are not equally thick."""
    if hires.shape[1] % slab_count:
        raise InputError(f"slab_maximum: {hires.shape[1]} planes are not {slab_count} slabs of equal thickness")
    return hires.unflatten(1, (slab_count, -1)).amax(2), planes * slab_count // hires.shape[1]


SLICE_CONTENTS: dict[str, SliceContent] = {"plane": one_plane, "slab_maximum": slab_maximum}

# Selectors that look at nothing, behind one signature: (batch, slabs, k, generator) -> slabs ordered by depth.
BlindSelector = Callable[[int, int, int, torch.Generator | None], Tensor]


def random_slabs(batch: int, slabs: int, k: int, generator: torch.Generator | None = None) -> Int[Tensor, "batch k"]:
    return select_slices(torch.rand(batch, slabs, generator=generator), k)


def centre_slabs(batch: int, slabs: int, k: int, generator: torch.Generator | None = None) -> Int[Tensor, "batch k"]:
    """The k neighbours in the middle of the volume."""
    return ((slabs - k + 1) // 2 + torch.arange(k)).expand(batch, -1)


def uniform_slabs(batch: int, slabs: int, k: int, generator: torch.Generator | None = None) -> Int[Tensor, "batch k"]:
    """The middles of k equal parts of the volume."""
    return ((torch.arange(k) + 0.5) * slabs / k).long().expand(batch, -1)


BLIND_SELECTORS: dict[str, BlindSelector] = {"random": random_slabs, "uniform": uniform_slabs, "centre": centre_slabs}
