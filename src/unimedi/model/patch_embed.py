"""T_2D and T_3D: pixels and voxels become tokens (UniMedI, section 3.1).

Each is a row of convolutions, T_3D's with a depth. ``linear`` is the paper's one convolution of kernel and stride
``patch`` (``(slab_depth, patch, patch)`` in 3D); ``stem`` goes on with overlapping ones and learns from scratch.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimedi.errors import InputError
from unimedi.model.config import UniMediConfig

CONVOLUTIONS: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}


class PatchEmbed(nn.Module):
    """Images or volumes of one channel become tokens, row by row, and in 3D slab by slab from the feet up."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Float[Tensor, "n 1 *size"]) -> Float[Tensor, "n patches hidden"]:
        first, *others = self.layers
        grid: Tensor = patchwise(first, pixels)  # type: ignore[arg-type]
        for layer in others:
            grid = layer(grid)
        return grid.flatten(2).transpose(1, 2)

    @torch.no_grad()
    def inflate_from(self, tokenizer: "PatchEmbed") -> None:
        """Start T_3D as T_2D: each kernel repeated over the planes that it spans, divided by their number."""
        for mine, other in zip(self.layers, tokenizer.layers, strict=True):
            for name, weight in other.named_parameters():
                inflated = mine.get_parameter(name)
                deep = inflated.ndim > weight.ndim
                inflated.copy_((weight.unsqueeze(2) / inflated.shape[2]).expand_as(inflated) if deep else weight)


def patchwise(layer: nn.Conv2d | nn.Conv3d, pixels: Float[Tensor, "n 1 *size"]) -> Float[Tensor, "n channels *grid"]:
    """A convolution of one channel whose stride is its kernel, as one matrix product: a CPU's convolutions are slow
    with a single channel (docs/performance.md). What does not fill a kernel at the end of an axis is left out."""
    counts = [length // step for length, step in zip(pixels.shape[2:], layer.kernel_size, strict=True)]
    for axis, (count, step) in enumerate(zip(counts, layer.kernel_size, strict=True), 2):
        pixels = pixels.narrow(axis, 0, count * step)
    pairs = [length for pair in zip(counts, layer.kernel_size, strict=True) for length in pair]
    places, inside = range(1, 2 * len(counts), 2), range(2, 2 * len(counts) + 1, 2)
    blocks = pixels.reshape(pixels.shape[0], *pairs).permute(0, *inside, *places)
    columns = blocks.reshape(pixels.shape[0], layer.weight[0].numel(), -1)
    assert layer.bias is not None
    grid = torch.baddbmm(layer.bias[:, None], layer.weight.flatten(1).expand(pixels.shape[0], -1, -1), columns)
    return torch.unflatten(grid, 2, counts)


def build_tokenizers(config: UniMediConfig) -> tuple[PatchEmbed, PatchEmbed]:
    """T_2D and T_3D."""
    make = {"linear": _linear, "stem": _stem}[config.patch_tokenizer]
    return PatchEmbed(make(config, 2)), PatchEmbed(make(config, 3))


def _linear(config: UniMediConfig, ndim: int) -> list[nn.Module]:
    patch = (config.slab_depth, config.patch_size, config.patch_size)[3 - ndim :]
    return [CONVOLUTIONS[ndim](1, config.hidden_size, patch, patch)]  # type: ignore[arg-type]


def _stem(config: UniMediConfig, ndim: int) -> list[nn.Module]:
    """Patches of 4 x 4 (in 3D 2 deep), then a convolution of kernel 3 and stride 2 for each further halving, channels
    doubling up to ``hidden_size``; in depth they halve until a slab is one token deep. No statistics over the batch."""
    halvings, width = config.patch_size.bit_length() - 1, config.stem_channels
    slab_halvings = config.slab_depth.bit_length() - 1
    if config.patch_size != 2**halvings or halvings < 2 or width % 4:
        raise InputError(
            f"the stem needs a patch_size of 4, 8, 16 … and stem_channels in fours, got {config.patch_size} and {width}"
        )
    if config.slab_depth != 2**slab_halvings or slab_halvings >= halvings:
        raise InputError(
            f"the stem needs a slab_depth of 1, 2, 4 … below the patch_size {config.patch_size}, "
            f"got {config.slab_depth}"
        )
    widths = [*(width * 2**scale for scale in range(1, halvings - 1)), config.hidden_size]
    patch = (min(2, config.slab_depth), 4, 4)[3 - ndim :]
    layers: list[nn.Module] = [CONVOLUTIONS[ndim](1, widths[0], patch, patch)]  # type: ignore[arg-type]
    for scale, (inside, outside) in enumerate(pairwise(widths), 1):
        stride = (2 if scale < slab_halvings else 1, 2, 2)[3 - ndim :]
        layers += [nn.GroupNorm(4, inside), nn.GELU()]
        layers.append(CONVOLUTIONS[ndim](inside, outside, 3, stride, 1))  # type: ignore[arg-type]
    return layers
