"""Predict the pixels of masked patches in place of L_icl and L_pcl: a masked autoencoder (He et al. 2022)."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unimedi.cohort.image_kind import ImageKind
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import Tokens
from unimedi.objectives.precision import to_fp32
from unimedi.pretraining.image_batch import ImageBatch
from unimedi.pretraining.masking import random_mask
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.step import Pretraining, StepOutput

FLAT = 1e-6  # added to a patch's variance: a patch of plain air has none


class Reconstruction(Pretraining):
    """The masked student predicts pixels, by a linear head for T_2D's patches and one for T_3D's; no teacher."""

    def __init__(self, model: UniMediModel, recipe: Recipe, milestones: Milestones) -> None:
        super().__init__(model, recipe, milestones)
        config = model.config
        depths = (1, config.slab_depth)
        self.pixel_heads = nn.ModuleList(nn.Linear(config.hidden_size, n * config.patch_size**2) for n in depths)

    def masked_loss(self, images: list[ImageBatch], tokens: list[Tokens], generator: torch.Generator) -> StepOutput:
        """The mean over the kinds of patches that are present."""
        losses = []
        for each, seen in zip(images, tokens, strict=True):
            if each.contrastive_only:
                continue
            n, patches, _ = seen.content.shape
            masked = random_mask(n, patches, self.recipe.distillation.mask_ratio, generator).to(each.pixels.device)
            states = self.student.vision(seen, mask=masked).patches
            heads, pixels = zip(*self.predicted(each), strict=True)
            counts = [part.shape[1] for part in pixels]
            parts = zip(heads, states.split(counts, 1), pixels, masked.split(counts, 1), strict=True)
            losses += [reconstruction_loss(head(state), wanted, hidden) for head, state, wanted, hidden in parts]
        l_rec = torch.stack(losses).mean()
        return StepOutput(l_rec, {"l_rec": l_rec.detach()})

    def predicted(self, images: ImageBatch) -> list[tuple[nn.Module, Float[Tensor, "n patches values"]]]:
        """Heads, and the pixels that each should give, in the order of the tokens."""
        config, (flat, deep) = self.student.config, self.pixel_heads
        patch, parts = (config.patch_size, config.patch_size), []
        if "T_3D" in images.sequence(self.student).tokenizers:
            parts.append((deep, patch_pixels(images.pixels, (config.slab_depth, *patch))))
        if images.kind is ImageKind.XRAY:
            parts.append((flat, patch_pixels(images.pixels, patch)))
        elif images.slices is not None:
            planes = patch_pixels(images.slices.pixels.flatten(0, 1), patch)
            parts.append((flat, planes.reshape(len(images.pixels), -1, config.patch_size**2)))
        return parts


def patch_pixels(pixels: Float[Tensor, "n 1 *size"], patch: tuple[int, ...]) -> Float[Tensor, "n patches values"]:
    """The pixels of each patch in the order of the tokens, each patch at mean 0 and variance 1."""
    axes = len(patch)
    sizes = [part for size, by in zip(pixels.shape[2:], patch, strict=True) for part in (size // by, by)]
    blocks = pixels[:, 0].reshape(-1, *sizes)
    blocks = blocks.permute(0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2))
    values = blocks.reshape(len(pixels), -1, math.prod(patch))
    deviation = (values.var(-1, unbiased=False, keepdim=True) + FLAT).sqrt()
    return (values - values.mean(-1, keepdim=True)) / deviation


def reconstruction_loss(
    predicted: Float[Tensor, "n patches values"],
    pixels: Float[Tensor, "n patches values"],
    masked: Bool[Tensor, "n patches"],
) -> Float[Tensor, ""]:
    """Mean squared error over the masked patches; 0 where nothing is masked."""
    errors = (to_fp32(predicted) - to_fp32(pixels)).square().mean(-1)
    return torch.where(masked, errors, 0).sum() / masked.sum().clamp(min=1)
