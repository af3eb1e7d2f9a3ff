"""T_2D and T_3D: pixels and voxels become tokens (UniMedI, section 3.1).

Both tokenizers are one convolution followed by the same remainder. T_3D folds the planes of a slab into channels, so
its first convolution over ``slab_depth`` channels *is* a Conv3d as deep as the slab (with ``linear`` the paper's, of
kernel ``(slab_depth, patch, patch)``), and inflating T_2D is repeating its kernel over the planes.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimedi.model.config import UniMediConfig


class PatchEmbed2d(nn.Module):
    """T_2D: an image (or a slice) of one channel becomes ``height/patch * width/patch`` tokens, row by row."""

    def __init__(self, first: nn.Conv2d) -> None:
        super().__init__()
        self.first = first

    def forward(self, image: Float[Tensor, "n 1 height width"], shared: nn.Module) -> Float[Tensor, "n patches hidden"]:
        grid: Tensor = shared(self.first(image))
        return grid.flatten(2).transpose(1, 2)


class PatchEmbed3d(nn.Module):
    """T_3D: a volume becomes ``depth/slab * height/patch * width/patch`` tokens, slab by slab from the feet up."""

    def __init__(self, first: nn.Conv2d) -> None:
        super().__init__()
        self.first = first
        self.slab_depth = first.in_channels

    def forward(
        self, volume: Float[Tensor, "n 1 depth height width"], shared: nn.Module
    ) -> Float[Tensor, "n patches hidden"]:
        n, _, depth, height, width = volume.shape
        slabs = depth // self.slab_depth
        grid: Tensor = shared(self.first(volume.reshape(n * slabs, self.slab_depth, height, width)))
        return grid.flatten(2).transpose(1, 2).reshape(n, -1, grid.shape[1])

    @torch.no_grad()
    def inflate_from(self, tokenizer: PatchEmbed2d) -> None:
        """Start as T_2D applied to the mean plane of the slab (kernel repeated over the planes, divided by them)."""
        self.first.weight.copy_(tokenizer.first.weight.expand_as(self.first.weight) / self.slab_depth)
        if self.first.bias is not None and tokenizer.first.bias is not None:
            self.first.bias.copy_(tokenizer.first.bias)


def build_tokenizers(config: UniMediConfig) -> tuple[PatchEmbed2d, PatchEmbed3d, nn.Module]:
    """T_2D, T_3D and the remainder that both share (an identity for ``linear``)."""
    make = {"linear": _linear, "stem": _stem}[config.patch_tokenizer]
    flat, deep, shared = make(config)
    return PatchEmbed2d(flat), PatchEmbed3d(deep), shared


def _linear(config: UniMediConfig) -> tuple[nn.Conv2d, nn.Conv2d, nn.Module]:
    def project(channels: int) -> nn.Conv2d:
        return nn.Conv2d(channels, config.hidden_size, config.patch_size, config.patch_size)

    return project(1), project(config.slab_depth), nn.Identity()


def _stem(config: UniMediConfig) -> tuple[nn.Conv2d, nn.Conv2d, nn.Module]:
    """A 3 x 3 convolution of stride 2 for each halving of a patch, channels doubling up to ``hidden_size``; no
    statistics over the batch."""
    halvings, width = config.patch_size.bit_length() - 1, config.stem_channels
    if config.patch_size != 2**halvings or halvings < 2 or width % 4:
        raise ValueError(
            f"the stem needs a patch_size of 4, 8, 16 … and stem_channels in fours, got {config.patch_size} and {width}"
        )

    def first(channels: int) -> nn.Conv2d:
        return nn.Conv2d(channels, width, 3, 2, 1)

    layers: list[nn.Module] = []
    for inside, outside in pairwise([*(width * 2**scale for scale in range(halvings - 1)), config.hidden_size]):
        layers += [nn.GroupNorm(4, inside), nn.GELU(), nn.Conv2d(inside, outside, 3, 2, 1)]
    return first(1), first(config.slab_depth), nn.Sequential(*layers)
