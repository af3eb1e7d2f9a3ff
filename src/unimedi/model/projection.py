"""From an encoder's vector to the common space: a linear map, a centring, unit length.

Without a centring the embeddings share one large direction and nothing is learnt from scratch for a long time. A
BatchNorm over a batch that mixes 2D and 3D centres them but separates the two, so the default is a running mean a
kind of sequence, which uses no statistics of the batch in the forward pass (docs/paper.md, open point 3.19).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from unimedi.model.sequence_kind import SequenceKind

MOMENTUM = 0.9  # of the running means: a window of about ten steps


class RunningMean(nn.Module):
    """Subtract an exponential mean of the batches so far; training mode also updates it, over all ranks.

    It is a constant to the gradient: what that must lose is the work of
    :mod:`unimedi.pretraining.gradient_centring`. A single row is centred by the batches before: of a mean that began
    with itself nothing would be left.
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.momentum = MOMENTUM
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("weight", torch.zeros(()))  # how much of the mean is filled: corrects the start

    def forward(self, features: Float[Tensor, "n size"]) -> Float[Tensor, "n size"]:
        before = self.value()
        if self.training:
            batch, rows = mean_over_ranks(features.detach())
            self.follow(batch)
            return features - (self.value() if rows > 1 else before).to(features.dtype)
        return features - before.to(features.dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "RunningMean":
        """Stays in fp32 where a model is turned to half precision: rounded, the mean would be a shift of all rows."""
        before = dict(self.named_buffers())
        super()._apply(fn, recurse)
        for name, buffer in before.items():
            moved = getattr(self, name)
            if moved.dtype in (torch.bfloat16, torch.float16):
                setattr(self, name, buffer.to(moved.device))
        return self

    def value(self) -> Float[Tensor, " size"]:
        """The mean as it is subtracted; 0 before the first batch."""
        return self.mean / self.weight.clamp(min=1e-6)

    def follow(self, batch: Float[Tensor, " size"]) -> None:
        """Take in the mean of a batch."""
        self.mean.lerp_(batch.to(self.mean.dtype), 1 - self.momentum)
        self.weight.lerp_(torch.ones_like(self.weight), 1 - self.momentum)


def mean_over_ranks(rows: Float[Tensor, "n size"]) -> tuple[Float[Tensor, " size"], int]:
    """The mean over the rows of all ranks, and how many these are; each rank has as many."""
    mean = rows.to(torch.promote_types(rows.dtype, torch.float32)).mean(0)
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return mean, len(rows)
    ranks = torch.distributed.get_world_size()
    torch.distributed.all_reduce(mean)
    return mean / ranks, len(rows) * ranks


class Projection(nn.Module):
    """Encoder vectors to unit vectors of the common space (L_vl compares these; docs/paper.md, open point 3.19).

    Args:
        hidden_size: length of the encoder's vectors.
        embedding_size: length of the embeddings.
        centring: ``running_mean``, or ``none``.
        means: how many kinds of rows have a mean of their own: one kind of report, the kinds of sequences.
    """

    def __init__(self, hidden_size: int, embedding_size: int, centring: str, means: int = 1) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_size, embedding_size, bias=False)
        self.centred = centring == "running_mean"
        self.centre = nn.ModuleList(
            RunningMean(embedding_size) if self.centred else nn.Identity() for _ in range(means)
        )

    def forward(self, features: Float[Tensor, "n hidden"], kind: SequenceKind | None = None) -> Float[Tensor, "n size"]:
        """``kind`` says which mean is subtracted of images; reports have one."""
        return self.onto_sphere(self.project(features), kind)

    def project(self, features: Float[Tensor, "n hidden"]) -> Float[Tensor, "n size"]:
        """The linear map, in fp32 at least for a running mean, which may be 60 times as long as what it leaves."""
        weight = self.linear.weight
        if not self.centred:
            projected: Tensor = self.linear(features.to(weight.dtype))
            return projected
        exact = torch.promote_types(torch.promote_types(features.dtype, weight.dtype), torch.float32)
        with torch.autocast(features.device.type, enabled=False):
            return F.linear(features.to(exact), weight.to(exact))

    def onto_sphere(
        self, projected: Float[Tensor, "n size"], kind: SequenceKind | None = None
    ) -> Float[Tensor, "n size"]:
        """What the linear map gave, centred and at unit length."""
        centred: Tensor = self.centre[kind.place if kind else 0](projected)
        return F.normalize(centred.to(torch.promote_types(centred.dtype, torch.float32)), dim=-1)
