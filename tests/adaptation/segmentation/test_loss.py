"""10 * focal - log(soft Dice) by loops, and a class that the batch lacks."""

import math

import pytest
import torch
from monai.losses import DiceLoss

from unimedi.adaptation.segmentation.loss import log_dice, mask_loss


def focal_of(logit: float, target: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -target * (1 - p) ** 2 * math.log(p) - (1 - target) * p**2 * math.log(1 - p)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 2, 3, 4)])
def test_loss_by_hand(shape: tuple[int, ...]) -> None:
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=draws).double()
    wanted = (torch.rand(shape, generator=draws) < 0.3).double()
    wanted[:, 1] = 0  # nobody has this class: it has no Dice
    pairs = list(zip(logits.flatten().tolist(), wanted.flatten().tolist(), strict=True))
    expected = 10 * sum(focal_of(*pair) for pair in pairs) / len(pairs)
    for c in (0, 2):
        p, t = logits[:, c].sigmoid(), wanted[:, c]
        expected += -math.log((2 * (p * t).sum() + 1e-5) / (p.sum() + t.sum() + 1e-5)) / 2
    everything = torch.ones(shape[:2], dtype=torch.bool)
    assert mask_loss(logits.float(), wanted.float(), everything).item() == pytest.approx(expected, rel=1e-4)


def test_a_batch_without_lesions_lowers_what_is_marked() -> None:
    logits = torch.zeros(1, 2, 4, 4, requires_grad=True)
    mask_loss(logits, torch.zeros(1, 2, 4, 4), torch.ones(1, 2, dtype=torch.bool)).backward()
    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_a_class_of_an_image_that_is_not_known_might_as_well_be_absent_from_the_batch() -> None:
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 1, 6, 7, generator=draws)
    wanted = (torch.rand(3, 1, 6, 7, generator=draws) < 0.3).float()
    wanted[1] = 0
    known = torch.tensor([[True], [False], [True]])
    some = [0, 2]
    expected = mask_loss(logits[some], wanted[some], known[some])
    torch.testing.assert_close(mask_loss(logits, wanted, known), expected)


@pytest.mark.parametrize("shape", [(2, 3, 9, 8), (2, 3, 4, 5, 6)])
def test_soft_dice_is_monais(shape: tuple[int, ...]) -> None:
    draws = torch.Generator().manual_seed(1)
    guess, wanted = torch.rand(shape, generator=draws), torch.rand(shape, generator=draws)
    missed = DiceLoss(batch=True, reduction="none")(guess, wanted).flatten()
    torch.testing.assert_close(log_dice(guess, wanted), torch.log1p(-missed))


@pytest.mark.parametrize("logit", [-4.6, -12.0, -40.0])  # 1 %, as decoders start; one in 160,000; nothing
def test_one_voxel_of_a_large_volume_has_a_finite_and_accurate_loss(logit: float) -> None:
    size = (64, 256, 256)
    logits = torch.full((1, 1, *size), -4.6)
    wanted = torch.zeros(1, 1, *size)
    logits[..., 3, 4, 5], wanted[..., 3, 4, 5] = logit, 1
    logits.requires_grad_()
    loss = mask_loss(logits, wanted, torch.ones(1, 1, dtype=torch.bool))
    p, q = logits.detach().double().sigmoid(), 1 / (1 + math.exp(-logit))
    assert log_dice(logits.sigmoid(), wanted).item() == pytest.approx(
        math.log((2 * q + 1e-5) / (p.sum().item() + 1 + 1e-5)), rel=1e-6
    )
    loss.backward()
    assert math.isfinite(loss.item())
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[..., 3, 4, 5] < 0
