"""Are the maps faithful? Deleting their highest places must cost more cosine than deleting others.

Of each study one finding is asked for, by the mean of its zero-shot sentences. *Deletion*: the k % highest places of a
map become a fill, and the cosine falls by so much; beside the map stand that of another finding's sentence, attention,
the places that differ most from the mean image (no network), and random ones. *Erasing*: the fill replaces the mask of
the finding that is named; that of the study's other findings; the same shape on the other side of the body. A fill is
the mean of training images, or the image itself without its details: none is neutral, so there are two. The planes
that the model chose stay chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int16
from numpy import ndarray
from torch import Tensor

from unimedi.cohort.image_kind import ImageKind
from unimedi.explanation.relevance import cells_of, place_grid, summed, text_relevance, token_grid
from unimedi.imaging.resample import resize
from unimedi.inputs.store import Store
from unimedi.representation.embedder import Embedder

FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)  # of all places, deleted
RANDOM_ORDERS = 4  # their mean is the reference
MEAN_OF = 200  # training images
COARSE = 16  # pixels or planes of the stored array that the blurred fill averages over
TEXT, OTHER_TEXT, ATTENTION, DIFFERENCE, RANDOM = "text", "other_text", "attention", "difference", "random"
MAPS = (TEXT, OTHER_TEXT, ATTENTION, DIFFERENCE, RANDOM)
NAMED, OTHERS, MIRRORED = "named", "others", "mirrored"
ERASED = (NAMED, OTHERS, MIRRORED)
FILLS = ("mean_image", "blurred")


@dataclass(frozen=True)
class Question:
    """A study, the finding that is asked for, and another that it does not have; vectors of their sentences."""

    index: int
    finding: str
    vector: Float[ndarray, "embedding"]
    other: Float[ndarray, "embedding"]


@dataclass(frozen=True)
class Answer:
    """What one study gave; NaN where it has no such mask.

    ``drops``: fill → map → the fall of the cosine at each of ``FRACTIONS``; ``erased``: fill → which mask → the same;
    ``pointed``: map → 1 where its highest place touches the finding's mask, of ``random`` the share of places that do.
    """

    drops: Mapping[str, Mapping[str, Float[ndarray, "fractions"]]]
    erased: Mapping[str, Mapping[str, float]]
    pointed: Mapping[str, float]


class Examiner:
    """Asks one model about studies of one kind of image.

    Args:
        embedder: the model with its processor.
        store: prepared for it.
        kind: of the studies.
        seed: of the random orders.
    """

    def __init__(self, embedder: Embedder, store: Store, kind: ImageKind, seed: int) -> None:
        self.embedder, self.store, self.kind = embedder, store, kind
        self.model, self.grid = embedder.model, place_grid(embedder.model, kind)
        self.generator = torch.Generator().manual_seed(seed)
        self.mean = mean_image(store, store.select(split="train", image_kind=kind)[:MEAN_OF])

    def draw(self) -> dict[str, Float[Tensor, "*grid"]]:
        """The random maps of the next question: drawn for each in turn, also where its answer is known already."""
        return {f"{RANDOM}{n}": torch.rand(self.grid, generator=self.generator) for n in range(RANDOM_ORDERS)}

    def ask(self, question: Question, drawn: dict[str, Float[Tensor, "*grid"]]) -> Answer:
        """Everything of one study; ``drawn`` are its random maps."""
        stored = torch.from_numpy(self.store.pixels(question.index).copy())
        output = self.embedder.encode([stored.numpy()])
        text = torch.from_numpy(question.vector).to(self.model.device)
        cosine = float(output.embedding[0] @ text)
        maps = self._maps(stored, question, output.selected, output.cls_attention) | drawn
        named, others = self._masks(question)
        orders = [places.flatten().argsort(descending=True, stable=True) for places in maps.values()]
        deleted = [_highest(order, share, self.grid) for order in orders for share in FRACTIONS]
        erased = {NAMED: named, OTHERS: others & ~named, MIRRORED: named.flip(-1) & ~named}
        there = [name for name, mask in erased.items() if mask.any()]
        drops, falls = {}, {}
        for name, fill in zip(FILLS, (self.mean, blurred(stored)), strict=True):
            where = [*(spread(one, stored.shape) for one in deleted), *(erased[one] for one in there)]
            lost = cosine - self._cosines(stored, fill, where, output.slice_scores, text)
            curves = lost[: len(deleted)].reshape(len(maps), len(FRACTIONS))
            drops[name] = _with_random_mean(dict(zip(maps, curves, strict=True)))
            falls[name] = dict.fromkeys(ERASED, np.nan) | dict(zip(there, lost[len(deleted) :].tolist(), strict=True))
        return Answer(drops, falls, self._pointed(maps, named))

    def _maps(
        self, stored: Int16[Tensor, "*size"], question: Question, planes: Tensor | None, attention: Tensor
    ) -> dict[str, Float[Tensor, "*grid"]]:
        device = self.model.device
        vectors = torch.from_numpy(np.stack([question.vector, question.other])).to(device)
        chosen = None if planes is None else planes[0]
        own, other = text_relevance(self.model, stored.to(device), chosen, vectors).cpu()
        looked = attention[0].float().mean((0, 1)).cpu().reshape(token_grid(self.model, self.kind))
        maps = {TEXT: own, OTHER_TEXT: other, ATTENTION: spread(looked, self.grid)}
        maps[DIFFERENCE] = summed((stored.float() - self.mean.float()).abs(), self.grid)
        return maps

    def _masks(self, question: Question) -> tuple[Bool[Tensor, "*size"], Bool[Tensor, "*size"]]:
        """Of the finding that is named, and of all others."""
        mask = self.store.mask(question.index)
        bits = np.zeros(self.mean.shape, np.uint16) if mask is None else mask
        own = np.uint16(1 << self.store.findings.index(question.finding))
        return torch.from_numpy((bits & own) != 0), torch.from_numpy((bits & ~own) != 0)

    @torch.inference_mode()
    def _cosines(
        self,
        stored: Int16[Tensor, "*size"],
        fill: Int16[Tensor, "*size"],
        where: Sequence[Bool[Tensor, "*size"]],
        scores: Tensor | None,
        text: Float[Tensor, "embedding"],
    ) -> Float[ndarray, "variants"]:
        """Of the image with the fill at each of ``where``; its slabs keep their scores, so the same are chosen."""
        found, size = [], self.embedder.batch_size
        for start in range(0, len(where), size):
            batch = torch.stack([torch.where(one, fill, stored) for one in where[start : start + size]])
            kept = None if scores is None else scores.expand(len(batch), -1)
            found.append(self.model.encode_images(batch.to(self.model.device), kept).embedding @ text)
        return np.asarray(torch.cat(found).double().cpu().numpy())

    def _pointed(self, maps: Mapping[str, Tensor], mask: Bool[Tensor, "*size"]) -> dict[str, float]:
        if not mask.any():
            return dict.fromkeys(MAPS, np.nan)
        touched = summed(mask.float(), self.grid) > 0
        at = {name: float(touched.flatten()[maps[name].argmax()]) for name in MAPS if name != RANDOM}
        return at | {RANDOM: float(touched.float().mean())}


def mean_image(store: Store, indices: Sequence[int]) -> Int16[Tensor, "*size"]:
    """The mean of stored images of one kind."""
    total = np.zeros(store.pixels(indices[0]).shape, np.float64)
    for index in indices:
        total += store.pixels(index)
    return torch.from_numpy(np.rint(total / len(indices)).astype(np.int16))


def blurred(stored: Int16[Tensor, "*size"]) -> Int16[Tensor, "*size"]:
    """The image without its details: means over ``COARSE`` pixels, linear between them."""
    coarse = tuple(max(1, length // COARSE) for length in stored.shape)
    return resize(resize(stored[None, None].float(), coarse), tuple(stored.shape))[0, 0].round().to(torch.int16)


def spread(values: Tensor, size: Sequence[int]) -> Tensor:
    """A map on a finer grid: each of its cells has the value of the coarse cell that holds its middle."""
    for axis, length in enumerate(size):
        values = values.index_select(axis, cells_of(length, values.shape[axis]))
    return values


def _highest(order: Tensor, share: float, grid: tuple[int, ...]) -> Bool[Tensor, "*grid"]:
    """The first ``share`` of the places of an order, one at least."""
    places = torch.zeros(len(order), dtype=torch.bool)
    places[order[: max(1, round(share * len(order)))]] = True
    return places.reshape(grid)


def _with_random_mean(curves: dict[str, Float[ndarray, "fractions"]]) -> dict[str, Float[ndarray, "fractions"]]:
    drawn = [curves.pop(f"{RANDOM}{n}") for n in range(RANDOM_ORDERS)]
    return curves | {RANDOM: np.mean(drawn, axis=0)}


def area(curve: Float[ndarray, "fractions"]) -> float:
    """The mean fall of the cosine from nothing deleted to the largest fraction, linear between the fractions."""
    return float(np.trapezoid([0.0, *curve], [0.0, *FRACTIONS]) / FRACTIONS[-1])
