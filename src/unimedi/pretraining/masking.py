"""Which tokens the student does not see (UniMedI, section 3.3)."""

import torch
from jaxtyping import Bool
from torch import Tensor


def random_mask(n: int, patches: int, ratio: float, generator: torch.Generator) -> Bool[Tensor, "n patches"]:
    """Hide exactly ``round(ratio * patches)`` tokens of each row; drawn on the CPU, the same on any device."""
    hidden = round(ratio * patches)
    order = torch.rand(n, patches, generator=generator).argsort(1)
    return order < hidden
