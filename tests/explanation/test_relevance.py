"""Integrated gradients against slow loops; they add up to the cosine; what is like the reference gets nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.tiny import PREPROCESS, tiny_batch, tiny_model
from unimedi.cohort.image_kind import ImageKind
from unimedi.explanation.relevance import place_grid, summed, text_relevance
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import CutSlices, UniMediModel

KINDS = {"xray": (4, 32, 32), "ct": (16, 32, 32)}


def model_of(**changes: object) -> UniMediModel:
    """In float64, with mean images that are not flat."""
    model = tiny_model(**changes).double()
    draws = torch.Generator().manual_seed(3)
    for name, buffer in model.vision.named_buffers():
        if name.startswith("mean_"):
            buffer.copy_(torch.rand(buffer.shape, generator=draws) - 0.5)
    return model


def image(kind: str) -> Tensor:
    batch = tiny_batch(1, 1)
    found = batch.radiographs if kind == "xray" else batch.hires_volumes
    assert found is not None
    return found[0]


def sentences(count: int = 2) -> Tensor:
    drawn = torch.randn(count, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=-1)


def inputs(model: UniMediModel, stored: Tensor, planes: Tensor | None) -> list[Tensor]:
    pixels = model.normalise(stored[None]).double()
    return [pixels] if planes is None else [pixels, model.cut_slices(stored[None], planes[None]).pixels.double()]


def cosine(model: UniMediModel, parts: list[Tensor], planes: Tensor | None, text: Tensor) -> float:
    """Of pixels (and slices) as the model sees them, written out."""
    if parts[0].ndim == 4:
        tokens, kind = model.vision.radiographs(parts[0]), SequenceKind.RADIOGRAPH
    else:
        tokens, kind = model.vision.volumes(parts[0]), model.volume_sequence
        if planes is not None:
            slices = CutSlices(parts[1], (planes[None] + 0.5) / 16)
            tokens = model.with_slices(tokens, slices)
    return float((model.image_projection(model.vision(tokens).cls, kind) @ text)[0])


def references(model: UniMediModel, parts: list[Tensor], planes: Tensor | None) -> list[Tensor]:
    depth = None if planes is None else (planes[None] + 0.5) / 16
    found = [model.vision.reference(parts[0]), *(model.vision.reference(part, depth) for part in parts[1:])]
    return [one.expand_as(part).double() for one, part in zip(found, parts, strict=True)]


CASES = [
    ("xray", {}),
    ("xray", {"centre_inputs": True}),
    ("ct", {"centre_inputs": True}),
    ("ct", {"slices": 0}),
    ("ct", {"volume_tokens": False, "centre_inputs": True}),
    ("ct", {"cls_init": "max_pool_2d", "slice_content": "slab_maximum"}),
]


@pytest.mark.parametrize(("kind", "changes"), CASES)
@torch.no_grad()
def test_a_map_adds_up_to_the_cosine_less_that_of_the_reference(kind: str, changes: dict[str, object]) -> None:
    model, stored, texts = model_of(**changes), image(kind), sentences()
    planes = model.encode_images(stored[None]).selected
    planes = None if planes is None else planes[0]
    found = text_relevance(model, stored, planes, texts, steps=300)
    parts = inputs(model, stored, planes)
    for text, places in zip(texts, found, strict=True):
        gained = cosine(model, parts, planes, text) - cosine(model, references(model, parts, planes), planes, text)
        assert float(places.sum()) == pytest.approx(gained, abs=2e-3)


@pytest.mark.parametrize("kind", ["xray", "ct"])
@torch.no_grad()
def test_each_place_is_what_finite_differences_give(kind: str) -> None:
    """Slow: in each step of the blend every place alone is moved a little, in the image and in the slices over it."""
    model, stored, text = model_of(centre_inputs=True), image(kind), sentences(1)
    planes = None if kind == "xray" else torch.tensor([3, 12])
    grid = place_grid(model, ImageKind(kind))
    parts = inputs(model, stored, planes)
    ways = [(start, end - start) for start, end in zip(references(model, parts, planes), parts, strict=True)]
    steps, small = 2, 1e-4
    expected = np.zeros(grid)
    for place in np.ndindex(*grid):
        moves = [torch.zeros_like(part) for part in parts]
        rows, columns = (slice(at * 32 // n, (at + 1) * 32 // n) for at, n in zip(place[-2:], grid[-2:], strict=True))
        if kind == "xray":
            moves[0][0, 0, rows, columns] = ways[0][1][0, 0, rows, columns]
        else:  # the volume input has 8 planes of 16 x 16, a slice 16 x 16 pixels
            half = [slice(s.start // 2, s.stop // 2) for s in (rows, columns)]
            deep = slice(place[0] * 8 // grid[0], (place[0] + 1) * 8 // grid[0])
            moves[0][0, 0, deep, half[0], half[1]] = ways[0][1][0, 0, deep, half[0], half[1]]
            assert planes is not None
            for number, plane in enumerate(planes.tolist()):
                if plane * grid[0] // 16 == place[0]:
                    moves[1][0, number, 0, half[0], half[1]] = ways[1][1][0, number, 0, half[0], half[1]]
        for step in range(steps):
            share = (step + 0.5) / steps
            up, down = (
                cosine(
                    model,
                    [start + share * way + sign * small * move for (start, way), move in zip(ways, moves, strict=True)],
                    planes,
                    text[0],
                )
                for sign in (1, -1)
            )
            expected[place] += (up - down) / (2 * small) / steps
    found = text_relevance(model, stored, planes, text, steps=steps)[0]
    assert np.allclose(found.numpy(), expected, atol=1e-5)


def test_what_is_like_the_reference_gets_nothing() -> None:
    """The answer is known: an X-ray that differs from the mean image in one place alone."""
    model = tiny_model(centre_inputs=True)
    mean = torch.full((32, 32), 2000, dtype=torch.int16)
    model.vision.mean_radiograph.copy_(model.normalise(mean[None])[0])
    stored = mean.clone()
    stored[8:12, 20:24] = 4000  # row 2, column 5 of 8 x 8 places
    found = text_relevance(model, stored, None, sentences(1).float())[0]
    assert found.shape == (8, 8)
    assert found[2, 5] != 0
    found[2, 5] = 0
    assert not found.any()


def test_without_a_sentence_there_is_no_map() -> None:
    assert text_relevance(tiny_model(), image("xray"), None, torch.zeros(0, 8)).shape == (0, 8, 8)


def test_a_patch_with_an_odd_side_stays_whole() -> None:
    preprocess = PREPROCESS.to_dict() | {
        "radiograph_size": (21, 28), "hires_shape": (8, 21, 21), "volume_shape": (8, 21, 21), "slice_size": (21, 21)
    }  # fmt: skip
    model = tiny_model(patch_size=7, patch_tokenizer="linear", preprocess=preprocess)
    assert place_grid(model, ImageKind.XRAY) == (3, 4)
    assert place_grid(model, ImageKind.CT) == (4, 3, 3)
    assert place_grid(tiny_model(), ImageKind.CT) == (4, 4, 4)


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 9)), min_size=1, max_size=3))
def test_sums_lose_nothing(axes: list[tuple[int, int]]) -> None:
    size, grid = (tuple(one[part] for one in axes) for part in (0, 1))
    values = torch.rand(size, dtype=torch.float64)
    cells = summed(values, grid)
    assert cells.shape == grid
    slow = np.zeros(grid)
    for at in np.ndindex(*size):
        slow[tuple(int((i + 0.5) * n / length) for i, n, length in zip(at, grid, size, strict=True))] += values[at]
    assert np.allclose(cells.numpy(), slow)
