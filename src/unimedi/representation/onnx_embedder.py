"""A model in ONNX: embeddings by NumPy, onnxruntime and tokenizers, where torch is not installed."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from unimedi.cohort.reports.report import conclusion_first
from unimedi.errors import InputError, MissingError, StateError
from unimedi.inputs.plain_words import plain_words
from unimedi.inputs.stored_form import StoredForm

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SETTINGS: Final = "onnx.json"  # all that is not in the graphs; its presence says that a folder is in ONNX
TOKENIZER: Final = "tokenizer.json"
RADIOGRAPH, VOLUME, TEXT = "radiograph", "volume", "text"  # the graphs: files of these names with .onnx
# Fields of ``ImageOutput`` and their outputs of a graph, which may not be called as a node of a text encoder.
OUTPUTS: Final = {"embedding": "unit_vector", "slice_scores": "slice_scores", "selected": "selected"}
FORMAT: Final = 1
A = TypeVar("A")


class OnnxError(InputError):
    """A folder in ONNX that cannot be used; the sentence says why."""


class OnnxEmbedder:
    """Images and sentences to the embeddings that the model gives in torch, up to 1e-4. No state changes between calls.

    Args:
        folder: written by ``unimedi export``.
        batch_size: sentences of a pass, at most.

    Raises:
        MissingError: a file of it is not there.
        OnnxError: it is damaged, or of a later version.
        StateError: onnxruntime is not installed.
    """

    def __init__(self, folder: Path, batch_size: int = 64) -> None:
        self.folder, self.batch_size = Path(folder), batch_size
        settings = _settings(self.folder)
        self.preprocess = StoredForm.from_dict(settings["preprocess"])
        self.fingerprint: str = settings["model"]
        self.scale: float = settings["scale"]
        self._length: int = settings["text_length"]
        self._special: list[str] = settings["special_tokens"]
        self._padding: int = settings["padding"]
        self._tokenizer = _tokenizer(self.folder / TOKENIZER)
        self._sessions = {name: _session(self.folder / f"{name}.onnx") for name in (RADIOGRAPH, VOLUME, TEXT)}

    @property
    def size(self) -> int:
        """Dimensions of the embeddings."""
        return int(self._sessions[TEXT].get_outputs()[0].shape[1])

    def rows(self, stored: Sequence[NDArray[np.int16]]) -> list[dict[str, Any]]:
        """Embed one batch of arrays as the store keeps them, all 2-D or all 3-D.

        Returns:
            For each ``embedding`` (float32, unit length), and of volumes ``slice_scores`` and ``selected``: planes of
            the stored array. The last is missing where the model takes no slices.
        """
        session = self._sessions[RADIOGRAPH if stored[0].ndim == 2 else VOLUME]
        given = {output.name for output in session.get_outputs()}
        names = [name for name, output in OUTPUTS.items() if output in given]
        columns = session.run([OUTPUTS[name] for name in names], {"pixel_values": np.stack(stored)})
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def each(
        self, batches: Iterable[Sequence[tuple[A, NDArray[np.int16]]]]
    ) -> Iterator[list[tuple[A, dict[str, Any]]]]:
        """Embed batches of pairs as they come: what it is, and the array, in whose place a row comes back."""
        for batch in batches:
            rows = self.rows([stored for _, stored in batch])
            yield [(name, row) for (name, _), row in zip(batch, rows, strict=True)]

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Embed sentences or reports: float32 (sentences, dim), unit length."""
        rows = [np.zeros((0, self.size), np.float32)]
        for start in range(0, len(sentences), self.batch_size):
            tokens = self._tokens(sentences[start : start + self.batch_size])
            rows += self._sessions[TEXT].run([OUTPUTS["embedding"]], tokens)
        return np.concatenate(rows)

    def _tokens(self, sentences: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """As ``UniMediProcessor.text``: no control token comes of what is written; a long report is cut at its end,
        and begins with its impression."""
        self._tokenizer.no_truncation()
        lengths = [len(one.ids) for one in self._tokenizer.encode_batch(plain_words(sentences, self._special))]
        texts = [
            conclusion_first(text) if length > self._length else text
            for text, length in zip(sentences, lengths, strict=True)
        ]
        self._tokenizer.enable_truncation(self._length)
        encoded = self._tokenizer.encode_batch(plain_words(texts, self._special))
        ids = np.full((len(encoded), max(len(one.ids) for one in encoded)), self._padding, np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(encoded):
            ids[row, : len(one.ids)], mask[row, : len(one.ids)] = one.ids, 1
        return {"input_ids": ids, "attention_mask": mask}


def is_onnx(folder: Path) -> bool:
    """Whether a folder was written by ``unimedi export``."""
    return (folder / SETTINGS).is_file()


def _settings(folder: Path) -> dict[str, Any]:
    file = folder / SETTINGS
    if not file.is_file():
        raise MissingError(f"expected a folder that unimedi export wrote, with {SETTINGS}, found none in {folder}")
    try:
        settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        version = settings["format"]
    except (KeyError, TypeError, ValueError) as error:
        raise OnnxError(f"{file} is not that of an exported model, or damaged: {error}") from error
    if version != FORMAT:
        raise OnnxError(f"{file} is of format {version}, and this unimedi reads {FORMAT}: export the model again")
    return settings


def _session(file: Path) -> "InferenceSession":
    try:
        import onnxruntime
    except ImportError as error:
        raise StateError("a model in ONNX needs onnxruntime: pip install 'unimedi[onnx]'") from error
    if not file.is_file():
        raise MissingError(f"expected {file.name} beside {SETTINGS}, found none in {file.parent}")
    try:
        return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own types, which it does not document
        raise OnnxError(f"{file} is damaged: {str(error).splitlines()[0]}") from error


def _tokenizer(file: Path) -> Any:
    from tokenizers import Tokenizer

    if not file.is_file():
        raise MissingError(f"expected {file.name} beside {SETTINGS}, found none in {file.parent}")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # a plain Exception, whatever is wrong
        raise OnnxError(f"{file} is damaged: {error}") from error
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # what looks like one is read as words
    return tokenizer
