"""Ways to score the slabs of a volume, behind one signature (UniMedI, section 3.2; docs/paper.md, open point 3.1).

The paper does not say which tokens its softmax runs over. ``volume`` is what the model itself does; the others are for
comparison: give their scores to ``UniMediModel.encode_images(volumes, scores)`` or train with
:mod:`unimedi.experiments.scorers`. Costs are those of ViT-B with slices of 64 tokens; none of them needs a gradient.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Int16
from torch import Tensor

from unimedi.errors import InputError
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.slice_selection import slice_scores
from unimedi.model.unimedi import UniMediModel

JOINT_PLANES = 32  # 2,049 tokens in one pass, 251 GMAC, against 48 GMAC of ``volume``; cost grows with the square
FINE_PLANES = 16  # of the best slabs: 1,025 tokens, 106 GMAC
CANDIDATES = 2  # slabs looked at again for each slice that will be taken

Hires = Int16[Tensor, "n depth height width"]  # volumes as the store keeps them, in HU
Reports = Float[Tensor, "n embedding"] | None  # the volumes' own reports in the common space
Scores = Float[Tensor, "n slabs"]  # higher is better
Scorer = Callable[[UniMediModel, Tensor, Tensor | None], Tensor]


def volume(model: UniMediModel, hires: Hires, reports: Reports = None) -> Scores:
    """(a) One pass over the T_3D tokens; all planes of a slab inherit its score. The default."""
    return model.score_slabs(model.tokens(model.normalise(hires)))[0]


def joint(model: UniMediModel, hires: Hires, reports: Reports = None) -> Scores:
    """(b) One pass over the T_2D tokens of evenly spaced planes: one softmax over all, pooled to slabs."""
    slabs = torch.arange(model.vision.volume_grid[0], device=hires.device).expand(len(hires), -1)
    return _attention_share(model, hires, slabs, JOINT_PLANES)


def separate(model: UniMediModel, hires: Hires, reports: Reports = None) -> Scores:
    """(c) Each plane in a pass of its own. Degenerate: every softmax sums to one, so with the paper's mean over the
    tokens all slabs score 1/N alike. Only a peak (``slab_pooling: max``) tells them apart."""
    count = model.vision.volume_grid[0]
    slabs = torch.arange(count, device=hires.device).expand(len(hires), -1)
    cut = model.cut_slices(hires, planes_of(slabs, count, hires.shape[1], JOINT_PLANES))
    tokens = model.vision.slices(cut.pixels.flatten(0, 1)[:, None], cut.depth.flatten()[:, None])
    rows = model.vision(tokens, attention_rows=True).cls_attention
    alone = slice_scores(rows, (1, *model.vision.slice_grid), model.config.slab_pooling)
    return alone.reshape(len(hires), count, -1).mean(-1)


def coarse_to_fine(model: UniMediModel, hires: Hires, reports: Reports = None) -> Scores:
    """(d) ``volume``, then the planes of its best slabs jointly.

    What attention the coarse pass gave to these slabs is divided among them anew, by the share that each has in the
    fine pass; the other slabs keep their scores.
    """
    coarse = volume(model, hires)
    kept = min(coarse.shape[1], CANDIDATES * max(1, model.config.slices))
    best = coarse.topk(kept, dim=1).indices.sort(dim=1).values
    share = _attention_share(model, hires, best, FINE_PLANES)
    budget = coarse.gather(1, best).sum(1, keepdim=True)
    return coarse.scatter(1, best, budget * share / share.sum(1, keepdim=True))


def text(model: UniMediModel, hires: Hires, reports: Reports = None) -> Scores:
    """(e) Cosine of the report with the slab's mean patch state, both in the common space. Knows the report: for
    training and for questions to a trained model; a figure on held-out studies must say so."""
    if reports is None:
        raise InputError("scoring by text needs the embeddings of the reports, got none")
    slabs = model.vision.volume_grid[0]
    states = model.vision(model.tokens(model.normalise(hires))).patches
    means = states.unflatten(1, (slabs, -1)).mean(2)
    projected = model.image_projection(means.flatten(0, 1), SequenceKind.VOLUME).unflatten(0, (len(hires), slabs))
    cosine: Tensor = (projected * reports[:, None]).sum(-1)
    return cosine


SCORERS: dict[str, Scorer] = {
    "volume": volume,
    "joint": joint,
    "separate": separate,
    "coarse_to_fine": coarse_to_fine,
    "text": text,
}


def planes_of(slabs: Int[Tensor, "n m"], slab_count: int, stored_depth: int, most: int) -> Int[Tensor, "n planes"]:
    """Evenly spaced planes of the stored volume inside each slab, as many for each, ``most`` in all, at least one."""
    thickness = stored_depth / slab_count
    each = max(1, min(most // slabs.shape[1], int(thickness)))
    offset = (torch.arange(each, device=slabs.device) + 0.5) / each
    return ((slabs[:, :, None] + offset) * thickness).long().clamp(max=stored_depth - 1).flatten(1)


def _attention_share(model: UniMediModel, hires: Hires, slabs: Int[Tensor, "n m"], most: int) -> Float[Tensor, "n m"]:
    """The scores of ``slabs`` from one pass over T_2D's tokens of their planes."""
    planes = planes_of(slabs, model.vision.volume_grid[0], hires.shape[1], most)
    cut = model.cut_slices(hires, planes)
    rows = model.vision(model.vision.slices(cut.pixels, cut.depth), attention_rows=True).cls_attention
    height, width = model.vision.slice_grid
    each = planes.shape[1] // slabs.shape[1]
    return slice_scores(rows, (slabs.shape[1], each * height, width), model.config.slab_pooling)
