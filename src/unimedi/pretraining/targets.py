"""The teacher's side of L_icl and L_pcl: its probabilities over the prototypes, and the centres behind them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimedi.objectives.distillation import TARGETS, updated_centre
from unimedi.pretraining.gather import gather


class Targets(nn.Module):
    """Targets for [CLS] and for patches, each with a centre of its own, one for all kinds of image (open point 3.14).

    Args:
        kind: ``centre`` (DINO) or ``sinkhorn`` (SwAV), which needs no centre.
        prototypes: K of the head.
        temperature: tau_t, of the teacher.
    """

    cls_centre: Tensor
    patch_centre: Tensor

    def __init__(self, kind: str, prototypes: int, temperature: float) -> None:
        super().__init__()
        self.kind, self.temperature = kind, temperature
        self.register_buffer("cls_centre", torch.zeros(prototypes))
        self.register_buffer("patch_centre", torch.zeros(prototypes))

    @torch.no_grad()
    def cls(self, logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """p_t of [CLS] from the teacher's logits."""
        return TARGETS[self.kind](logits, self.cls_centre, self.temperature)

    @torch.no_grad()
    def patches(self, logits: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """p_t of patches from the teacher's logits."""
        return TARGETS[self.kind](logits, self.patch_centre, self.temperature)

    @torch.no_grad()
    def follow(self, cls: Sequence[Float[Tensor, "_n k"]], patches: Sequence[Float[Tensor, "_m k"]]) -> None:
        """The centres follow the logits of all kinds of image in a step, on all ranks."""
        if self.kind == "centre":
            self.cls_centre.copy_(updated_centre(self.cls_centre, gather(torch.cat(list(cls)))))
            patch_mean = torch.cat(list(patches)).float().mean(0, keepdim=True)
            self.patch_centre.copy_(updated_centre(self.patch_centre, gather(patch_mean)))
