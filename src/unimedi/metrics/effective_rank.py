"""How many directions embeddings spread over: one measure, for the log of a run and for its evaluation."""

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def effective_rank(embeddings: Float[Tensor, "n dim"]) -> Float[Tensor, ""]:
    """exp of the entropy of the normalised singular values (Roy & Vetterli 2007), from 1 to the smaller of n and dim.

    1: all rows lie along one direction, which is collapse. No mean is taken off: what is left of a collapsed model is
    rounding, and that spreads over every direction. At least in float32.
    """
    exact = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    values = torch.linalg.svdvals(exact)
    shares = values / values.sum().clamp(min=1e-12)
    rank: Tensor = torch.special.entr(shares).sum().exp()
    return rank
