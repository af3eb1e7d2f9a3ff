"""What slice selection does while a run trains: does the teacher look at lesions, and are slices worth anything to it?

``unimedi pretrain`` measures it now and then on a few validation volumes: always the same, and nothing is drawn anew,
so that the figures of two moments, or of two runs on one store, differ by the model alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from unimedi.evaluation.slices.choices import oracle_scores, slabs_by_score, touched_slabs
from unimedi.evaluation.slices.input_ablation import oracle
from unimedi.evaluation.slices.lesions import FOCAL, connected_lesions
from unimedi.evaluation.slices.measures import aggregate, expected_at_random, within_volume_auroc
from unimedi.evaluation.slices.scores import VolumeFunction, apply_to_volumes, depth_orders
from unimedi.inputs.sampling import drawn
from unimedi.inputs.store import Store
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.info_nce import info_nce
from unimedi.metrics.recall import report_groups, same_group
from unimedi.model.processor import UniMediProcessor
from unimedi.model.projection import Projection
from unimedi.model.slice_selection import slice_scores
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import Tokens
from unimedi.phantom.painting.distractors import DISTRACTOR

MOST = 64  # volumes: a hit rate is then known to 0.06, one standard error
SEED = 0  # of the volumes and of their random slices: not the run's, so that seeds are compared on the same
BATCH = 8  # volumes of a pass
INPUTS = ("attentive", "volume_alone", "random_slices", "oracle_slices")

Figures = dict[str, float]


@dataclass(frozen=True)
class Watched:
    """The volumes ``indices`` of a store, which of their slabs show what, and their reports as the model reads them.

    ``shown``: 1 where a slab's middle plane shows a focal lesion; ``touched``: a lesion touches the slab.
    ``innocents``: as ``shown``, of distractors. ``reported``: the rows with a report; ``right``: whose reports are the
    same; ``words``: the tokens of these reports.
    """

    store: Store
    indices: Sequence[int]
    shown: Float[ndarray, "volumes slabs"]
    touched: Bool[ndarray, "volumes slabs"]
    innocents: Float[ndarray, "volumes slabs"]
    reported: Int[ndarray, "reported"]
    right: Bool[ndarray, "reported reported"]
    words: Mapping[str, Tensor]

    def __call__(self, model: UniMediModel) -> Figures:
        """``selection/…`` of a model in evaluation mode, which stays as it is.

        ``hit@1``, ``auroc``, and the same of each layer; ``random_hit@1``; ``innocents_hit@1`` and
        ``innocents_random_hit@1`` where a volume has a distractor's mask; ``l_vl/<input>`` and ``l_vl/chance`` where
        two reports differ.

        Raises:
            InputError: a score or an embedding is not finite.
        """
        found = apply_to_volumes(self.store, self.indices, [looks(model, self.shown)], model.device, BATCH)
        scored = {name: found[name] for name in found if name not in INPUTS}
        figures = self._hits(scored)
        if len(self.right) and not self.right.all():
            figures |= self._worth(model, {name: found[name][self.reported] for name in INPUTS})
        return {f"selection/{name}": value for name, value in figures.items() if np.isfinite(value)}

    def _hits(self, scored: Mapping[str, Float[ndarray, "volumes slabs"]]) -> Figures:
        found = {"volumes": float(len(self.indices)), "random_hit@1": _mean(expected_at_random(self.shown, 1))}
        there = self.innocents.any(axis=1)
        for name, scores in scored.items():
            best, prefix = slabs_by_score(scores, 1), "" if name == "teacher" else f"{name}/"
            found[f"{prefix}hit@1"] = _mean(aggregate(self.shown, best))
            found[f"{prefix}auroc"] = _mean(within_volume_auroc(scores, self.touched))
            if name == "teacher" and there.any():
                found["innocents_hit@1"] = _mean(aggregate(self.innocents, best)[there])
                found["innocents_random_hit@1"] = _mean(expected_at_random(self.innocents, 1)[there])
        return found

    def _worth(self, model: UniMediModel, projected: Mapping[str, Float[ndarray, "reported dim"]]) -> Figures:
        """L_vl over the reported volumes under each input, of what the projections' linear maps gave.

        A teacher in training carries the student's running means, which are not those of its own features (they are
        taken anew before it ships): so the means of these very rows stand in for them, that of the volumes alone and
        that of the pairs with attentive slices.
        """
        with torch.inference_mode():
            words = {name: value.to(model.device) for name, value in self.words.items()}
            texts = model.text_projection.project(model.text(**words)).double().cpu().numpy()
        reports = on_sphere(model.text_projection, texts, texts)
        scale, found = float(model.scale()), {"l_vl/chance": float(np.log(len(reports)))}
        for name, rows in projected.items():
            images = on_sphere(model.image_projection, rows, rows if name == "volume_alone" else projected["attentive"])
            found[f"l_vl/{name}"] = info_nce(scale * images @ reports.T, self.right)
        return found


def selection_over_time(model: UniMediModel, processor: UniMediProcessor, store: Store) -> Watched:
    """Choose the volumes that are measured while ``model`` trains on ``store``.

    At most ``MOST`` CTs of the validation split with a mask of a focal lesion, drawn at random.

    Raises:
        NotComputable: the model takes no slices, or no such volume is there.
    """
    if not model.config.slices:
        raise NotComputable("the model takes no slices")
    masked = [i for i in store.select("validation", "ct") if store.studies[i].has_mask]
    indices = drawn([i for i in masked if _marked(store, i)], MOST, SEED)
    if not indices:
        raise NotComputable("no CT of the validation split has a mask of a focal lesion")
    slab_count = model.vision.volume_grid[0]
    planes = connected_lesions(store, indices).planes()
    innocents = connected_lesions(store, indices, (DISTRACTOR,)).planes()
    texts = [store.studies[i].report for i in indices]
    reported = np.flatnonzero([bool(text) for text in texts])
    said = [texts[row] for row in reported]
    groups = report_groups(said)
    return Watched(
        store=store,
        indices=indices,
        shown=oracle_scores(planes, slab_count),
        touched=touched_slabs(planes, slab_count),
        innocents=oracle_scores(innocents, slab_count),
        reported=reported,
        right=same_group(groups, groups),
        words=processor.text(said) if said else {},
    )


def _marked(store: Store, index: int) -> bool:
    """Whether a voxel of the mask is of a focal finding."""
    bits = sum(1 << place for place, name in enumerate(store.findings) if name in FOCAL)
    mask = store.mask(index)
    return mask is not None and bool((mask & bits).any())


def looks(model: UniMediModel, shown: Float[ndarray, "volumes slabs"]) -> VolumeFunction:
    """Scores of slabs (``teacher``, ``layer_1`` …: the paper's, from one layer alone) and what the image projection's
    linear map gives under each of ``INPUTS``, as :mod:`.input_ablation` has them; the scores are computed once."""
    order, lesion = depth_orders(len(shown), shown.shape[1], SEED).double(), torch.from_numpy(shown)

    def look(hires: Tensor, rows: slice) -> dict[str, Tensor]:
        volume = model.tokens(model.normalise(hires))
        scores, attention = model.score_slabs(volume)
        best = oracle(scores, lesion[rows].to(hires.device))

        def projected(tokens: Tokens) -> Tensor:
            return model.image_projection.project(model.vision(tokens).cls)

        def sliced(by: Tensor) -> Tensor:
            planes = model.select_planes(by, selector="attentive")
            return projected(model.with_slices(volume, model.cut_slices(hires, planes)))

        layers = enumerate(attention.split(1, dim=1), 1)
        return {
            "teacher": scores,
            **{f"layer_{n}": slice_scores(layer, model.vision.volume_grid) for n, layer in layers},
            "attentive": sliced(scores),
            "volume_alone": projected(volume),
            "random_slices": sliced(order[rows].to(hires.device)),
            "oracle_slices": sliced(best),
        }

    return look


def on_sphere(
    projection: Projection, rows: Float[ndarray, "n dim"], of: Float[ndarray, "m dim"]
) -> Float[ndarray, "n dim"]:
    """Unit vectors, without the mean of the rows ``of`` where the projection takes a mean off."""
    centred = rows - of.mean(axis=0) if projection.centred else rows
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12))


def _mean(values: Float[ndarray, "volumes"]) -> float:
    """Over the volumes where it is defined; NaN where it is nowhere."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
