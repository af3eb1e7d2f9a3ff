"""How much arithmetic a step has, by part, from sizes alone; a product's multiplication and addition are two.

Counted are matrix products, convolutions and attention: norms, activations and the optimiser are moves of memory.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from unimedi.inputs.preprocess import Preprocess
from unimedi.model.config import UniMediConfig
from unimedi.pretraining.recipe import Recipe

# Experiments whose step has other passes than the paper's: nothing is said of them.
COUNTED: Final = ("none", "sigmoid_loss", "shuffled_reports", "shuffled_depth")


@dataclass(frozen=True)
class Flops:
    """Of a part of a step: forward, and backward where a gradient flows."""

    forward: float | int = 0
    backward: float | int = 0

    def __add__(self, other: "Flops") -> "Flops":
        return Flops(self.forward + other.forward, self.backward + other.backward)

    def __mul__(self, times: float | int) -> "Flops":
        return Flops(times * self.forward, times * self.backward)

    @property
    def both(self) -> float | int:
        return self.forward + self.backward


def total(parts: Iterable[Flops]) -> float | int:
    """FLOP of several parts, forward and backward."""
    return sum(part.both for part in parts)


def step_flops(recipe: Recipe, config: UniMediConfig, words: float, micro_batches: int = 1) -> dict[str, Flops]:
    """FLOP of one step on one device by part, once selection and distillation have begun.

    Args:
        recipe: the batch, and what is distilled.
        config: of the model.
        words: tokens of a report, the mean.
        micro_batches: of the device; with more than one, L_vl's towers run once more, as gradients are cached.
    """
    pre, slices = Preprocess.from_dict(config.preprocess or {}), config.slices
    radiographs, volumes = recipe.batch.radiographs, recipe.batch.volumes
    paired = min(volumes, max(1, round(recipe.selection.volume_fraction * volumes))) if slices else 0
    patches_2d = math.prod(pre.radiograph_size) // config.patch_size**2
    patches_3d = math.prod(pre.volume_shape) // (config.patch_size**2 * config.slab_depth)
    in_pair = patches_3d + slices * (math.prod(pre.slice_size) // config.patch_size**2)
    tokenise = {  # of one radiograph, one volume, the slices of one pair
        "radiograph": _tokenizer(config, pre.radiograph_size),
        "volume": _tokenizer(config, pre.volume_shape),
        "slices": _tokenizer(config, pre.slice_size) * slices,
    }
    encode = {tokens: _encoder(config, tokens + 1) for tokens in (patches_2d, patches_3d, in_pair)}

    towers = {
        "T_2D and T_3D": tokenise["radiograph"] * radiographs
        + tokenise["volume"] * volumes
        + tokenise["slices"] * paired,
        "E_v for L_vl": encode[patches_2d] * radiographs
        + (encode[in_pair] * paired if paired else Flops())
        + encode[patches_3d] * (volumes - paired),
        "E_l": _reports(config, words) * (radiographs + volumes),
    }
    parts = dict(towers) if recipe.contrastive_weight else {"T_2D and T_3D": towers["T_2D and T_3D"]}
    if recipe.contrastive_weight:
        parts["projections and L_vl"] = _l_vl(recipe, config, radiographs + volumes)
    if paired and config.selector == "attentive":
        parts["scoring"] = _forward(tokenise["volume"] + encode[patches_3d]) * paired
    if recipe.method == "unimedi" and (recipe.distillation.icl_weight or recipe.distillation.pcl_weight):
        share = recipe.distillation.image_fraction
        of_pairs = min(paired or volumes, max(1, round(share * volumes)))
        distilled = [  # images, tokens of each, what makes these
            (min(radiographs, max(1, round(share * radiographs))), patches_2d, tokenise["radiograph"]),
            (of_pairs, in_pair, tokenise["volume"] + tokenise["slices"]),
        ]
        parts["teacher"] = _sum(_forward(made + encode[tokens]) * count for count, tokens, made in distilled)
        parts["student, masked"] = _sum(encode[tokens] * count for count, tokens, _ in distilled)
        masked = [count * (1 + round(recipe.distillation.mask_ratio * tokens)) for count, tokens, _ in distilled]
        head = _head(recipe, config) * sum(masked)
        parts["heads"] = head + _forward(head)
    parts = {name: part * micro_batches for name, part in parts.items()}
    if micro_batches > 1 and recipe.contrastive_weight:
        parts["first pass"] = _sum(_forward(part) for part in towers.values()) * micro_batches
    return parts


def _sum(parts: Iterable[Flops]) -> Flops:
    return sum(parts, Flops())


def _forward(part: Flops) -> Flops:
    return Flops(part.forward)


def _trained(forward: float | int) -> Flops:
    """A product whose two factors both get a gradient, a product as large each."""
    return Flops(forward, 2 * forward)


def _encoder(config: UniMediConfig, tokens: int) -> Flops:
    """E_v over one sequence."""
    return _layers(config.num_hidden_layers, config.hidden_size, config.intermediate_size, tokens)


def _layers(count: int, width: int, intermediate: int, tokens: float | int) -> Flops:
    linear = 2 * tokens * width * (4 * width + 2 * intermediate)  # query, key, value, output; two of the MLP
    attention = 4 * tokens * tokens * width  # scores, and the weighted sum
    return _trained(count * (linear + attention))


def _tokenizer(config: UniMediConfig, size: tuple[int, ...]) -> Flops:
    """T_2D or T_3D over one image; pixels need no gradient, so the first map has one product on the way back."""
    deep = len(size) == 3
    if config.patch_tokenizer == "linear":
        forward = 2.0 * math.prod(size) * config.hidden_size
        return Flops(forward, forward)
    halvings = config.patch_size.bit_length() - 1
    slab_halvings = config.slab_depth.bit_length() - 1
    widths = [*(config.stem_channels * 2**scale for scale in range(1, halvings - 1)), config.hidden_size]
    places = math.prod(size) / 16 / (min(2, config.slab_depth) if deep else 1)  # of the first map's output
    first = 2.0 * math.prod(size) * widths[0]
    whole = Flops(first, first)
    for scale, (inside, outside) in enumerate(pairwise(widths), 1):
        places /= 4 * (2 if deep and scale < slab_halvings else 1)
        whole += _trained(2 * places * inside * outside * 3 ** len(size))
    return whole


def _reports(config: UniMediConfig, words: float) -> Flops:
    """E_l over one report."""
    text = config.text or {}
    return _layers(text["num_hidden_layers"], text["hidden_size"], text["intermediate_size"], words)


def _l_vl(recipe: Recipe, config: UniMediConfig, images: int) -> Flops:
    """Both projections and the logits of the micro-batch (those of other micro-batches are few beside the towers)."""
    projections = 2 * images * config.embedding_size * (config.hidden_size + (config.text or {})["hidden_size"])
    return _trained(projections + 2 * images * images * config.embedding_size)


def _head(recipe: Recipe, config: UniMediConfig) -> Flops:
    """The DINO head over one token."""
    head = recipe.distillation
    width, bottleneck = head.head_hidden_size, head.head_bottleneck_size
    return _trained(
        2.0 * (config.hidden_size * width + width * width + width * bottleneck + bottleneck * head.prototypes)
    )
