"""Rows of all ranks, for negatives and centres; an identity in a run of one process."""

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.distributed import _functional_collectives as collective  # where torch sends us from the public one


def _alone() -> bool:
    return not (torch.distributed.is_available() and torch.distributed.is_initialized())


def gather_with_gradient(rows: Shaped[Tensor, "n *rest"]) -> Shaped[Tensor, "all *rest"]:
    """Concatenate over the ranks; the gradient flows back to the rank that a row came from."""
    if _alone():
        return rows
    everyone = torch.distributed.group.WORLD
    assert everyone is not None
    gathered: Tensor = collective.wait_tensor(collective.all_gather_single_autograd(rows.contiguous(), 0, everyone))
    return gathered


@torch.no_grad()
def gather(rows: Shaped[Tensor, "n *rest"]) -> Shaped[Tensor, "all *rest"]:
    """Concatenate over the ranks, without a gradient."""
    if _alone():
        return rows.detach()
    gathered = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(gathered, rows.contiguous())
    return torch.cat(gathered)
