"""From the tokens of E_v to a logit a pixel and class: linear, SETR-PUP, UNETR; each in 2D and in 3D.

``scales`` says how a token grid becomes pixels: one tuple a stage with the factor of each axis, coarsest first. A token
of 16 x 16 pixels is four stages of (2, 2); a token of 4 x 16 x 16 voxels grows in the plane first:
(1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2).
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from unimedi.errors import InputError

RARE = -4.6  # logit of 1 %: lesions are rare, and a decoder that starts at 50 % spends its first steps unlearning it
SETR_WIDTHS, SETR_HIDDEN = (512, 256, 128, 64), 768  # MGCA's widths, for this many channels of the encoder
NARROWEST = 32
UNETR_WIDTH = 16  # feature_size in MONAI's UNETR and in most of its users

Scales = Sequence[tuple[int, ...]]
Grids = Sequence[Tensor]  # hidden states as (n, hidden, *grid), shallow to deep


def scales_of(token: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The stages of a token of so many pixels an axis; InputError unless each is a power of two.

    The longest axis sets how many stages there are; a shorter one grows in the last of them.
    """
    if any(size < 1 or size & (size - 1) for size in token):
        raise InputError(f"segmentation needs tokens whose sides are powers of two, got {token}")
    doublings = [size.bit_length() - 1 for size in token]
    stages = max(1, *doublings)
    return [tuple(2 if stage >= stages - count else 1 for count in doublings) for stage in range(stages)]


class LinearDecoder(nn.Module):
    """One linear layer on each token, its logits enlarged by interpolation: what the tokens hold without a decoder."""

    def __init__(self, hidden: int, classes: int, scales: Scales) -> None:
        super().__init__()
        self.read = convolution(len(scales[0]))(hidden, classes, 1)
        nn.init.constant_(_bias(self.read), RARE)

    def forward(self, image: Float[Tensor, "n 1 *size"], grids: Grids) -> Float[Tensor, "n classes *size"]:
        return enlarged(self.read(grids[-1]), tuple(image.shape[2:]))


class SetrPup(nn.Module):
    """SETR-PUP (Zheng et al. 2021): convolve and double, stage by stage, from the last layer's tokens.

    As in MGCA: 3 x 3 convolution, batch normalisation, ReLU, linear interpolation; then a 3 x 3 convolution.
    """

    def __init__(self, hidden: int, classes: int, scales: Scales) -> None:
        super().__init__()
        ndim, layers, width = len(scales[0]), list[nn.Module](), hidden
        normalise = nn.BatchNorm2d if ndim == 2 else nn.BatchNorm3d
        for stage, factors in enumerate(scales):
            narrower = max(NARROWEST, SETR_WIDTHS[min(stage, 3)] * hidden // SETR_HIDDEN)
            layers += [convolution(ndim)(width, narrower, 3, padding=1), normalise(narrower), nn.ReLU()]
            layers += [nn.Upsample(scale_factor=factors, mode=interpolation(ndim), align_corners=False)]
            width = narrower
        self.layers = nn.Sequential(*layers, convolution(ndim)(width, classes, 3, padding=1))
        nn.init.constant_(_bias(self.layers[-1]), RARE)

    def forward(self, image: Float[Tensor, "n 1 *size"], grids: Grids) -> Float[Tensor, "n classes *size"]:
        logits: Tensor = self.layers(grids[-1])
        return logits


class Unetr(nn.Module):
    """UNETR's decoder (Hatamizadeh et al. 2022) of MONAI's blocks: hidden states join where a U-Net has its skips.

    The paper's four stages and layers 3, 6, 9 and 12 of twelve become one stage a doubling and as many layers, evenly
    spaced; the image itself joins at full resolution.
    """

    def __init__(self, hidden: int, classes: int, scales: Scales) -> None:
        from monai.networks.blocks.dynunet_block import UnetOutBlock, UnetResBlock
        from monai.networks.blocks.unetr_block import UnetrBasicBlock, UnetrPrUpBlock, UnetrUpBlock

        super().__init__()
        ndim, stages = len(scales[0]), len(scales)
        widths = [UNETR_WIDTH << (stages - 1 - stage) for stage in range(stages)]  # after each stage

        def upwards(stage: int) -> nn.Module:
            """A hidden state carried up to the resolution after ``stage``: a doubling, then double and convolve."""
            parts: list[nn.Module] = []
            for number, factors in enumerate(scales[: stage + 1]):
                channels = widths[stage] if number else hidden
                parts.append(UnetrPrUpBlock(ndim, channels, widths[stage], 0, 3, 1, factors, "instance"))
                if number:
                    parts.append(UnetResBlock(ndim, widths[stage], widths[stage], 3, 1, "instance"))
            return nn.Sequential(*parts)

        self.skips = nn.ModuleList(upwards(stage) for stage in range(stages - 1))
        self.image = UnetrBasicBlock(ndim, 1, UNETR_WIDTH, 3, 1, "instance", res_block=True)
        self.ups = nn.ModuleList(
            UnetrUpBlock(ndim, hidden if stage == 0 else widths[stage - 1], widths[stage], 3, factors, "instance", True)
            for stage, factors in enumerate(scales)
        )
        self.out = UnetOutBlock(ndim, UNETR_WIDTH, classes)
        nn.init.constant_(_bias(self.out.conv.conv), RARE)

    def forward(self, image: Float[Tensor, "n 1 *size"], grids: Grids) -> Float[Tensor, "n classes *size"]:
        sideways = [skip(grid) for skip, grid in zip(self.skips, reversed(grids[:-1]), strict=True)]
        grown = grids[-1]
        for up, side in zip(self.ups, [*sideways, self.image(image)], strict=True):
            grown = up(grown, side)
        logits: Tensor = self.out(grown)
        return logits


DECODERS: dict[str, Callable[[int, int, Scales], nn.Module]] = {
    "linear": LinearDecoder,
    "setr_pup": SetrPup,
    "unetr": Unetr,
}


def convolution(ndim: int) -> type[nn.Conv2d] | type[nn.Conv3d]:
    return nn.Conv2d if ndim == 2 else nn.Conv3d


def interpolation(ndim: int) -> str:
    return "bilinear" if ndim == 2 else "trilinear"


def enlarged(logits: Float[Tensor, "n classes *grid"], size: tuple[int, ...]) -> Float[Tensor, "n classes *size"]:
    """Linear interpolation; what already fits is left exactly as it is."""
    if tuple(logits.shape[2:]) == size:
        return logits
    return F.interpolate(logits, size, mode=interpolation(len(size)), align_corners=False)


def _bias(layer: nn.Module) -> Tensor:
    bias = layer.bias
    assert isinstance(bias, torch.Tensor)
    return bias
