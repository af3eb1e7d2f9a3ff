"""Every way of scoring slabs, applied to stored volumes, and the controls of shuffled depth.

The controls ask whether it is what a slab shows that is scored, or where it lies. Each volume is read once for all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int, Int16
from numpy import ndarray
from torch import Tensor

from unimedi.errors import InputError
from unimedi.inputs.store import Store
from unimedi.metrics.checks import NotComputable, refuse_not_finite
from unimedi.model.scoring import SCORERS
from unimedi.model.slice_selection import SLAB_POOLINGS, slice_scores
from unimedi.model.unimedi import UniMediModel

# (stored volumes in HU, their rows among all volumes to score) → name → a row a volume
VolumeFunction = Callable[[Tensor, slice], Mapping[str, Tensor]]
Scoring = VolumeFunction  # one that gives one score a slab, higher is better
TEXT = "text_knows_the_report"
CONTROLS = ("depth_shuffled", "tokens_shuffled", "position_removed")  # endings of names of scores
ROUNDING = 1e-5  # scores that differ by less than this share of their mean differ by rounding only


# -- reading volumes --------------------------------------------------------------------------------------------------


def score_volumes(
    store: Store, indices: Sequence[int], scorings: Sequence[Scoring], device: torch.device, batch: int = 8
) -> dict[str, Float[ndarray, "volumes slabs"]]:
    """Every scoring of every volume, in float64.

    Raises:
        InputError: a score is not finite; the message names the scoring and the study.
    """
    scored = apply_to_volumes(store, indices, scorings, device, batch)
    for name, scores in scored.items():
        refuse_not_finite(scores, f"scores from {name}", lambda row: f"study {store.studies[indices[row]].study_id}")
    return scored


def apply_to_volumes(
    store: Store, indices: Sequence[int], functions: Sequence[VolumeFunction], device: torch.device, batch: int = 8
) -> dict[str, Float[ndarray, "volumes columns"]]:
    """What every function gives for every volume, each volume read once: float64, rows in the order of ``indices``."""
    parts: dict[str, list[ndarray]] = {}
    start = 0
    with torch.inference_mode():
        for hires in read_volumes(store, indices, batch):
            rows = slice(start, start + len(hires))
            start = rows.stop
            for function in functions:
                for name, values in function(hires.to(device), rows).items():
                    parts.setdefault(name, []).append(values.double().cpu().numpy())
    return {name: np.concatenate(part) for name, part in parts.items()}


def read_volumes(store: Store, indices: Sequence[int], batch: int) -> Iterator[Int16[Tensor, "n depth h w"]]:
    """Stored volumes in HU, ``batch`` at a time."""
    store.ahead(indices)
    for start in range(0, len(indices), batch):
        yield torch.from_numpy(np.stack([store.pixels(i) for i in indices[start : start + batch]]))


def scores_differ(scores: Float[ndarray, "volumes slabs"]) -> bool:
    """Whether in any volume the slabs' scores differ by more than rounding."""
    difference = scores.max(axis=1) - scores.min(axis=1)
    return bool((difference > ROUNDING * np.abs(scores).mean(axis=1)).any())


# -- ways to score ----------------------------------------------------------------------------------------------------


def poolings(model: UniMediModel, layers: bool = False) -> Scoring:
    """One pass over the T_3D tokens, pooled in every way: ``attentive`` (the model's own) and ``volume_<pooling>``.

    With ``layers`` also ``layer_1`` … ``layer_<L>``: the paper's score from the [CLS] row of one layer alone, the mean
    over its heads.
    """

    def scoring(hires: Tensor, rows: slice) -> dict[str, Tensor]:
        attention = model.score_slabs(model.tokens(model.normalise(hires)))[1]
        scores = _pooled(model, attention)
        if layers:
            one_by_one = enumerate(attention.split(1, dim=1), 1)
            scores |= {f"layer_{n}": slice_scores(row, model.vision.volume_grid) for n, row in one_by_one}
        return scores

    return scoring


def _pooled(model: UniMediModel, attention: Float[Tensor, "n layers heads patches"]) -> dict[str, Tensor]:
    each = {name: slice_scores(attention, model.vision.volume_grid, name) for name in SLAB_POOLINGS}
    return {"attentive": each[model.config.slab_pooling]} | {f"volume_{name}": each[name] for name in each}


def model_scores(model: UniMediModel, name: str) -> Scoring:
    """A model's own scores under a name: an untrained model, another checkpoint."""
    return lambda hires, rows: {name: SCORERS["volume"](model, hires, None)}


