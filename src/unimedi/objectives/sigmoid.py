"""L_vl as one question a pair, "does this report belong to this image?" (SigLIP, Zhai et al. 2023). Not UniMedI's."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from unimedi.objectives.precision import in_fp32, to_fp32


def sigmoid_loss(
    images: Float[Tensor, "n dim"],
    reports: Float[Tensor, "m dim"],
    keys: tuple[Int[Tensor, " n"], Int[Tensor, " m"]],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """- sum_ij log sigmoid(z_ij (scale x_i y_j + bias)) / n; z_ij is 1 where the keys agree, else -1.

    The reports are taken n at a time, and each chunk's logits are computed anew on the way back: nothing of n x m is
    kept, and a rank that holds n images of many holds n x n logits at once.

    Args:
        images: unit vectors, of this rank.
        reports: unit vectors, of all ranks.
        keys: of the images' own reports, and of the reports: pairs whose keys agree belong together.
        scale: the inverse temperature.
        bias: most pairs do not belong together, and it begins there.

    Returns:
        In nats an image, float32 at least.
    """
    chunks = zip(reports.split(len(images)), keys[1].split(len(images)), strict=True)
    parts = [checkpoint(_chunk, images, part, keys[0], of, scale, bias, use_reentrant=False) for part, of in chunks]
    return torch.stack(parts).sum() / len(images)


def _chunk(images: Tensor, reports: Tensor, left: Tensor, right: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    with in_fp32(images):
        logits = scale * to_fp32(images) @ to_fp32(reports).T + bias
    same = left[:, None] == right[None, :]
    return -F.logsigmoid(torch.where(same, logits, -logits)).sum()
