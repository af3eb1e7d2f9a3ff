"""What a decoder is trained with: 10 * focal - log(soft Dice), as MGCA trains its segmentation."""

from jaxtyping import Bool, Float
from torch import Tensor

GAMMA, FOCAL_WEIGHT = 2.0, 10.0
SMOOTH = 1e-5  # of MONAI's Dice, above and below the line


def mask_loss(
    logits: Float[Tensor, "n classes *size"],
    wanted: Float[Tensor, "n classes *size"],
    known: Bool[Tensor, "n classes"],
) -> Float[Tensor, ""]:
    """The mean over classes; ``wanted`` is 1 in the mask, 0 outside, a share where pixels are coarser than the mask.

    An image counts for the classes of which its mask is ``known``. Soft Dice is taken over the whole batch for each
    class that the batch has; where a class is absent there is no overlap to improve, and false positives are left to
    the focal term.
    """
    from monai.losses import FocalLoss

    counted = known.to(logits.dtype)
    focal = FocalLoss(gamma=GAMMA, reduction="none")(logits, wanted).flatten(2).mean(dim=2)
    loss: Tensor = FOCAL_WEIGHT * (focal * counted).sum() / counted.sum().clamp(min=1)
    share = counted.reshape(*counted.shape, *[1] * (logits.ndim - 2))
    guess, wanted = logits.sigmoid() * share, wanted * share
    axes = [axis for axis in range(wanted.ndim) if axis != 1]
    there = wanted.sum(dim=axes) > 0
    if there.any():
        loss = loss - log_dice(guess[:, there], wanted[:, there]).mean()
    return loss


def log_dice(
    guess: Float[Tensor, "n classes *size"], wanted: Float[Tensor, "n classes *size"]
) -> Float[Tensor, "classes"]:
    """The logarithm of soft Dice, a class over the whole batch; ``guess`` is a probability.

    It equals log(1 - MONAI's ``DiceLoss``), but also where Dice is very small: in single precision 1 - 3e-8 is 1, and
    one voxel of a large volume gives no larger Dice.
    """
    axes = [axis for axis in range(wanted.ndim) if axis != 1]
    both = 2 * (guess * wanted).sum(dim=axes) + SMOOTH
    return both.log() - (guess.sum(dim=axes) + wanted.sum(dim=axes) + SMOOTH).log()
