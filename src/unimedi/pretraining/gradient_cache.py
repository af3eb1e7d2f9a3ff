"""L_vl over more images than memory holds at once: gradients cached (GradCache, Gao et al. 2021).

Three passes over the micro-batches of a step. The first, without gradients, leaves of each image and report only what
L_vl compares. The second is L_vl of all of them together, and gives the gradient of each row. The third takes each
micro-batch anew, with gradients, and hands the cached ones back in the place of L_vl's own. By the chain rule that
is the gradient of the whole; it costs one more forward pass, and memory is that of one micro-batch. What is drawn at
random is drawn again as before, and the slices are not selected twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimedi.model.sequence_kind import SequenceKind

Planes = Int[Tensor, "n k"]


@dataclass(frozen=True)
class Pairs:
    """Images and their reports as the projections give them, before any centring: all that L_vl compares.

    Args:
        images: rows by kind of sequence.
        reports: rows in the order of the images, kind after kind.
        report_keys: rows with the same key have the same report.
        learnt: the numbers that L_vl itself learns, the inverse temperature first.
    """

    images: dict[SequenceKind, Float[Tensor, "_n embedding"]]
    reports: Float[Tensor, "m embedding"]
    report_keys: Int[Tensor, " m"]
    learnt: list[Tensor]

    def rows(self) -> list[Tensor]:
        """All that a gradient comes back to, in one order for pairs of the same kinds."""
        return [*self.images.values(), self.reports, *self.learnt]

    def leaves(self) -> "Pairs":
        """The same values, as the leaves of a graph."""
        images = {kind: rows.detach().requires_grad_() for kind, rows in self.images.items()}
        reports, *learnt = (part.detach().requires_grad_() for part in (self.reports, *self.learnt))
        return Pairs(images, reports, self.report_keys, learnt)

    def of_kind(self) -> Iterator[tuple[SequenceKind, Tensor, Tensor, Tensor]]:
        """Each kind with its images, their reports and keys."""
        sizes = [len(rows) for rows in self.images.values()]
        parts = zip(self.images.items(), self.reports.split(sizes), self.report_keys.split(sizes), strict=True)
        for (kind, images), reports, keys in parts:
            yield kind, images, reports, keys


def joined(pairs: Sequence[Pairs]) -> Pairs:
    """The pairs of several micro-batches as those of one, kind after kind."""
    parts: dict[SequenceKind, list[tuple[Tensor, Tensor, Tensor]]] = {}
    for each in pairs:
        for kind, *rows in each.of_kind():
            parts.setdefault(kind, []).append((rows[0], rows[1], rows[2]))
    images = {kind: torch.cat([image for image, _, _ in of_kind]) for kind, of_kind in parts.items()}
    reports, keys = (torch.cat([rows[place] for of_kind in parts.values() for rows in of_kind]) for place in (1, 2))
    learnt = [torch.stack(same).mean() for same in zip(*(each.learnt for each in pairs), strict=True)]
    return Pairs(images, reports, keys, learnt)


@dataclass(frozen=True)
class FirstPass:
    """What the first pass over a micro-batch leaves for the others: the pairs, and what was drawn."""

    pairs: Pairs
    planes: Planes | None  # of the slices that were selected
    generator: Tensor  # the state of the step's generator behind the selection


@dataclass(frozen=True)
class CachedGradient:
    """L_vl of a whole step, and its gradient for the rows of one of its micro-batches (:meth:`Pairs.rows`)."""

    first: FirstPass
    loss: Float[Tensor, ""]
    gradients: list[Tensor]
    micro_batches: int

    def handed_back(self, pairs: Pairs) -> Float[Tensor, ""]:
        """As large as L_vl; the mean over the micro-batches has L_vl's gradient."""
        given = zip(pairs.rows(), self.gradients, strict=True)
        product = torch.stack([(rows * gradient).sum() for rows, gradient in given]).sum()
        return self.loss + self.micro_batches * (product - product.detach())


def twice(numbers: range, micro_batches: int) -> Iterator[int]:
    """Numbers of micro-batches in the order in which the passes read them: those of each step two times."""
    for start in range(0, len(numbers), micro_batches):
        for _ in range(2):
            yield from numbers[start : start + micro_batches]
