"""Attention that also hands out the [CLS] row, and never a full map.

Registered with transformers' ``AttentionInterface`` so that its ViT and BERT layers run unchanged. A caller that wants
the rows passes a list as ``cls_rows``; each layer appends ``(batch, heads, 1, tokens)``.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

NAME = "unimedi_cls_row"
# Below this length a plain product beats fused attention for bf16 on a CPU (benchmarks/step.py, docs/performance.md).
PLAIN_BELOW = 600


def cls_row_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cls_rows: list[Tensor] | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention over ``(batch, heads, tokens, head_size)``; see the module for ``cls_rows``.

    ``attention_mask`` is SDPA's: true where a token may be looked at, broadcast to ``(batch, heads, tokens, tokens)``.
    """
    scaling = scaling if scaling is not None else 1 / math.sqrt(query.shape[-1])
    if cls_rows is not None:
        logits = query[:, :, :1] @ key.transpose(2, 3) * scaling
        cls_rows.append(logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(-1))
    if query.dtype == torch.bfloat16 and query.device.type == "cpu" and query.shape[2] < PLAIN_BELOW:
        weights = (query * scaling) @ key.transpose(2, 3)
        if attention_mask is not None:
            weights = weights.masked_fill(~attention_mask, torch.finfo(weights.dtype).min)
        output = weights.softmax(-1) @ value
    else:
        output = F.scaled_dot_product_attention(query, key, value, attention_mask, dropout, scale=scaling)
    return output.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, cls_row_attention)
AttentionMaskInterface.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
