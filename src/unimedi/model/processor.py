"""Files, arrays and sentences become what the model takes: the same object in training, serving and the web."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import BatchEncoding, BatchFeature, PreTrainedTokenizerBase, PreTrainedTokenizerFast, ProcessorMixin

from unimedi.cohort.reports.report import conclusion_first
from unimedi.errors import InputError, MissingError
from unimedi.files.atomic import write_json
from unimedi.inputs.open_image import open_images
from unimedi.inputs.plain_words import open_texts, plain_words, special_tokens
from unimedi.inputs.preprocess import Preprocess
from unimedi.model.schema import SCHEMA_VERSION, SchemaError, version_of

FILE = "preprocessor_config.json"
AS_CLIP = {"return_tensors": "pt", "padding": True, "truncation": True}  # what a CLIP user writes, and gets anyway
AT_ONCE = 1000  # texts whose tokens are held in memory while they are counted


class UniMediProcessor(ProcessorMixin):  # type: ignore[misc]
    """``preprocess`` for images and ``tokenizer`` for text; saved in the folder of the model.

    A processor of transformers: ``AutoProcessor`` opens its folder, ``push_to_hub`` saves and sends it.
    """

    tokenizer: PreTrainedTokenizerBase

    def __init__(self, preprocess: Preprocess, tokenizer: PreTrainedTokenizerBase, text_length: int) -> None:
        super().__init__(tokenizer=tokenizer)
        self.preprocess, self.text_length = preprocess, text_length

    def __call__(self, images: Any = None, text: Any = None, spacing: Any = None, **as_clip: Any) -> BatchFeature:
        """What :meth:`UniMediModel.get_image_features` and ``get_text_features`` take.

        Args:
            images: one or a list, all radiographs or all volumes: a path, a PIL image, a :class:`Radiograph`, a
                :class:`Volume`, an array or tensor (2-D: a radiograph, dense is bright; 3-D: Hounsfield units, axes
                depth, height, width).
            text: a sentence or a list.
            spacing: of arrays, in mm an axis; required for 3-D ones.
            as_clip: ``return_tensors="pt"``, ``padding=True``, ``truncation=True``, as for a CLIP processor; nothing
                changes by them.

        Returns:
            ``pixel_values``, int16 as the store keeps them; ``input_ids`` and ``attention_mask``, int64 (n, words).

        Raises:
            TypeError, InputError: what was expected, what came, and which of several it was.
        """
        for word, value in as_clip.items():
            if word not in AS_CLIP or value != AS_CLIP[word]:
                known = ", ".join(f"{word}={value!r}" for word, value in AS_CLIP.items())
                raise TypeError(f"expected no other option than {known}, got {word}={value!r}")
        if images is None and text is None:
            raise InputError("expected images, text or both, got neither")
        out: dict[str, Tensor] = {}
        if images is not None:
            opened = open_images(images, spacing)
            if len({image.ndim for image in opened.values()}) != 1:
                kinds = ", ".join(f"{name} {image.ndim}-D" for name, image in opened.items())
                raise InputError(f"expected all radiographs or all volumes in one call, got a mixture: {kinds}")
            out |= self.from_stored([self.preprocess.stored(image) for image in opened.values()])
        if text is not None:
            out |= self.text(open_texts(text))
        return BatchFeature(out)

    def from_stored(self, stored: Sequence[NDArray[np.int16]]) -> dict[str, Tensor]:
        """``pixel_values`` of arrays as the store keeps them, int16, all 2-D or all 3-D: the model normalises them."""
        return {"pixel_values": torch.from_numpy(np.stack(stored))}

    def text(self, sentences: Sequence[str]) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask``, int64 (n, words), cut at ``text_length`` tokens.

        A report that is longer is read as a store keeps it, impression first: findings are what is cut then.
        """
        encoded = self._tokens(
            self._shortened(sentences), padding=True, truncation=True, max_length=self.text_length, return_tensors="pt"
        )
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}

    def lengths(self, sentences: Sequence[str]) -> list[int]:
        """How many tokens each has before any is cut."""
        parts = (list(sentences[start : start + AT_ONCE]) for start in range(0, len(sentences), AT_ONCE))
        return [len(ids) for part in parts for ids in self._tokens(part, verbose=False)["input_ids"]]

    def too_long(self, sentences: Sequence[str]) -> int:
        """How many of them are longer than ``text_length`` tokens and lose their end."""
        return sum(length > self.text_length for length in self.lengths(sentences))

    def _tokens(self, sentences: Sequence[str], **options: Any) -> BatchEncoding:
        """The one place where text becomes tokens: no control token comes of what is written."""
        tokens: BatchEncoding = self.tokenizer(
            plain_words(sentences, special_tokens(self.tokenizer)), split_special_tokens=True, **options
        )
        return tokens

    def _shortened(self, sentences: Sequence[str]) -> list[str]:
        return [
            conclusion_first(text) if length > self.text_length else text
            for text, length in zip(sentences, self.lengths(sentences), strict=True)
        ]

    @property
    def model_input_names(self) -> list[str]:
        return ["pixel_values", "input_ids", "attention_mask"]

    def to_dict(self) -> dict[str, Any]:
        """What :meth:`save_pretrained` writes beside the tokenizer's files."""
        return {
            "processor_class": type(self).__name__,
            "schema_version": SCHEMA_VERSION,
            "text_length": self.text_length,
            "preprocess": self.preprocess.to_dict(),
        }

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """Write ``preprocessor_config.json`` and the tokenizer's files; nothing is sent unless ``push_to_hub``.

        Args:
            save_directory: made if it is not there.
            push_to_hub: send it to a hub as well, as of transformers; ``kwargs`` go there (``repo_id``, ``token`` …).

        Returns:
            The files written.
        """
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        files = self.tokenizer.save_pretrained(folder)
        write_json(folder / FILE, self.to_dict())
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", folder.name), **kwargs)
        return [*files, str(folder / FILE)]

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **_: Any) -> "UniMediProcessor":
        """Read what :meth:`save_pretrained` wrote. What transformers says of caches and hubs is not looked at: nothing
        is downloaded. ``MissingError`` names what is missing, ``InputError`` what is another model's or damaged."""
        folder = pretrained_model_name_or_path
        path = Path(folder) / FILE
        if not path.is_file():
            raise MissingError(f"expected a pretrained UniMedI folder with {FILE}, found none in {folder}")
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            version_of(settings, str(path))
            preprocess, text_length = Preprocess.from_dict(settings["preprocess"]), int(settings["text_length"])
        except SchemaError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
            raise InputError(f"{path} is not that of a UniMedI model, or damaged: {said}") from error
        # Not AutoTokenizer: it would look in config.json for a text model and warn that it found ours.
        try:
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise InputError(f"{folder}: its tokenizer.json is not there or damaged") from error
        if tokenizer.pad_token is None:
            raise InputError(f"{folder}: its tokenizer_config.json is not there, or names no pad_token")
        return cls(preprocess, tokenizer, text_length)
