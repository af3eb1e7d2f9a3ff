"""Why the model says what it says of one image: scores, planes, attention, and maps of sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.reports.language import UNKNOWN, detect_language
from unimedi.errors import InputError
from unimedi.explanation.relevance import text_relevance, token_grid
from unimedi.imaging.image import Radiograph, Volume
from unimedi.inputs.open_image import open_image
from unimedi.inputs.preprocess import Preprocess
from unimedi.representation.embedder import Embedder
from unimedi.representation.load import LoadedModel
from unimedi.representation.onnx_embedder import OnnxEmbedder, is_onnx

LONGEST = 10_000  # characters of a sentence: far beyond a report


@dataclass(frozen=True)
class Explanation:
    """What was looked at in an image, and where. Maps lie over the whole stored array; :meth:`own` brings them home.

    Attributes:
        image: as it was read, in its own grid: depth from the feet, height from the front, width from the patient's
            right.
        preprocess: of the model.
        texts: the sentences, in the order in which they were asked.
        similarity: their cosines with the image, from -1 to 1.
        relevance: what each place adds to the cosine of each sentence; the sum over a map is about the cosine less
            that of an image that says nothing.
        attention: of [CLS] over the tokens (of a CT over those of the volume), mean over layers and heads, in
            multiples of its mean.
        slab_scores: of a CT's slabs from the feet up; None for X-rays.
        planes: of the stored volume that the model chose, from the feet up; None where it chooses none.
        notes: what to know before trusting it, a sentence each.
    """

    image: Radiograph | Volume
    preprocess: Preprocess
    texts: tuple[str, ...]
    similarity: Float[ndarray, "texts"]
    relevance: Float[ndarray, "texts *places"]
    attention: Float[ndarray, "*tokens"]
    slab_scores: Float[ndarray, "slabs"] | None
    planes: Int[ndarray, "k"] | None
    notes: tuple[str, ...] = ()

    def own(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """One of the maps in the image's own grid, linear between the middles of its cells."""
        return self.preprocess.own_map(values, self.image)

    @property
    def own_planes(self) -> list[int]:
        """The chosen planes as planes of the image, counted from 0 at the feet; none for an X-ray."""
        chosen = () if self.planes is None else self.planes.tolist()
        return [self.own_plane((plane + 0.5) / self.preprocess.hires_shape[0]) for plane in chosen]

    def own_plane(self, height: float) -> int:
        """The plane of the image at a relative height, from 0 at the feet to 1 at the head."""
        planes = len(self.image.array)
        return min(int(height * planes), planes - 1)


def explain(
    model: Embedder | LoadedModel | str | Path, image: Any, text: str | Sequence[str] | None = None, spacing: Any = None
) -> Explanation:
    """Explain one image, without a sentence or with some: ``unimedi.explain("runs/demo", "ct.nii.gz", "Effusion.")``.

    Args:
        model: a run or a pretrained folder; or what ``unimedi.load`` gave, or an ``Embedder``: for many images it is
            loaded once so.
        image: a path, a PIL image, a ``Radiograph`` or ``Volume``, an array or tensor, as the processor takes it.
        text: one sentence or several.
        spacing: of arrays, in mm an axis; required for 3-D ones.

    Raises:
        MissingError: no model is there.
        InputError: the image cannot be read (an ``ImagingError``), a sentence is empty or longer than ``LONGEST``, or
            the model is an export in ONNX, which has no gradients.
        TypeError: the model, the image or a sentence is of another type.
    """
    texts = (text,) if isinstance(text, str) else tuple(text or ())
    for sentence in texts:
        _check(sentence)
    embedder = _embedder(model)
    encoders, processor = embedder.model, embedder.processor
    opened = open_image(image, spacing)
    stored = processor.preprocess.stored(opened)
    output = embedder.encode([stored])
    vectors = torch.from_numpy(embedder.texts(texts)).to(encoders.device)
    planes = None if output.selected is None else output.selected[0]
    attention = output.cls_attention[0].float().mean((0, 1)).cpu().numpy()
    relevance = text_relevance(encoders, torch.from_numpy(stored).to(encoders.device), planes, vectors)
    return Explanation(
        image=opened,
        preprocess=processor.preprocess,
        texts=texts,
        similarity=(output.embedding[0].float() @ vectors.T).cpu().numpy(),
        relevance=relevance.cpu().numpy(),
        attention=(attention / attention.mean()).reshape(token_grid(encoders, ImageKind.of(stored.ndim))),
        slab_scores=None if output.slice_scores is None else output.slice_scores[0].float().cpu().numpy(),
        planes=None if planes is None else planes.cpu().numpy(),
        notes=(*_other_languages(texts, encoders.config.report_languages), *_cut(texts, embedder)),
    )


def _embedder(model: Embedder | LoadedModel | str | Path) -> Embedder:
    if isinstance(model, str | Path) and not is_onnx(Path(model)):
        return Embedder.from_pretrained(Path(model))
    found = model.embedder if isinstance(model, LoadedModel) else model
    if isinstance(found, Embedder):
        return found
    if not isinstance(found, OnnxEmbedder | str | Path):
        expected = "expected a folder, what unimedi.load gave, or an Embedder"
        raise TypeError(f"model: {expected}, got {type(found).__name__}")
    where = f"{model}: " if isinstance(model, str | Path) else ""
    raise InputError(f"{where}an export in ONNX gives vectors and no gradients; expected a run or a pretrained folder")


def _check(sentence: Any) -> None:
    if not isinstance(sentence, str):
        raise TypeError(f"text: expected a sentence, got {type(sentence).__name__}")
    if not sentence.strip():
        raise InputError(
            "text: expected a sentence, got an empty one; leave it out for attention and slab scores alone"
        )
    if len(sentence) > LONGEST:
        raise InputError(f"text: expected a sentence of at most {LONGEST:,} characters, got {len(sentence):,}")


def _other_languages(texts: Sequence[str], trained: Sequence[str]) -> list[str]:
    """A note for each sentence that is surely not in a language of the model's reports, where these are known."""
    found = [(text, detect_language(text)) for text in texts] if trained else []
    return [
        f"{text!r} seems to be in {language!r}, and the model was trained with reports in {', '.join(trained)}"
        for text, language in found
        if language not in (UNKNOWN, *trained)
    ]


def _cut(texts: Sequence[str], embedder: Embedder) -> list[str]:
    most, lengths = embedder.processor.text_length, embedder.processor.lengths(texts) if texts else []
    return [
        f"{text[:40]!r}… has {length} tokens, of which the model reads {most}"
        for text, length in zip(texts, lengths, strict=True)
        if length > most
    ]
