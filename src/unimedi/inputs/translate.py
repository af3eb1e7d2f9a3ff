"""Sentences translated by a model from a local folder: Marian, T5, BART or any other sequence-to-sequence model."""

import hashlib
from pathlib import Path

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from unimedi.errors import MissingError
from unimedi.inputs.plain_words import plain_words, special_tokens

LONGEST = 512  # tokens of a translated sentence


class ModelTranslator:
    """A function of sentences, greedy and so deterministic; ``name`` changes with the model's weights."""

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            raise MissingError(f"{folder}: no such folder; a translation model is read from disk, never downloaded")
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        self.model = model.eval()
        weights = hashlib.sha256()
        for file in sorted(folder.glob("*.safetensors")):
            with file.open("rb") as content:
                weights.update(hashlib.file_digest(content, "sha256").digest())
        self.name = f"{folder.name}-{weights.hexdigest()[:12]}"

    @torch.inference_mode()
    def __call__(self, sentences: list[str]) -> list[str]:
        plain = plain_words(sentences, special_tokens(self.tokenizer))
        words = self.tokenizer(plain, return_tensors="pt", padding=True, truncation=True)
        room = getattr(self.model.config, "max_position_embeddings", LONGEST + 1) - 1
        found = self.model.generate(**words, num_beams=1, do_sample=False, max_new_tokens=min(LONGEST, room))
        return list(self.tokenizer.batch_decode(found, skip_special_tokens=True))
