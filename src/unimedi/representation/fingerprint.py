"""One hash of all that an embedding depends on: weights, means, settings, preprocessing and vocabulary."""

import hashlib
import json
from typing import Any

from transformers import PreTrainedTokenizerBase

from unimedi.model.config import FIELDS
from unimedi.model.processor import UniMediProcessor
from unimedi.model.unimedi import UniMediModel

# Keys of a text model's configuration on its file: who wrote it, and the type of its weights.
ABOUT_THE_FILE = {"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"}


def model_fingerprint(model: UniMediModel, processor: UniMediProcessor) -> str:
    """Sha256: two tables may be compared only where it is equal.

    Of values and not of bytes, so the same weights held in another type are the same model.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().float().numpy().tobytes())
    settings = {
        "config": {name: _settings(getattr(model.config, name)) for name in FIELDS},
        "preprocess": processor.preprocess.to_dict(),
        "text_length": processor.text_length,
        "tokenizer": _vocabulary(processor.tokenizer),
    }
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _settings(config: Any) -> Any:
    """A value of a configuration, and those within it, without what says nothing of the model."""
    if isinstance(config, dict):
        return {str(key): _settings(value) for key, value in config.items() if key not in ABOUT_THE_FILE}
    return [_settings(value) for value in config] if isinstance(config, list | tuple) else config


def _vocabulary(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """All words, and the rules by which texts become words; not how the last call padded and cut."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(backend.to_str()) if backend is not None else {}
    return {
        "words": tokenizer.get_vocab(),
        "special": tokenizer.special_tokens_map,
        "sides": (tokenizer.padding_side, tokenizer.truncation_side),
        "rules": {key: value for key, value in rules.items() if key not in ("padding", "truncation")},
    }
