"""From an encoder's vector to the common space: a linear map, a centring, unit length.

Without a centring the embeddings share one large direction and nothing is learnt from scratch for a long time. A
BatchNorm over a batch that mixes 2D and 3D centres them but separates the two, so the default is a running mean a
kind, which uses no statistics of the batch in the forward pass (docs/paper.md, open point 3.19).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM = 0.9  # of the running means: a window of about ten steps


class RunningMean(nn.Module):
    """Subtract an exponential mean of the past batches; training mode also updates it, over all ranks.

    The gradient loses its own mean over the batch, as behind a BatchNorm: otherwise the loss pushes all features one
    way, the mean follows some steps behind, and what is learnt leans on that lag (docs/log.md).
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("weight", torch.zeros(()))  # how much of the mean is filled: corrects the start

    def forward(self, features: Float[Tensor, "n size"]) -> Float[Tensor, "n size"]:
        if self.training:
            self.mean.lerp_(_mean_over_ranks(features.detach()).to(self.mean.dtype), 1 - MOMENTUM)
            self.weight.lerp_(torch.ones_like(self.weight), 1 - MOMENTUM)
            if features.requires_grad:
                features.register_hook(lambda gradient: gradient - _mean_over_ranks(gradient).to(gradient.dtype))
        return features - (self.mean / self.weight.clamp(min=1e-6)).to(features.dtype)


def _mean_over_ranks(rows: Float[Tensor, "n size"]) -> Float[Tensor, " size"]:
    mean = rows.to(torch.promote_types(rows.dtype, torch.float32)).mean(0)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(mean)
        mean = mean / torch.distributed.get_world_size()
    return mean


def _centring(kind: str, size: int) -> nn.Module:
    if kind == "running_mean":
        return RunningMean(size)
    if kind == "layer_norm":
        return nn.LayerNorm(size)
    if kind == "batch_norm":
        return nn.BatchNorm1d(size, affine=False)
    return nn.Identity()


class Projection(nn.Module):
    """``kinds`` counts the centrings: one for reports, one a dimensionality for images (0: 2D, 1: 3D)."""

    def __init__(self, hidden_size: int, embedding_size: int, centring: str, kinds: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_size, embedding_size, bias=False)
        self.centre = nn.ModuleList(_centring(centring, embedding_size) for _ in range(kinds))

    def forward(self, features: Float[Tensor, "n hidden"], kind: int = 0) -> Float[Tensor, "n embedding"]:
        centred: Tensor = self.centre[kind](self.linear(features))
        return F.normalize(centred.to(torch.promote_types(centred.dtype, torch.float32)), dim=-1)
