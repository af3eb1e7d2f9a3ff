"""Masked patches by plain loops."""

import pytest
import torch

from unimedi.experiments.reconstruction import FLAT, patch_pixels, reconstruction_loss


@pytest.mark.parametrize(("size", "patch"), [((4, 6), (2, 3)), ((4, 4, 6), (2, 2, 3))])
def test_patches_stand_in_the_order_of_the_tokens(size: tuple[int, ...], patch: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    pixels = torch.randn(2, 1, *size, dtype=torch.float64)
    found = patch_pixels(pixels, patch)
    grid = [length // by for length, by in zip(size, patch, strict=True)]
    for image in range(2):
        for number, place in enumerate(torch.cartesian_prod(*(torch.arange(n) for n in grid)).tolist()):
            where = tuple(slice(p * by, (p + 1) * by) for p, by in zip(place, patch, strict=True))
            block = pixels[image, 0][where].flatten()
            expected = (block - block.mean()) / (block.var(unbiased=False) + FLAT).sqrt()
            torch.testing.assert_close(found[image, number], expected, rtol=1e-12, atol=1e-12)


def test_plain_air_has_no_nan() -> None:
    assert torch.equal(patch_pixels(torch.full((1, 1, 4, 4), -1.0), (2, 2)), torch.zeros(1, 4, 4))


def test_only_masked_patches_count() -> None:
    torch.manual_seed(0)
    predicted, pixels = torch.randn(2, 2, 3, 4, dtype=torch.float64).unbind()
    masked = torch.tensor([[True, False, True], [False, False, True]])
    total = sum(
        float((predicted[n, p] - pixels[n, p]).square().mean()) for n in range(2) for p in range(3) if masked[n, p]
    )
    assert float(reconstruction_loss(predicted, pixels, masked)) == pytest.approx(total / 3, rel=1e-12)
    assert float(reconstruction_loss(predicted, pixels, torch.zeros_like(masked))) == 0
