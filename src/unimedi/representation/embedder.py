"""Studies and sentences to embeddings, each image encoded once."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor

from unimedi.errors import MissingError
from unimedi.files.lock import writer_in
from unimedi.inputs.store import Store
from unimedi.model.pretrained import opened
from unimedi.model.processor import UniMediProcessor
from unimedi.model.unimedi import KIND, ImageOutput, UniMediModel
from unimedi.representation.devices import dealt
from unimedi.representation.fingerprint import model_fingerprint
from unimedi.representation.table import EmbeddingTable

log = logging.getLogger(__name__)

A = TypeVar("A")
SIDE_BY_SIDE = 4  # batches at a time on a CPU, at most: each holds its own activations
Row = dict[str, Any]  # a field of ImageOutput → its numpy row, or None


class Embedder:
    """Images and sentences to embeddings of one space. No state changes between calls.

    Args:
        model: is set to evaluation, and put on the first device.
        processor: that was saved with the model.
        batch_size: images, or sentences, of a pass.
        devices: several batches are dealt out to these, each of which gets the model as it is now; None is the device
            where its weights lie. What a batch comes to is what its device computes alone.
    """

    def __init__(
        self,
        model: UniMediModel,
        processor: UniMediProcessor,
        batch_size: int = 16,
        devices: Sequence[torch.device] | None = None,
    ) -> None:
        self.model, self.processor, self.batch_size = model.eval(), processor, batch_size
        self.devices = tuple(devices or [model.device])
        self.fingerprint = model_fingerprint(model, processor)
        self._copies = [self._on(device) for device in self.devices[1:]]
        model.to(self.devices[0])

    @classmethod
    def from_pretrained(
        cls, folder: Path, batch_size: int = 16, devices: Sequence[torch.device] | None = None
    ) -> "Embedder":
        """Load a run's model, in float32.

        Args:
            folder: a run folder, or a ``pretrained`` folder itself.
            batch_size: images, or sentences, of a pass.
            devices: where it runs; None is one GPU if there is one, else the CPU.

        Raises:
            MissingError: no model is there.
            PretrainedError: it is damaged, not whole, or of an earlier version.
        """
        folder = pretrained_folder(folder)
        if folder.name == "pretrained" and (writer := writer_in(folder.parent)):  # what is there is whole all the same
            log.warning("%s is at work in %s: this model is of an earlier moment of it", writer, folder.parent)
        processor = UniMediProcessor.from_pretrained(folder)
        one = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(load_model(folder), processor, batch_size, devices or [one])

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

        def encoded(lane: Embedder, batch: list[int]) -> dict[int, Row]:
            encoded_rows = lane.rows([store.pixels(indices[place]) for place in batch])
            return dict(zip(batch, encoded_rows, strict=True))

        store.ahead(indices[place] for batch in batches for place in batch)
        rows: dict[int, Row] = {}
        lanes = [partial(encoded, lane) for lane in self._lanes[: max(len(batches), 1)]]
        for done in dealt(lanes, batches, self._width(len(batches))):
            rows |= done
        return [rows[place] for place in range(len(indices))]

    def each(self, batches: Iterable[Sequence[tuple[A, NDArray[np.int16]]]]) -> Iterator[list[tuple[A, Row]]]:
        """Embed batches as they come, each of arrays as the store keeps them, all 2-D or all 3-D.

        Args:
            batches: of pairs: anything that says what it is, and the array.

        Returns:
            The same pairs, with a row in place of the array.
        """

        def encoded(lane: Embedder, batch: Sequence[tuple[A, NDArray[np.int16]]]) -> list[tuple[A, Row]]:
            names = [name for name, _ in batch]
            return list(zip(names, lane.rows([stored for _, stored in batch]), strict=True))

        return dealt([partial(encoded, lane) for lane in self._lanes], batches)

    @property
    def _lanes(self) -> "list[Embedder]":
        """Itself, and a copy on each of the other devices."""
        return [self, *self._copies]

    def _width(self, batches: int) -> int:
        """Batches at a time on a device. On a CPU by itself several share the threads out: in one batch they would
        mostly wait for each other. What a batch comes to does not depend on it."""
        if len(self.devices) > 1 or self.model.device.type != "cpu":
            return 1
        return max(1, min(torch.get_num_threads(), SIDE_BY_SIDE, batches))

    def _on(self, device: torch.device) -> "Embedder":
        """Itself with a copy of the model on another device; with the same model where the device is its own.

        On a CPU a copy would answer otherwise in the last digit: weights of a file lie where they lie in the file, and
        what sums take first goes by the address.
        """
        other = copy(self)
        if device != self.devices[0]:
            other.model = deepcopy(self.model).to(device)
        return other

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

    def texts(self, sentences: Sequence[str]) -> Float[ndarray, "texts dim"]:
        """Embed sentences or reports, L2-normalised; equal strings are encoded once."""
        distinct = sorted(set(sentences), key=len)  # by length: less padding in a batch
        size = 4 * self.batch_size
        # A tokenizer is for one thread at a time: this one.
        batches = (self.processor.text(distinct[start : start + size]) for start in range(0, len(distinct), size))
        rows = [row for batch in dealt([lane._text_rows for lane in self._lanes], batches) for row in batch]
        embedded = dict(zip(distinct, rows, strict=True))
        if not sentences:
            return np.zeros((0, self.model.config.embedding_size), np.float32)
        return np.stack([embedded[sentence] for sentence in sentences])

    @torch.inference_mode()
    def _text_rows(self, tokens: Mapping[str, Tensor]) -> NDArray[np.float32]:
        """(texts, dim) of one batch."""
        on_device = {name: value.to(self.model.device) for name, value in tokens.items()}
        rows: NDArray[np.float32] = self.model.get_text_features(**on_device).float().cpu().numpy()
        return rows

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
