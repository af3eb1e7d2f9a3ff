"""The DINO head: tokens to logits over K prototypes (Caron et al. 2021; iBOT's shared body for [CLS] and patches)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Prototypes(nn.Module):
    """A weight-normed linear map with gain 1: the cosine to each of K prototypes."""

    def __init__(self, size: int, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, size))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, features: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows count"]:
        return F.linear(F.normalize(features, dim=-1), F.normalize(self.weight, dim=-1))


class DinoHead(nn.Module):
    """Three linear layers to a bottleneck, shared by [CLS] and patches, then prototypes of their own."""

    def __init__(self, hidden_size: int, width: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(hidden_size, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, bottleneck)
        )
        for module in self.body:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.cls_prototypes = Prototypes(bottleneck, prototypes)
        self.patch_prototypes = Prototypes(bottleneck, prototypes)

    def cls(self, cls: Float[Tensor, "n hidden"]) -> Float[Tensor, "n prototypes"]:
        logits: Tensor = self.cls_prototypes(self.body(cls))
        return logits

    def patches(self, patches: Float[Tensor, "n hidden"]) -> Float[Tensor, "n prototypes"]:
        logits: Tensor = self.patch_prototypes(self.body(patches))
        return logits
