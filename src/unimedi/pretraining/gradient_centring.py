"""Behind a running mean the gradient must lose what all rows have in common, with any number of rows a step.

A shift of all features of a kind changes no embedding once the running mean has followed, some steps later. Left in,
the common part of the gradient teaches just that lag: it marks the modality (docs/log.md). A BatchNorm takes off the
batch's mean gradient; of one row that is all of it. So the mean here is over the rows and one more, which stands for
the steps before: a single row keeps half of what sets it apart from them, and with many rows it is BatchNorm's.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimedi.model.projection import RunningMean, mean_over_ranks


class GradientCentring(nn.Module):
    """An identity whose gradient is g_i - (sum of g_j over the rows j of all ranks + h) / (n + 1).

    n counts the rows of all ranks, h is the exponential mean of the mean gradients of the batches before. What arrives
    at a gathered row is the sum over the losses of all ranks, as many times too large; what is remembered is not, so a
    run can go on with another number of ranks.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.before = RunningMean(size)

    def forward(self, projected: Float[Tensor, "n size"]) -> Float[Tensor, "n size"]:
        if projected.requires_grad:
            projected.register_hook(self.without_common)
        return projected

    @torch.no_grad()
    def without_common(self, gradient: Float[Tensor, "n size"]) -> Float[Tensor, "n size"]:
        mean, rows = mean_over_ranks(gradient)
        ranks = rows // len(gradient)
        common = (rows * mean + ranks * self.before.value()) / (rows + 1)
        self.before.follow(mean / ranks)
        return (gradient.to(mean.dtype) - common).to(gradient.dtype)
