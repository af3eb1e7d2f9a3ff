"""Studies and sentences to embeddings, each image encoded once."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from unimedi.errors import MissingError
from unimedi.files.lock import writer_in
from unimedi.inputs.store import Store
from unimedi.model.pretrained import opened
from unimedi.model.processor import UniMediProcessor
from unimedi.model.unimedi import KIND, ImageOutput, UniMediModel
from unimedi.representation.fingerprint import model_fingerprint
from unimedi.representation.table import EmbeddingTable

log = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")
SIDE_BY_SIDE = 4  # batches at a time, at most: each holds its own activations
Row = dict[str, Any]  # a field of ImageOutput → its numpy row, or None


class Embedder:
    """Images and sentences to embeddings of one space. No state changes between calls.

    Args:
        model: is set to evaluation; everything runs where its weights lie.
        processor: that was saved with the model.
        batch_size: images, or sentences, of a pass.
    """

    def __init__(self, model: UniMediModel, processor: UniMediProcessor, batch_size: int = 16) -> None:
        self.model, self.processor, self.batch_size = model.eval(), processor, batch_size
        self.fingerprint = model_fingerprint(model, processor)

    @classmethod
    def from_pretrained(cls, folder: Path, batch_size: int = 16) -> "Embedder":
        """Load a run's model, in float32, onto a GPU if there is one.

        Args:
            folder: a run folder, or a ``pretrained`` folder itself.
            batch_size: images, or sentences, of a pass.

        Raises:
            MissingError: no model is there.
            PretrainedError: it is damaged, not whole, or of an earlier version.
        """
        folder = pretrained_folder(folder)
        if folder.name == "pretrained" and (writer := writer_in(folder.parent)):  # what is there is whole all the same
            log.warning("%s is at work in %s: this model is of an earlier moment of it", writer, folder.parent)
        processor = UniMediProcessor.from_pretrained(folder)
        model = load_model(folder)
        return cls(model.to("cuda" if torch.cuda.is_available() else "cpu"), processor, batch_size)

    def images(self, store: Store, indices: Sequence[int]) -> EmbeddingTable:
        """Embed studies of a store, X-rays and CTs mixed as they come.

        Args:
            store: prepared with this model's sizes.
            indices: of its studies.

        Returns:
            A table with a row a study, in the order of ``indices``.
        """
        studies = [store.studies[i] for i in indices]
        rows = self.stored_rows(store, indices)
        return self.table([s.study_id for s in studies], [str(s.modality) for s in studies], rows)

    def stored_rows(self, store: Store, indices: Sequence[int]) -> list[Row]:
        """As :meth:`images`, without the studies' names."""
        ndims = [store.studies[i].modality.ndim for i in indices]
        batches: list[list[int]] = []
        for ndim in (2, 3):
            places = [place for place, n in enumerate(ndims) if n == ndim]
            batches += [places[start : start + self.batch_size] for start in range(0, len(places), self.batch_size)]

        def encoded(batch: list[int]) -> dict[int, Row]:
            encoded_rows = self.rows([store.pixels(indices[place]) for place in batch])
            return dict(zip(batch, encoded_rows, strict=True))

        store.ahead(indices[place] for batch in batches for place in batch)
        rows: dict[int, Row] = {}
        for done in self._side_by_side(encoded, batches):
            rows |= done
        return [rows[place] for place in range(len(indices))]

    def _side_by_side(self, work: Callable[[A], B], batches: Sequence[A]) -> Iterator[B]:
        """``work`` of each batch, in order. On a CPU several at a time share the threads out: in one batch they would
        mostly wait for each other. What a batch comes to does not depend on it."""
        threads = torch.get_num_threads()
        workers = min(threads, SIDE_BY_SIDE, len(batches))
        if workers < 2 or self.model.device.type != "cpu":
            yield from map(work, batches)
            return
        try:
            with ThreadPoolExecutor(workers, "encode", torch.set_num_threads, (threads // workers,)) as pool:
                yield from pool.map(work, batches)
        finally:
            torch.set_num_threads(threads)  # threads to come inherit what was set last

    @torch.inference_mode()
    def encode(self, stored: Sequence[NDArray[np.int16]]) -> ImageOutput:
        """One batch of arrays as the store keeps them, all 2-D or all 3-D."""
        device = self.model.device
        tensors = {name: value.to(device) for name, value in self.processor.from_stored(stored).items()}
        output: ImageOutput = self.model.encode_images(**tensors)
        return output

    def rows(self, stored: Sequence[NDArray[np.int16]]) -> list[Row]:
        """As :meth:`encode`, a row a study."""
        return _split(self.encode(stored))

    def table(self, ids: Sequence[str], modalities: Sequence[str], rows: Sequence[Row]) -> EmbeddingTable:
        """The rows of :meth:`rows` with the studies that they are of."""
        embedding = _column(rows, "embedding")
        return EmbeddingTable(
            study_ids=tuple(ids),
            modalities=tuple(modalities),
            embedding=np.zeros((0, self.model.config.embedding_size), np.float32) if embedding is None else embedding,
            model=self.fingerprint,
            cls=_column(rows, "cls"),
            attention=tuple(row["attention"] for row in rows),
            slice_scores=_column(rows, "slice_scores"),
            selected=_column(rows, "selected"),
        )

    @torch.inference_mode()
    def texts(self, sentences: Sequence[str]) -> Float[ndarray, "texts dim"]:
        """Embed sentences or reports, L2-normalised; equal strings are encoded once."""
        distinct = sorted(set(sentences), key=len)  # by length: less padding in a batch
        embedded: dict[str, NDArray[np.float32]] = {}
        for start in range(0, len(distinct), 4 * self.batch_size):
            batch = distinct[start : start + 4 * self.batch_size]
            tokens = {name: value.to(self.model.device) for name, value in self.processor.text(batch).items()}
            rows = self.model.get_text_features(**tokens).float().cpu().numpy()
            embedded |= dict(zip(batch, rows, strict=True))
        if not sentences:
            return np.zeros((0, self.model.config.embedding_size), np.float32)
        return np.stack([embedded[sentence] for sentence in sentences])

    @property
    def scale(self) -> float:
        """What cosines are multiplied with before a softmax."""
        return float(self.model.scale().detach())


def load_model(folder: Path) -> UniMediModel:
    """The model of a pretrained folder in float32, whatever it was saved in: figures are of its weights, and what goes
    on to learn from labels learns in full. ``PretrainedError`` where it is damaged or not whole."""
    with opened(folder, KIND):
        model = UniMediModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=torch.float32)
    return cast(UniMediModel, model)


def pretrained_folder(run: Path) -> Path:
    """The folder with the model: the run's ``pretrained``, or ``run`` itself; MissingError where there is none."""
    for folder in (run / "pretrained", run):
        if (folder / "config.json").is_file():
            return folder
    writer = writer_in(run)
    going = f": {writer} is still at work there, and leaves its model at the end" if writer else ""
    raise MissingError(f"expected a run with pretrained/config.json or a pretrained folder, found none in {run}{going}")


def _split(output: ImageOutput) -> list[Row]:
    columns = {
        "embedding": output.embedding.float(),
        "cls": output.cls.float(),
        "attention": output.cls_attention.float().mean(dim=(1, 2)),
        "slice_scores": None if output.slice_scores is None else output.slice_scores.float(),
        "selected": output.selected,
    }
    arrays = {name: None if value is None else value.cpu().numpy() for name, value in columns.items()}
    return [
        {name: None if array is None else array[i] for name, array in arrays.items()}
        for i in range(len(output.embedding))
    ]


def _column(rows: Sequence[Row], name: str) -> NDArray[Any] | None:
    values = [row[name] for row in rows]
    return None if not values or any(value is None for value in values) else np.stack(values)
