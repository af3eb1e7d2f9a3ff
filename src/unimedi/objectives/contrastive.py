"""L_vl: pull each image to its report, push it from the others' (UniMedI, section 3.2; ConVIRT; CLIP)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimedi.objectives.precision import in_fp32, to_fp32


def contrastive_loss(
    images: Float[Tensor, "n dim"],
    reports: Float[Tensor, "n dim"],
    report_keys: Int[Tensor, " n"],
    scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE with multi-positive targets, the mean of image-to-report and report-to-image.

    Args:
        images: unit vectors.
        reports: unit vectors; row i is the report of image i.
        report_keys: pairs whose keys agree have the same report: each is a right answer to the other, and the target
            is spread evenly over them.
        scale: the inverse temperature.

    Returns:
        The loss in nats, float32 at least; ln n where nothing is known.
    """
    with in_fp32(images):
        logits = scale * to_fp32(images) @ to_fp32(reports).T
    return matching_loss(logits, report_keys)


def matching_loss(logits: Float[Tensor, "n n"], report_keys: Int[Tensor, " n"]) -> Float[Tensor, ""]:
    """Cross-entropy of image (row) to report (column) and back, the mean of both; targets as in the above."""
    same = (report_keys[:, None] == report_keys[None, :]).to(logits.dtype)
    target = same / same.sum(1, keepdim=True)  # symmetric relation: rows and columns share the counts
    to_report = -(target * logits.log_softmax(1)).sum(1).mean()
    to_image = -(target * logits.T.log_softmax(1)).sum(1).mean()
    return (to_report + to_image) / 2


@torch.no_grad()
def matching_accuracy(
    images: Float[Tensor, "n dim"], reports: Float[Tensor, "n dim"], report_keys: Int[Tensor, " n"]
) -> Float[Tensor, ""]:
    """Share of images whose nearest report in the batch is a right one."""
    best = (images @ reports.T).argmax(1)
    return (report_keys[best] == report_keys).float().mean()
