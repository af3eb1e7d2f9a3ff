"""L_vl by a sigmoid for each pair (SigLIP, Zhai et al. 2023)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimedi.model.unimedi import UniMediModel
from unimedi.objectives.sigmoid import sigmoid_loss
from unimedi.pretraining.gather import gather, gather_with_gradient
from unimedi.pretraining.gradient_cache import Pairs
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.step import Pretraining

BIAS = -10.0  # where SigLIP begins


class SigmoidLoss(Pretraining):
    """The paper's step with another L_vl, which learns a bias besides the scale."""

    def __init__(self, model: UniMediModel, recipe: Recipe, milestones: Milestones) -> None:
        super().__init__(model, recipe, milestones)
        self.logit_bias = nn.Parameter(torch.tensor(BIAS))

    def learnt(self) -> list[Tensor]:
        return [*super().learnt(), self.logit_bias]

    def language_loss(
        self, pairs: Pairs, images: Float[Tensor, "n embedding"], reports: Float[Tensor, "n embedding"]
    ) -> Float[Tensor, ""]:
        """This rank's images against the reports of all."""
        keys = pairs.report_keys, gather(pairs.report_keys)
        scale, bias = pairs.learnt
        return sigmoid_loss(images, gather_with_gradient(reports), keys, scale, bias)
