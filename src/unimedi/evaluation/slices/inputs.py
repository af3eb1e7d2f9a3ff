"""What a trained model makes of a volume under other inputs: no slices, slices alone, other slices, another order.

All share one pass for the scores and one volume input; what differs is the slices, or what stands beside them. So
the figures (:mod:`.worth`) say what slices cut from the finer array bring. The model is trained
with its own input and meets the others untrained for them: a fall says that an input was used, not that a model
trained without it would be as bad (the rows of ``recipes/comparison/`` answer that).
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from unimedi.cohort.image_kind import ImageKind
from unimedi.evaluation.slices.controls import depth_orders, shuffle_slabs
from unimedi.evaluation.slices.scores import OfVolumes, read_once, reconfigured
from unimedi.inputs.store import Store
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import Tokens

AS_SHIPPED, VOLUME_ALONE, DEPTH_SHUFFLED = "as_shipped", "volume_alone", "depth_shuffled"


def embed_inputs(
    model: UniMediModel,
    store: Store,
    indices: Sequence[int],
    shown: Float[ndarray, "volumes slabs"],
    seed: int,
    batch: int,
) -> dict[str, Float[ndarray, "volumes dim"]]:
    """Input → embeddings in the common space, float32; ``shown`` is 1 where a slab's middle plane shows a lesion.

    ``depth_shuffled`` is left out where the stored planes do not divide into slabs of equal thickness.
    """
    asked = [inputs(model, shown, seed)]
    if store.preprocess.hires_shape[0] % shown.shape[1] == 0:
        asked.append(another_order(model, depth_orders(len(indices), shown.shape[1], seed)))
    embedded = read_once(store, indices, asked, model.device, batch)
    return {name: rows.astype(np.float32) for name, rows in embedded.items()}


def inputs(model: UniMediModel, shown: Float[ndarray, "volumes slabs"], seed: int) -> OfVolumes:
    """Embeddings of volumes under every input of the same height order.

    ``as_shipped``: the model's selector and k. ``volume_alone``: T_3D's tokens. ``slices_alone``: its slices without
    them. ``random_slices`` and ``centre_slices``: k others. ``oracle_slices``: slabs that show a focal lesion first,
    the model's scores among them and where there is none; knows the mask, so it is a ceiling and no method.
    """
    slices_alone = reconfigured(model, volume_tokens=False)
    drawn, lesion = depth_orders(len(shown), shown.shape[1], seed + 1).double(), torch.from_numpy(shown)

    def embed(fine: Tensor, rows: slice) -> dict[str, Tensor]:
        volume = model.tokens(model.normalise(fine))
        scores, _ = model.score_slabs(volume)

        def sliced(asked: UniMediModel, planes: Int[Tensor, "n k"]) -> Tensor:
            return embedding(asked, asked.with_slices(volume, asked.cut_slices(fine, planes)))

        own = model.select_planes(scores)
        best = oracle(scores, lesion[rows].to(fine.device))
        return {
            AS_SHIPPED: sliced(model, own),
            VOLUME_ALONE: embedding(model, volume),
            "slices_alone": sliced(slices_alone, own),
            "random_slices": sliced(model, model.select_planes(drawn[rows].to(fine.device), selector="attentive")),
            "centre_slices": sliced(model, model.select_planes(scores, selector="centre")),
            "oracle_slices": sliced(model, model.select_planes(best, selector="attentive")),
        }

    return embed


def another_order(model: UniMediModel, orders: Int[Tensor, "volumes slabs"]) -> OfVolumes:
    """``depth_shuffled``: the slabs of the stored volume in another order; all else as shipped, scores too."""

    def embed(fine: Tensor, rows: slice) -> dict[str, Tensor]:
        moved = shuffle_slabs(fine, orders[rows].to(fine.device))
        return {DEPTH_SHUFFLED: model.encode_images(moved).embedding}

    return embed


def embedding(model: UniMediModel, tokens: Tokens) -> Float[Tensor, "n dim"]:
    """Of a volume's tokens, in the common space."""
    projected: Tensor = model.image_projection(model.vision(tokens).cls, ImageKind.CT)
    return projected


def oracle(scores: Float[Tensor, "n slabs"], shown: Float[Tensor, "n slabs"]) -> Float[Tensor, "n slabs"]:
    """Scores under which every slab that shows a lesion stands before every other; within both the model's own."""
    above = scores.double()
    return above + shown * (above.amax(1, keepdim=True) - above.amin(1, keepdim=True) + 1)
