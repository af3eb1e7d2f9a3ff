"""What the model sees in an image: its vector, attention, scores, planes, and what brings it near a query."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray

from unimedi.cohort.image_kind import ImageKind
from unimedi.explanation.relevance import STEPS, text_relevance, token_grid
from unimedi.representation.embedder import Embedder
from unimedi.web.images import Images, Shown
from unimedi.web.reference import ImageRef

KEPT: Final = 512  # encodings, and as many maps: some kilobytes each
FEW_STEPS: Final = 1  # of the blend, where only the plane is asked for: more find it no more often (docs/log.md)


@dataclass(frozen=True, slots=True)
class Encoding:
    """An image as the model reads it.

    Attributes:
        vector: unit length, float32 (dim,).
        attention: of [CLS] over the tokens, in multiples of its mean: (rows, columns), or (slabs, rows, columns).
        slab_scores: of a CT's slabs from the feet up; None for X-rays.
        planes: of the stored volume that the model chose; None where it chooses none.
        stored: as the model was given it, int16.
    """

    vector: Float[ndarray, "dim"]
    attention: Float[ndarray, "*tokens"]
    slab_scores: Float[ndarray, "slabs"] | None
    planes: Int[ndarray, "k"] | None
    stored: NDArray[np.int16]

    def relative_planes(self) -> list[float]:
        """How high each chosen plane lies, from 0 at the feet to 1 at the head."""
        return [] if self.planes is None else [(int(plane) + 0.5) / len(self.stored) for plane in self.planes]

    def chosen_slabs(self) -> list[int]:
        """The slabs that the chosen planes lie in, from 0 at the feet."""
        if self.planes is None or self.slab_scores is None:
            return []
        return [int(plane) * len(self.slab_scores) // len(self.stored) for plane in self.planes]


class Encodings:
    """Encodings and maps of images, kept for the next time. The model is run by the caller's thread."""

    def __init__(self, embedder: Embedder, images: Images) -> None:
        self._embedder, self._images = embedder, images
        self._kept: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, ref: ImageRef) -> Encoding:
        """The encoding of an image; errors as of :meth:`Images.get`, or ImagingError where the gate refuses it."""
        shown = self._images.get(ref)
        found: Encoding = self._once(ref, (shown.stamp,), lambda: self._encode(shown))
        return found

    def relevance(self, ref: ImageRef, query: NDArray[np.float32], exact: bool = True) -> Float[ndarray, "*places"]:
        """What each place of the image adds to its cosine with a query's vector.

        Args:
            query: unit length, in the model's space.
            exact: with all steps of the blend; else fast, to find the plane that matches best.
        """
        shown, steps = self._images.get(ref), STEPS if exact else FEW_STEPS
        digest = hashlib.sha256(query.tobytes()).hexdigest()[:32]

        def relevance() -> NDArray[np.float32]:
            model, seen = self._embedder.model, self.of(ref)
            stored = torch.from_numpy(seen.stored).to(model.device)
            planes = None if seen.planes is None else torch.from_numpy(seen.planes).to(model.device)
            vectors = torch.from_numpy(query[None]).to(model.device)
            found: NDArray[np.float32] = text_relevance(model, stored, planes, vectors, steps)[0].cpu().numpy()
            return found

        found: NDArray[np.float32] = self._once(ref, (shown.stamp, digest, str(steps)), relevance)
        return found

    def best_plane(self, ref: ImageRef, query: NDArray[np.float32]) -> float:
        """Where a volume matches a query best, as a relative height from 0 at the feet to 1 at the head: the middle of
        the slab whose most relevant place is the highest."""
        slabs = self.relevance(ref, query, exact=False).max(axis=(1, 2))
        return (int(slabs.argmax()) + 0.5) / len(slabs)

    def forget(self, ref: ImageRef) -> None:
        """Drop what is kept of it."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == str(ref)]:
                del self._kept[key]

    def _encode(self, shown: Shown) -> Encoding:
        preprocess = self._embedder.processor.preprocess
        stored = preprocess.stored(shown.image) if shown.stored is None else shown.stored
        output = self._embedder.encode([stored])
        attention = output.cls_attention[0].float().mean((0, 1)).cpu().numpy()
        grid = token_grid(self._embedder.model, ImageKind.of(stored.ndim))
        scores, planes = output.slice_scores, output.selected
        return Encoding(
            vector=output.embedding[0].float().cpu().numpy(),
            attention=(attention / attention.mean()).reshape(grid),
            slab_scores=None if scores is None else scores[0].float().cpu().numpy(),
            planes=None if planes is None else planes[0].cpu().numpy(),
            stored=stored,
        )

    def _once(self, ref: ImageRef, about: tuple[str, ...], make: Callable[[], Any]) -> Any:
        key = (str(ref), *about)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        if not self._images.is_there(ref):  # an upload that was dropped in the meantime
            self.forget(ref)
        return made
