"""Which places of an image bring it near a sentence: integrated gradients of the cosine over the pixels.

Sundararajan et al. (2017). The image is blended in from a reference that says nothing (the training set's mean image;
black for a model that keeps none), and each pixel gets the cosine that is gained by it on the way. The gains of all
pixels add up to the cosine of the image less that of the reference, more exactly with more steps. Single pixels are
noise, so their gains are summed over *places*: a slab in depth, half a patch in the plane. A chosen slice is read
beside its volume: its gains are added to the places where it lies. Gradients of tokens, cosines of patch states and
the attention of [CLS] were measured beside it on the phantom and are less faithful (docs/log.md).
"""

import torch
from jaxtyping import Float, Int, Int16
from torch import Tensor

from unimedi.cohort.image_kind import ImageKind
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import CutSlices, UniMediModel

STEPS = 8  # of the blend; with 24 the maps are no more faithful (docs/log.md)


def place_grid(model: UniMediModel, kind: ImageKind) -> tuple[int, ...]:
    """How many places an image of that kind has: (rows, columns), or (slabs, rows, columns)."""
    halves = 2 - model.vision.patch % 2  # a patch with an odd side stays whole
    tokens = token_grid(model, kind)
    return (*tokens[:-2], *(halves * count for count in tokens[-2:]))


def token_grid(model: UniMediModel, kind: ImageKind) -> tuple[int, ...]:
    """The grid of T_2D's tokens of a radiograph (rows, columns), or of T_3D's (slabs, rows, columns)."""
    if kind is ImageKind.CT:
        return model.vision.volume_grid
    height, width = model.preprocess.radiograph_size
    return height // model.vision.patch, width // model.vision.patch


def text_relevance(
    model: UniMediModel,
    stored: Int16[Tensor, "*size"],
    planes: Int[Tensor, "k"] | None,
    texts: Float[Tensor, "texts embedding"],
    steps: int = STEPS,
) -> Float[Tensor, "texts *places"]:
    """What each place adds to the cosine between an image and each of some texts; below 0 it speaks against the text.

    Args:
        model: in evaluation.
        stored: one image as the store keeps it.
        planes: of the stored volume that the model chose; None where it takes no slices, and for radiographs.
        texts: unit vectors in the common space.
        steps: of the blend.

    Returns:
        float32; :func:`place_grid` is the shape of a map. Its sum is about the cosine less that of the reference.
    """
    kind = ImageKind.of(stored.ndim)
    with torch.no_grad():
        pixels = model.normalise(stored[None])
        ends, starts, depth = [pixels], [model.vision.reference(pixels)], None
        if planes is not None:
            cut = model.cut_slices(stored[None], planes.clone()[None])  # a clone: no tensor of inference mode
            depth = cut.depth
            ends, starts = [*ends, cut.pixels], [*starts, model.vision.reference(cut.pixels, depth)]
    sequence = SequenceKind.RADIOGRAPH if kind is ImageKind.XRAY else model.volume_sequence

    @torch.enable_grad()
    def gradients(blend: list[Tensor]) -> list[list[Tensor]]:
        """Of each text's cosine, by the pixels of the image and of its slices."""
        slices = None if depth is None else CutSlices(blend[1], depth)
        embedding = model.image_projection(model.vision(model.tokens(blend[0], slices)).cls, sequence)
        return [  # where a model reads slices alone, the volume's are zeros
            list(torch.autograd.grad(cosine, blend, retain_graph=True, allow_unused=True, materialize_grads=True))
            for cosine in (embedding @ texts.T)[0]
        ]

    gains = [[torch.zeros_like(end) for end in ends] for _ in texts]
    for step in range(steps if len(texts) else 0):
        share = (step + 0.5) / steps
        blend = [torch.lerp(*way, share).requires_grad_() for way in _ways(starts, ends)]
        for mine, found in zip(gains, gradients(blend), strict=True):
            for total, gradient, (start, end) in zip(mine, found, _ways(starts, ends), strict=True):
                total += gradient * (end - start) / steps
    grid = place_grid(model, kind)
    slabs = None if planes is None else planes * grid[0] // len(stored)
    maps = [_in_places(one, slabs, grid) for one in gains]
    return torch.stack(maps) if maps else pixels.new_zeros(0, *grid)


def _ways(starts: list[Tensor], ends: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return [(start.expand_as(end), end) for start, end in zip(starts, ends, strict=True)]


def _in_places(gains: list[Tensor], slabs: Int[Tensor, "k"] | None, grid: tuple[int, ...]) -> Float[Tensor, "*places"]:
    """The gains of an image's pixels, and of its slices' where they lie, summed over places."""
    places = summed(gains[0][0, 0], grid)
    if slabs is not None:
        places.index_add_(0, slabs, torch.stack([summed(gain, grid[1:]) for gain in gains[1][0, :, 0]]))
    return places


def summed(values: Float[Tensor, "*size"], grid: tuple[int, ...]) -> Float[Tensor, "*grid"]:
    """The sum of the values over each cell of a grid, every value in the one cell that holds its middle."""
    for axis, count in enumerate(grid):
        cells = cells_of(values.shape[axis], count, values.device)
        shape = (*values.shape[:axis], count, *values.shape[axis + 1 :])
        values = values.new_zeros(shape).index_add_(axis, cells, values)
    return values


def cells_of(length: int, count: int, device: torch.device | None = None) -> Int[Tensor, "length"]:
    """For each pixel along an axis, which of ``count`` equal cells holds its middle."""
    return (2 * torch.arange(length, device=device) + 1) * count // (2 * length)
