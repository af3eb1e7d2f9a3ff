"""L_icl and L_pcl: the masked student predicts the teacher's view of the whole (UniMedI, section 3.3; DINO; iBOT)."""

import torch
from jaxtyping import Float
from torch import Tensor

from unimedi.objectives.precision import to_fp32

STUDENT_TEMPERATURE = 0.1
CENTRE_MOMENTUM = 0.9
SINKHORN_ROUNDS = 3


def centred_targets(
    logits: Float[Tensor, "n prototypes"], centre: Float[Tensor, " prototypes"], temperature: float
) -> Float[Tensor, "n prototypes"]:
    """p_t = softmax((z_t - c) / tau_t): DINO's teacher probabilities."""
    return ((to_fp32(logits) - centre) / temperature).softmax(-1)


@torch.no_grad()
def sinkhorn_targets(
    logits: Float[Tensor, "n prototypes"], centre: Float[Tensor, " prototypes"], temperature: float
) -> Float[Tensor, "n prototypes"]:
    """Sinkhorn-Knopp: teacher probabilities that use all prototypes equally over these rows (SwAV).

    The centre is unused; it stands in the signature so that either kind of target can be chosen.
    """
    scaled = logits.double() / temperature
    shares = (scaled - scaled.amax()).exp().T
    shares = shares / shares.sum()
    prototypes, rows = shares.shape
    for _ in range(SINKHORN_ROUNDS):
        shares = shares / (shares.sum(1, keepdim=True).clamp(min=1e-30) * prototypes)
        shares = shares / (shares.sum(0, keepdim=True).clamp(min=1e-30) * rows)
    return (shares * rows).T.to(logits.dtype)


TARGETS = {"centre": centred_targets, "sinkhorn": sinkhorn_targets}


def updated_centre(
    centre: Float[Tensor, " prototypes"], teacher_logits: Float[Tensor, "n prototypes"]
) -> Float[Tensor, " prototypes"]:
    """c <- 0.9 c + 0.1 mean(z_t)."""
    return CENTRE_MOMENTUM * centre + (1 - CENTRE_MOMENTUM) * to_fp32(teacher_logits).mean(0)


def distillation_loss(
    student_logits: Float[Tensor, "n prototypes"], targets: Float[Tensor, "n prototypes"]
) -> Float[Tensor, ""]:
    """-sum_k p_t log softmax(z_s / tau_s) with tau_s .1: L_icl of [CLS], L_pcl of patches (section 3.3).

    Args:
        student_logits: z_s, of the rows that count.
        targets: p_t, the teacher's probabilities.

    Returns:
        The mean over the rows, in nats, float32 at least.
    """
    return -(targets * (to_fp32(student_logits) / STUDENT_TEMPERATURE).log_softmax(-1)).sum(-1).mean()


def entropy(probabilities: Float[Tensor, "n prototypes"]) -> Float[Tensor, ""]:
    """Mean entropy of the rows, in nats; ln K is the most."""
    return -(probabilities * probabilities.clamp(min=1e-12).log()).sum(-1).mean()
