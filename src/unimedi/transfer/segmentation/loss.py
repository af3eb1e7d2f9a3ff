"""What a decoder is trained with: 10 * focal - log(soft Dice), as MGCA trains its segmentation, of MONAI's parts."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

GAMMA, FOCAL_WEIGHT = 2.0, 10.0


def mask_loss(
    logits: Float[Tensor, "n classes *size"],
    wanted: Float[Tensor, "n classes *size"],
    known: Bool[Tensor, "n classes"],
) -> Float[Tensor, ""]:
    """The mean over classes; ``wanted`` is 1 in the mask, 0 outside, a share where pixels are coarser than the mask.

    An image counts for the classes of which its mask is ``known``. Soft Dice is that of a class in the whole batch, and
    only of the classes that the batch has: an image or a batch without a lesion has no Dice to improve; what is marked
    there falsely is the focal term's.
    """
    from monai.losses import DiceLoss, FocalLoss

    counted = known.to(logits.dtype)
    focal = FocalLoss(gamma=GAMMA, reduction="none")(logits, wanted).flatten(2).mean(dim=2)
    loss: Tensor = FOCAL_WEIGHT * (focal * counted).sum() / counted.sum().clamp(min=1)
    share = counted.reshape(*counted.shape, *[1] * (logits.ndim - 2))
    guess, wanted = logits.sigmoid() * share, wanted * share
    axes = [axis for axis in range(wanted.ndim) if axis != 1]
    there = wanted.sum(dim=axes) > 0
    if there.any():
        missed = DiceLoss(batch=True, reduction="none")(guess[:, there], wanted[:, there])
        loss = loss - torch.log1p(-missed).mean()
    return loss
