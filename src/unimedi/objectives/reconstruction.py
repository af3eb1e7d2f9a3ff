"""Predict the pixels of masked patches: a masked autoencoder (He et al. 2022) to compare with, not UniMedI's."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unimedi.objectives.precision import to_fp32

FLAT = 1e-6  # added to a patch's variance: a patch of plain air has none


def patch_pixels(pixels: Float[Tensor, "n 1 *size"], patch: tuple[int, ...]) -> Float[Tensor, "n patches values"]:
    """The pixels of each patch in the order of the tokens, each patch at mean 0 and variance 1."""
    axes = len(patch)
    sizes = [part for size, by in zip(pixels.shape[2:], patch, strict=True) for part in (size // by, by)]
    blocks = pixels[:, 0].reshape(-1, *sizes)
    blocks = blocks.permute(0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2))
    values = blocks.reshape(len(pixels), -1, math.prod(patch))
    spread = (values.var(-1, unbiased=False, keepdim=True) + FLAT).sqrt()
    return (values - values.mean(-1, keepdim=True)) / spread


def reconstruction_loss(
    predicted: Float[Tensor, "n patches values"],
    pixels: Float[Tensor, "n patches values"],
    masked: Bool[Tensor, "n patches"],
) -> Float[Tensor, ""]:
    """Mean squared error over the masked patches; 0 where nothing is masked."""
    errors = (to_fp32(predicted) - to_fp32(pixels)).square().mean(-1)
    return torch.where(masked, errors, 0).sum() / masked.sum().clamp(min=1)
