"""Files, arrays and sentences become what the model takes: the same object in training, serving and the web."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from unimedi.cohort.report import sections, training_text
from unimedi.cohort.study import Report
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.read import read_image
from unimedi.inputs.preprocess import Preprocess

FILE = "preprocessor_config.json"
AT_ONCE = 1000  # texts whose tokens are held in memory while they are counted

ImageLike = str | Path | Radiograph | Volume | NDArray[Any]


class UniMediProcessor:
    """``preprocess`` for images and ``tokenizer`` for text; saved in the folder of the model."""

    def __init__(self, preprocess: Preprocess, tokenizer: PreTrainedTokenizerBase, text_length: int) -> None:
        self.preprocess, self.tokenizer, self.text_length = preprocess, tokenizer, text_length

    def __call__(
        self,
        images: ImageLike | Sequence[ImageLike] | None = None,
        text: str | Sequence[str] | None = None,
        spacing: Sequence[float] | None = None,
    ) -> dict[str, Tensor]:
        """Tensors by the names of :meth:`UniMediModel.get_image_features` and ``get_text_features``.

        ``images`` is a path (file or folder of a DICOM series), a :class:`Radiograph`, a :class:`Volume`, an array
        (2-D: radiograph, dense bright; 3-D: Hounsfield units, axes as in :mod:`unimedi.imaging.image`) or a list of
        these, all radiographs or all volumes. ``spacing`` in mm goes with arrays: required for 3-D ones.
        """
        if images is None and text is None:
            raise ValueError("expected images, text or both, got neither")
        out: dict[str, Tensor] = {}
        if images is not None:
            several = images if isinstance(images, Sequence) and not isinstance(images, str) else [images]
            opened = [open_image(image, spacing) for image in several]
            if len({image.ndim for image in opened}) != 1:
                raise ValueError("expected all radiographs or all volumes in one call, got a mixture")
            out |= self.from_stored([self.preprocess.stored(image) for image in opened])
        if text is not None:
            out |= self.text([text] if isinstance(text, str) else list(text))
        return out

    def from_stored(self, stored: Sequence[NDArray[np.int16]]) -> dict[str, Tensor]:
        """Model inputs of arrays as the store keeps them, all 2-D or all 3-D."""
        batch = torch.from_numpy(np.stack(stored))
        return {"fine": batch} if batch.ndim == 4 else {"radiographs": self.preprocess.radiographs(batch)}

    def text(self, sentences: Sequence[str]) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask``, int64 (n, words), cut at ``text_length`` tokens.

        A report that is longer is read as a store keeps it and impression first: findings are what is cut then.
        """
        encoded = self.tokenizer(
            self._shortened(sentences), padding=True, truncation=True, max_length=self.text_length, return_tensors="pt"
        )
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}

    def lengths(self, sentences: Sequence[str]) -> list[int]:
        """How many tokens each has before any is cut."""
        parts = (list(sentences[start : start + AT_ONCE]) for start in range(0, len(sentences), AT_ONCE))
        return [len(ids) for part in parts for ids in self.tokenizer(part, verbose=False)["input_ids"]]

    def too_long(self, sentences: Sequence[str]) -> int:
        """How many of them are longer than ``text_length`` tokens and lose their end."""
        return sum(length > self.text_length for length in self.lengths(sentences))

    def _shortened(self, sentences: Sequence[str]) -> list[str]:
        return [
            _impression_first(text) if length > self.text_length else text
            for text, length in zip(sentences, self.lengths(sentences), strict=True)
        ]

    def save_pretrained(self, folder: str | Path) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save_pretrained(folder)
        settings = {
            "processor_class": "UniMediProcessor",
            "text_length": self.text_length,
            "preprocess": self.preprocess.to_dict(),
        }
        temporary = folder / f".{FILE}.tmp"
        temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, folder / FILE)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "UniMediProcessor":
        """Read what :meth:`save_pretrained` wrote; ``FileNotFoundError`` names what is missing."""
        path = Path(folder) / FILE
        if not path.is_file():
            raise FileNotFoundError(f"expected a pretrained UniMedI folder with {FILE}, found none in {folder}")
        settings = json.loads(path.read_text(encoding="utf-8"))
        # Not AutoTokenizer: it would look in config.json for a text model and warn that it found ours.
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        return cls(Preprocess.from_dict(settings["preprocess"]), tokenizer, settings["text_length"])


def _impression_first(text: str) -> str:
    """A report as the store keeps it, behind its impression; a text that has none stays as it is."""
    impression = sections(text).impression
    if not impression:
        return text
    stored = training_text(Report(text))
    return stored if stored.startswith(impression) else f"{impression} {stored}"


def open_image(image: ImageLike, spacing: Sequence[float] | None = None) -> Radiograph | Volume:
    """Anything a user may hold, as a radiograph or a volume in physical units."""
    if isinstance(image, str | Path):
        return read_image(Path(image))
    if isinstance(image, Radiograph | Volume):
        return image
    if image.ndim == 2:
        return Radiograph(image.astype(np.float32), (spacing[0], spacing[1]) if spacing else None)
    if image.ndim == 3:
        if spacing is None or len(spacing) != 3:
            raise ValueError(f"expected spacing=(depth, height, width) in mm with a 3-D array, got {spacing}")
        voxels = np.clip(np.rint(image), -32768, 32767).astype(np.int16)
        return Volume(voxels, (float(spacing[0]), float(spacing[1]), float(spacing[2])))
    raise ValueError(f"expected a radiograph (height, width) or a volume (depth, height, width), got {image.ndim}-D")
