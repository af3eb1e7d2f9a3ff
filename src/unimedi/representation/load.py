"""One line in Python: a run, a pretrained folder or an export opens, and gives unit vectors of files and sentences."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unimedi.errors import InputError
from unimedi.inputs.open_image import open_images
from unimedi.inputs.plain_words import open_texts
from unimedi.inputs.stored_form import StoredForm
from unimedi.representation.onnx_embedder import OnnxEmbedder, is_onnx

if TYPE_CHECKING:
    from unimedi.representation.embedder import Embedder

BATCH = 8  # images of a pass


class LoadedModel:
    """Images and sentences as vectors of one space, whatever runs the model.

    Args:
        embedder: by torch, or by onnxruntime.
        preprocess: what brings an image to its stored form (``stored``).
    """

    def __init__(self, embedder: "Embedder | OnnxEmbedder", preprocess: StoredForm) -> None:
        self.embedder, self.preprocess = embedder, preprocess

    def images(self, images: Any, spacing: Any = None) -> NDArray[np.float32]:
        """Embed images, X-rays and CTs mixed as they come.

        Args:
            images: one or a list: a path (a file, a folder or zip of a DICOM series), a PIL image, an array or tensor
                (2-D: a radiograph; 3-D: Hounsfield units, axes depth, height, width).
            spacing: of arrays, in mm an axis; required for 3-D ones.

        Returns:
            (images, dim), each row of unit length, in the order given.

        Raises:
            TypeError, InputError: what was expected, what came, and which of several it was.
        """
        stored = [self.preprocess.stored(image) for image in open_images(images, spacing).values()]
        batches: list[list[tuple[int, NDArray[np.int16]]]] = []
        for ndim in (2, 3):
            found = [(place, array) for place, array in enumerate(stored) if array.ndim == ndim]
            batches += [found[start : start + BATCH] for start in range(0, len(found), BATCH)]
        vectors = {place: row["embedding"] for batch in self.embedder.each(batches) for place, row in batch}
        return np.stack([vectors[place] for place in range(len(stored))])

    def texts(self, texts: Any) -> NDArray[np.float32]:
        """Embed a sentence or report, or a list of them: (texts, dim), each row of unit length."""
        return self.embedder.texts(open_texts(texts))

    def similarity(self, images: Any, texts: Any, spacing: Any = None) -> NDArray[np.float32]:
        """Cosines of every image with every text, -1 to 1: (images, texts)."""
        return self.images(images, spacing) @ self.texts(texts).T


def load(folder: str | Path, devices: int | None = 1) -> LoadedModel:
    """Open a model: ``unimedi.load("runs/demo").similarity("chest.dcm", ["Pneumothorax.", "No pneumothorax."])``.

    Args:
        folder: a run, a pretrained folder, or what ``unimedi export`` wrote, which needs no torch.
        devices: GPUs, or copies on the CPU, that many images are dealt out to; None takes all GPUs. An export is on
            the CPU.

    Raises:
        InputError: there are not so many devices.
        MissingError: no model is there.
        PretrainedError, OnnxError: it is damaged, or of another version.
    """
    folder = Path(folder)
    if is_onnx(folder):
        if devices not in (None, 1):
            raise InputError(f"{folder}: an export is encoded on the CPU, once; {devices} devices take a run's model")
        exported = OnnxEmbedder(folder)
        return LoadedModel(exported, exported.preprocess)
    from unimedi.representation.devices import find_devices
    from unimedi.representation.embedder import Embedder

    embedder = Embedder.from_pretrained(folder, devices=find_devices(devices))
    return LoadedModel(embedder, embedder.processor.preprocess)