def other_scorers(model: UniMediModel, reports: Float[ndarray, "volumes dim"]) -> list[Scoring]:
    """The other ways of :mod:`unimedi.model.scoring`, pooled as the model is configured.

    ``separate`` is pooled by its peak and called ``separate_max``: under the paper's mean all its slabs are alike.
    ``text`` alone is shown ``reports``, their embeddings, so it is called ``text_knows_the_report``.
    """
    sentences = torch.from_numpy(reports).to(model.device)

    def named(name: str, shown: str) -> Scoring:
        variant = model.with_config(slab_pooling="max") if name == "separate" else model
        return lambda hires, rows: {shown: SCORERS[name](variant, hires, sentences[rows] if name == "text" else None)}

    shown = {name: name for name in SCORERS if name != "volume"} | {"separate": "separate_max", "text": TEXT}
    return [named(name, shown[name]) for name in shown]


# -- controls: the same scores where depth says nothing ---------------------------------------------------------------


def depth_orders(volumes: int, slabs: int, seed: int) -> Int[Tensor, "volumes slabs"]:
    """For each volume an order of its slabs, the same at every call: row v is drawn from (seed, v)."""
    rows = [np.random.default_rng([seed, row]).permutation(slabs) for row in range(volumes)]
    return torch.from_numpy(np.stack(rows))


def depth_shuffled(scoring: Scoring, orders: Int[Tensor, "volumes slabs"]) -> Scoring:
    """Score volumes whose slabs were put in another order, then put the scores back. Names get ``_depth_shuffled``.

    Content stays with its slab, its height changes: the hit rate that is left comes from content. A model that centres
    its inputs subtracts the mean image of the *new* height, which does not fit the slab: see :func:`tokens_shuffled`.
    """

    def scoring_shuffled(hires: Tensor, rows: slice) -> dict[str, Tensor]:
        order = orders[rows].to(hires.device)
        scores = scoring(shuffle_slabs(hires, order), rows)
        return {f"{name}_depth_shuffled": unshuffle(value, order) for name, value in scores.items()}

    return scoring_shuffled


def tokens_shuffled(model: UniMediModel, orders: Int[Tensor, "volumes slabs"]) -> Scoring:
    """The same after the tokenizer: a slab's tokens stay as they are and get the position code of another height.

    Without position codes nothing changes but the rounding. Names get ``_tokens_shuffled``.
    """
    slabs = model.vision.volume_grid[0]

    def scoring(hires: Tensor, rows: slice) -> dict[str, Tensor]:
        order = orders[rows].to(hires.device)
        tokens = model.tokens(model.normalise(hires))
        moved = tokens.content.unflatten(1, (slabs, -1))[_each_row(hires), order].flatten(1, 2)
        attention = model.vision(replace(tokens, content=moved), attention_rows=True).cls_attention
        return {f"{name}_tokens_shuffled": unshuffle(value, order) for name, value in _pooled(model, attention).items()}

    return scoring


def _each_row(hires: Tensor) -> Tensor:
    return torch.arange(len(hires), device=hires.device)[:, None]


def shuffle_slabs(
    hires: Int16[Tensor, "n depth height width"], order: Int[Tensor, "n slabs"]
) -> Int16[Tensor, "n depth height width"]:
    """Slab ``i`` of the result is slab ``order[:, i]``. InputError where the slabs are not equally thick."""
    if hires.shape[1] % order.shape[1]:
        raise InputError(f"cannot shuffle {hires.shape[1]} planes as {order.shape[1]} slabs of equal thickness")
    slabs: Tensor = hires.unflatten(1, (order.shape[1], -1))
    return slabs[_each_row(hires), order].flatten(1, 2)


def unshuffle(scores: Float[Tensor, "n slabs"], order: Int[Tensor, "n slabs"]) -> Float[Tensor, "n slabs"]:
    """Scores of shuffled slabs back in the order of the volume."""
    return torch.empty_like(scores).scatter_(1, order, scores)


def position_removed(scores: Float[ndarray, "volumes slabs"]) -> Float[ndarray, "volumes slabs"]:
    """Each score divided by its slab's mean over the *other* volumes: what is the same in all at that height cancels.

    Raises:
        NotComputable: there is no other volume.
    """
    if len(scores) < 2:
        raise NotComputable("no other volume to learn a slab's usual score from")
    usual = (scores.sum(axis=0) - scores) / (len(scores) - 1)
    return scores / np.where(usual != 0, usual, 1)
