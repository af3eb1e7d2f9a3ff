"""Controls of slice selection: is it what a slab shows, or where it lies that is scored?"""

import numpy as np
import torch
from jaxtyping import Float, Int, Int16
from numpy import ndarray
from torch import Tensor

from unimedi.errors import InputError
from unimedi.evaluation.slices.scores import Scoring, pooled
from unimedi.metrics.checks import NotComputable
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import Tokens

CONTROLS = ("depth_shuffled", "tokens_shuffled", "position_removed")  # endings of names of scores


def depth_orders(volumes: int, slabs: int, seed: int) -> Int[Tensor, "volumes slabs"]:
    """For each volume an order of its slabs, the same at every call: row v is drawn from (seed, v)."""
    rows = [np.random.default_rng([seed, row]).permutation(slabs) for row in range(volumes)]
    return torch.from_numpy(np.stack(rows))


def shuffled(scoring: Scoring, orders: Int[Tensor, "volumes slabs"]) -> Scoring:
    """The control "depth shuffled": score volumes whose slabs were put in another order, then put the scores back.

    Content stays with its slab, its height changes: what is left of a hit rate is owed to content. A model that
    centres its inputs subtracts the mean image of the *new* height, to which the slab is a stranger: see
    :func:`shuffled_tokens`. Names get ``_depth_shuffled``.
    """

    def scoring_shuffled(fine: Tensor, rows: slice) -> dict[str, Tensor]:
        order = orders[rows].to(fine.device)
        scores = scoring(shuffle_slabs(fine, order), rows)
        return {f"{name}_depth_shuffled": unshuffle(value, order) for name, value in scores.items()}

    return scoring_shuffled


def shuffled_tokens(model: UniMediModel, orders: Int[Tensor, "volumes slabs"]) -> Scoring:
    """The same behind the tokenizer: a slab's tokens stay what they are and get the position code of another height.

    Without position codes nothing changes but the rounding. Names get ``_tokens_shuffled``.
    """
    slabs = model.vision.volume_grid[0]

    def scoring(fine: Tensor, rows: slice) -> dict[str, Tensor]:
        order = orders[rows].to(fine.device)
        tokens = model.tokens(model.normalise(fine))
        moved = tokens.content.unflatten(1, (slabs, -1))[_each_row(fine), order].flatten(1, 2)
        attention = model.vision(Tokens(moved, tokens.position), attention_rows=True).cls_attention
        return {f"{name}_tokens_shuffled": unshuffle(value, order) for name, value in pooled(model, attention).items()}

    return scoring


def _each_row(fine: Tensor) -> Tensor:
    return torch.arange(len(fine), device=fine.device)[:, None]


def shuffle_slabs(
    fine: Int16[Tensor, "n depth height width"], order: Int[Tensor, "n slabs"]
) -> Int16[Tensor, "n depth height width"]:
    """Slab ``i`` of the result is slab ``order[:, i]``. ValueError where the slabs are not equally thick."""
    if fine.shape[1] % order.shape[1]:
        raise InputError(f"cannot shuffle {fine.shape[1]} planes as {order.shape[1]} slabs of equal thickness")
    slabs: Tensor = fine.unflatten(1, (order.shape[1], -1))
    return slabs[_each_row(fine), order].flatten(1, 2)


def unshuffle(scores: Float[Tensor, "n slabs"], order: Int[Tensor, "n slabs"]) -> Float[Tensor, "n slabs"]:
    """Scores of shuffled slabs back in the order of the volume."""
    return torch.empty_like(scores).scatter_(1, order, scores)


def position_removed(scores: Float[ndarray, "volumes slabs"]) -> Float[ndarray, "volumes slabs"]:
    """Each score divided by its slab's mean over the *other* volumes: what all have at that height says nothing.

    Raises NotComputable where there is no other volume.
    """
    if len(scores) < 2:
        raise NotComputable("no other volume to learn a slab's usual score from")
    usual = (scores.sum(axis=0) - scores) / (len(scores) - 1)
    return scores / np.where(usual != 0, usual, 1)
