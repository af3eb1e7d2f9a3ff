"""Studies and sentences to embeddings, each image encoded once, whatever is asked of it afterwards."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from unimedi.cohort.lock import writer_in
from unimedi.cohort.sources.dicom_header import is_dicom
from unimedi.cohort.sources.scan import PICTURES, VOLUMES, guess_modality, suffix
from unimedi.inputs.store import Store
from unimedi.model.processor import UniMediProcessor, open_image
from unimedi.model.unimedi import ImageOutput, UniMediModel
from unimedi.representation.table import EmbeddingTable, write_table

log = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")
SIDE_BY_SIDE = 4  # batches at a time, at most: each holds its own activations
_Row = dict[str, Any]  # a field of ImageOutput → its numpy row, or None


class Embedder:
    """A model, its processor and a batch size; no state changes between calls. Runs where the model's weights lie."""

    def __init__(self, model: UniMediModel, processor: UniMediProcessor, batch_size: int = 16) -> None:
        self.model, self.processor, self.batch_size = model.eval(), processor, batch_size
        self.fingerprint = weights_fingerprint(model)

    @classmethod
    def from_pretrained(cls, folder: Path, batch_size: int = 16) -> "Embedder":
        """Load a run's model (a run folder, or a ``pretrained`` folder itself); on a GPU if there is one."""
        folder = pretrained_folder(folder)
        if folder.name == "pretrained" and (writer := writer_in(folder.parent)):  # what is there is whole all the same
            log.warning("%s is at work in %s: this model is of an earlier moment of it", writer, folder.parent)
        processor = UniMediProcessor.from_pretrained(folder)
        model = UniMediModel.from_pretrained(folder, local_files_only=True)
        return cls(model.to("cuda" if torch.cuda.is_available() else "cpu"), processor, batch_size)

    def images(self, store: Store, indices: Sequence[int]) -> EmbeddingTable:
        """Embed stored studies, radiographs and volumes mixed as they come; rows in the order of ``indices``."""
        ndims = [store.studies[i].modality.ndim for i in indices]
        batches: list[list[int]] = []
        for ndim in (2, 3):
            places = [place for place, n in enumerate(ndims) if n == ndim]
            batches += [places[start : start + self.batch_size] for start in range(0, len(places), self.batch_size)]

        def encoded(batch: list[int]) -> dict[int, _Row]:
            output = self.encode([store.pixels(indices[place]) for place in batch])
            return dict(zip(batch, _split(output), strict=True))

        rows: dict[int, _Row] = {}
        for done in self._side_by_side(encoded, batches):
            rows |= done
        studies = [store.studies[i] for i in indices]
        return _table(
            [s.study_id for s in studies],
            [str(s.modality) for s in studies],
            [rows[place] for place in range(len(indices))],
            self.fingerprint,
            self.model.config.embedding_size,
        )

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
        """exp(logit scale): what cosines are multiplied with before a softmax."""
        return float(self.model.logit_scale.detach().exp())


def embed_files(
    paths: Sequence[Path], model: Path, out: Path, batch_size: int = 8
) -> tuple[EmbeddingTable, list[tuple[Path, str]]]:
    """Embed image files, DICOM series and folders of either into a Parquet table; ``study_id`` is the path.

    ``modality`` is CT for volumes and DX for radiographs: the file's own finer word is not kept. Returns the table and
    the refused files with the reason; ValueError where every file was refused.
    """
    embedder = Embedder.from_pretrained(model, batch_size)
    images = list(dict.fromkeys(image for path in paths for image in images_under(path)))
    groups: dict[int, list[tuple[Path, NDArray[np.int16]]]] = {2: [], 3: []}
    rows: dict[Path, tuple[str, _Row]] = {}
    refused: list[tuple[Path, str]] = []

    def flush(ndim: int) -> None:
        if group := groups[ndim]:
            encoded = _split(embedder.encode([stored for _, stored in group]))
            modality = "CT" if ndim == 3 else "DX"
            rows.update({path: (modality, row) for (path, _), row in zip(group, encoded, strict=True)})
            group.clear()

    for path in images:
        try:
            stored = embedder.processor.preprocess.stored(open_image(path))
        except (ValueError, OSError) as error:
            refused.append((path, str(error)))
            continue
        groups[stored.ndim].append((path, stored))
        if len(groups[stored.ndim]) == batch_size:
            flush(stored.ndim)
    flush(2)
    flush(3)
    if not rows:
        why = [f"{path}: {reason}" for path, reason in refused] or [f"{path}: no image in it" for path in paths]
        raise ValueError("expected at least one readable image, got none: " + "; ".join(why))
    kept = [path for path in images if path in rows]
    table = _table(
        [str(path) for path in kept],
        [rows[path][0] for path in kept],
        [rows[path][1] for path in kept],
        embedder.fingerprint,
        embedder.model.config.embedding_size,
    )
    write_table(table, out)
    return table, refused


def pretrained_folder(run: Path) -> Path:
    """The folder with the model: the run's ``pretrained`` or the given one; FileNotFoundError where there is none."""
    for folder in (run / "pretrained", run):
        if (folder / "config.json").is_file():
            return folder
    writer = writer_in(run)
    going = f": {writer} is still at work there, and leaves its model at the end" if writer else ""
    raise FileNotFoundError(
        f"expected a run with pretrained/config.json or a pretrained folder, found none in {run}{going}"
    )


def images_under(path: Path) -> list[Path]:
    """The images of a file or a folder, sorted: files, and folders that hold the slices of a DICOM series.

    Files that are no image by name or first bytes are passed over; FileNotFoundError where nothing is there.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.is_file():
        return [path]
    found: list[Path] = []
    for file in sorted(child for child in path.iterdir() if not child.name.startswith(".")):
        if file.is_dir():
            found += images_under(file)
        elif suffix(file.name) in (*VOLUMES, *PICTURES) or is_dicom(file):
            modality = guess_modality(file, None)
            slices = is_dicom(file) and modality is not None and modality.ndim == 3
            found.append(path if slices else file)
    return list(dict.fromkeys(found))


def weights_fingerprint(model: UniMediModel) -> str:
    """Sha256 of the names and bytes of all weights: two tables may be compared only where it is equal."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _split(output: ImageOutput) -> list[_Row]:
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


def _table(ids: Sequence[str], modalities: Sequence[str], rows: Sequence[_Row], model: str, dim: int) -> EmbeddingTable:
    def column(name: str) -> NDArray[Any] | None:
        values = [row[name] for row in rows]
        return None if not values or any(v is None for v in values) else np.stack(values)

    embedding = column("embedding")
    return EmbeddingTable(
        study_ids=tuple(ids),
        modalities=tuple(modalities),
        embedding=np.zeros((0, dim), np.float32) if embedding is None else embedding,
        model=model,
        cls=column("cls"),
        attention=tuple(row["attention"] for row in rows),
        slice_scores=column("slice_scores"),
        selected=column("selected"),
    )
