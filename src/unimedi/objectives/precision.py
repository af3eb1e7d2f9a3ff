"""Losses are computed in at least float32, whatever the encoders ran in."""

import torch
from jaxtyping import Float
from torch import Tensor


def to_fp32(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """bfloat16 and float16 become float32; float32 and float64 stay."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def in_fp32(values: Tensor) -> torch.autocast:
    """Inside, autocast turns no product into one of bfloat16: a cosine times 100 would keep two digits."""
    return torch.autocast(values.device.type, enabled=False)
