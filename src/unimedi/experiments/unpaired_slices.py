"""Some volumes are shown to L_vl as their slices alone.

Slices that need not be read are not read (docs/results.md).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from unimedi.errors import InputError
from unimedi.inputs.batch import MixedBatch
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import Tokens
from unimedi.pretraining.image_batch import ImageBatch
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.step import Logs, Pretraining

FRACTION = 0.25  # of a step's volumes; they are taken from those that have slices


@dataclass(frozen=True, slots=True)
class UnpairedSlicesBatch(ImageBatch):
    """Volumes that their slices stand for, without T_3D's tokens."""

    def tokens(self, model: UniMediModel) -> Tokens:
        assert self.slices is not None
        return model.vision.slices(self.slices.pixels, self.slices.depth)

    def sequence(self, model: UniMediModel) -> SequenceKind:
        return SequenceKind.SLICES


class UnpairedSlices(Pretraining):
    """Of the pseudo-pairs the first are seen through their slices only, and by L_vl only."""

    def __init__(self, model: UniMediModel, recipe: Recipe, milestones: Milestones) -> None:
        super().__init__(model, recipe, milestones)
        if recipe.selection.volume_fraction <= FRACTION:
            raise InputError(
                f"experiment unpaired_slices: expected selection.volume_fraction above {FRACTION}, the share of "
                f"volumes that are their slices alone, got {recipe.selection.volume_fraction}"
            )

    def volume_batches(
        self, batch: MixedBatch, step: int, generator: torch.Generator, planes: Int[Tensor, "n k"] | None = None
    ) -> tuple[list[ImageBatch], Logs]:
        (pairs, *others), logs = super().volume_batches(batch, step, generator, planes)
        volumes = sum(len(each.pixels) for each in (pairs, *others))
        count = min(round(FRACTION * volumes), len(pairs.pixels) - 1)
        if pairs.slices is None or count < 1:
            return [pairs, *others], logs
        unpaired = UnpairedSlicesBatch(
            pairs.kind, pairs.pixels[:count], pairs.slices[slice(count)], contrastive_only=True
        )
        return [unpaired, pairs[slice(count, None)], *others], logs
