"""Every way of scoring slabs, applied to stored volumes; each volume is read once."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int16
from numpy import ndarray
from torch import Tensor

from unimedi.errors import InputError
from unimedi.inputs.store import Store
from unimedi.model.scoring import SCORERS
from unimedi.model.slice_selection import SLAB_POOLINGS, slice_scores
from unimedi.model.unimedi import UniMediModel

# (stored volumes in HU, their rows among the volumes asked for) → name → a row a volume
OfVolumes = Callable[[Tensor, slice], Mapping[str, Tensor]]
Scoring = OfVolumes  # one that gives one score a slab, higher is better
TEXT = "text_knows_the_report"

# Scores that differ by less than this share of their mean differ by rounding only.
_ALIKE = 1e-5


def score_volumes(
    store: Store, indices: Sequence[int], scorings: Sequence[Scoring], device: torch.device, batch: int = 8
) -> dict[str, Float[ndarray, "volumes slabs"]]:
    """Every scoring of every volume, in float64. Raises ValueError naming the study where a score is not finite."""
    scored = read_once(store, indices, scorings, device, batch)
    for name, scores in scored.items():
        if not np.isfinite(scores).all():
            row, slab = np.argwhere(~np.isfinite(scores))[0]
            study = store.studies[indices[row]].study_id
            raise InputError(f"expected finite scores, got {scores[row, slab]} from {name}, study {study}, slab {slab}")
    return scored


def read_once(
    store: Store, indices: Sequence[int], asked: Sequence[OfVolumes], device: torch.device, batch: int = 8
) -> dict[str, Float[ndarray, "volumes columns"]]:
    """What every function says of every volume, each volume read once: float64, rows in the order of ``indices``."""
    parts: dict[str, list[ndarray]] = {}
    start = 0
    with torch.inference_mode():
        for fine in fine_volumes(store, indices, batch):
            rows = slice(start, start + len(fine))
            start = rows.stop
            for function in asked:
                for name, given in function(fine.to(device), rows).items():
                    parts.setdefault(name, []).append(given.double().cpu().numpy())
    return {name: np.concatenate(part) for name, part in parts.items()}


def fine_volumes(store: Store, indices: Sequence[int], batch: int) -> Iterator[Int16[Tensor, "n depth h w"]]:
    """Stored volumes in HU, ``batch`` at a time."""
    for start in range(0, len(indices), batch):
        yield torch.from_numpy(np.stack([store.pixels(i) for i in indices[start : start + batch]]))


def tell_apart(scores: Float[ndarray, "volumes slabs"]) -> bool:
    """Whether in any volume the slabs' scores differ by more than rounding."""
    spread = scores.max(axis=1) - scores.min(axis=1)
    return bool((spread > _ALIKE * np.abs(scores).mean(axis=1)).any())


def poolings(model: UniMediModel) -> Scoring:
    """``attentive`` (the model's own) and ``volume_<pooling>``: one pass over the T_3D tokens, pooled in every way."""
    return lambda fine, rows: pooled(model, model.score_slabs(model.tokens(model.normalise(fine)))[1])


def poolings_and_layers(model: UniMediModel) -> Scoring:
    """The same and, from the same pass, ``layer_<n>``: see :func:`layers`."""

    def scoring(fine: Tensor, rows: slice) -> dict[str, Tensor]:
        attention = model.score_slabs(model.tokens(model.normalise(fine)))[1]
        return pooled(model, attention) | layers(model, attention)

    return scoring


def pooled(model: UniMediModel, attention: Float[Tensor, "n layers heads patches"]) -> dict[str, Tensor]:
    """The same of an attention at hand."""
    each = {name: slice_scores(attention, model.vision.volume_grid, name) for name in SLAB_POOLINGS}
    return {"attentive": each[model.config.slab_pooling]} | {f"volume_{name}": each[name] for name in each}


def layers(model: UniMediModel, attention: Float[Tensor, "n layers heads patches"]) -> dict[str, Tensor]:
    """``layer_1`` … ``layer_<L>``: the paper's score from the [CLS] row of one layer alone, the mean over its heads."""
    each = attention.split(1, dim=1)
    return {f"layer_{n}": slice_scores(row, model.vision.volume_grid) for n, row in enumerate(each, 1)}


def own(model: UniMediModel, name: str) -> Scoring:
    """The model's own scores under a name: an untrained model, another checkpoint."""
    return lambda fine, rows: {name: SCORERS["volume"](model, fine, None)}


def variants(model: UniMediModel, reports: Float[ndarray, "volumes dim"]) -> list[Scoring]:
    """The other ways of :mod:`unimedi.model.scoring`, pooled as the model is configured.

    But ``separate_max`` by its peak, as under the paper's mean its slabs are all alike. ``reports`` are the reports'
    embeddings: what ``text`` alone is shown, so it is called ``text_knows_the_report``.
    """
    sentences = torch.from_numpy(reports).to(model.device)

    def named(name: str, shown: str) -> Scoring:
        asked = reconfigured(model, slab_pooling="max") if name == "separate" else model
        return lambda fine, rows: {shown: SCORERS[name](asked, fine, sentences[rows] if name == "text" else None)}

    shown = {name: name for name in SCORERS if name != "volume"} | {"separate": "separate_max", "text": TEXT}
    return [named(name, shown[name]) for name in shown]


def reconfigured(model: UniMediModel, **changes: object) -> UniMediModel:
    """The same weights (shared, not copied) under another pooling of a slab's tokens, or without T_3D's tokens…"""
    asked = copy.copy(model)
    asked.config = copy.copy(model.config)
    for name, value in changes.items():
        setattr(asked.config, name, value)
    return asked
