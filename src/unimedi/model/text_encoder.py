"""E_l: a BERT-like reader of reports, and the tokenizer that goes with it (UniMedI, section 3.1).

With a name or a folder the encoder is any pretrained BERT-like model (the paper: Bio_ClinicalBERT). Without one, as
behind a firewall, it is a small BERT from scratch with a WordPiece vocabulary learnt from the cohort's own reports.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from tokenizers import BertWordPieceTokenizer
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    BertTokenizerFast,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as READ_BOTH_WAYS
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from unimedi.model import attention
from unimedi.model.pretrained import PretrainedError, opened, refuse_architecture, refuse_missing

# BERT's 0.02 makes all words nearly alike after the embeddings' LayerNorm; from scratch the words must differ.
WORD_EMBEDDING_STD = 0.5
LENGTH_GROUPS = 4  # the demo's reports have 45 tokens on average, padded to 80
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
KIND = "a BERT-like text model"


def learn_tokenizer(reports: Iterable[str], vocabulary: int, length: int) -> BertTokenizerFast:
    """A WordPiece vocabulary of at most ``vocabulary`` entries learnt from ``reports``; deterministic."""
    texts = list(reports)
    learner = BertWordPieceTokenizer(lowercase=True, strip_accents=True)
    letters = sorted(set("".join(learner.normalize(text) for text in texts)) - set(" "))
    # The learner numbers continuations in the order of a hash map and breaks ties by number, so two runs would differ:
    # naming them as special tokens fixes their numbers.
    fixed = [*SPECIAL_TOKENS, *(f"##{letter}" for letter in letters)]
    learner.train_from_iterator(texts, vocabulary, min_frequency=2, special_tokens=fixed, show_progress=False)
    vocab = learner.get_vocab()
    return BertTokenizerFast(vocab=vocab, do_lower_case=True, strip_accents=True, model_max_length=length)


def load_tokenizer(name_or_folder: str | Path, length: int, *, download: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer of a pretrained text model; only a local folder or cache unless ``download``.

    Where nothing says whether words are lower-cased, a vocabulary with capital letters is read as it is written:
    transformers would lower them all. Bio_ClinicalBERT is such a folder. Raises ``PretrainedError``.
    """
    where: dict[str, Any] = {"local_files_only": not download}
    with opened(name_or_folder, KIND):
        tokenizer = AutoTokenizer.from_pretrained(name_or_folder, model_max_length=length, **where)
        said = "do_lower_case" in get_tokenizer_config(name_or_folder, **where)
        if not said and _lowers(tokenizer) and _is_cased(tokenizer):
            tokenizer = AutoTokenizer.from_pretrained(
                name_or_folder, model_max_length=length, do_lower_case=False, **where
            )
    # Whatever the folder says: a report is cut at its end, and its padding comes behind it (TextEncoder.forward).
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # transformers makes one up where the files are missing
        raise PretrainedError(f"{name_or_folder} holds no vocabulary: expected tokenizer.json or vocab.txt in it")
    if tokenizer.pad_token is None:
        raise PretrainedError(f"{name_or_folder}: its tokenizer_config.json names no pad_token, as [PAD] of a BERT is")
    return tokenizer


def _lowers(tokenizer: PreTrainedTokenizerBase) -> bool:
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    return normalizer is not None and normalizer.normalize_str("A") == "a"


def _is_cased(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether it holds a word with a capital letter; [CLS] and its like are none."""
    words = (word for word in tokenizer.get_vocab() if not word.startswith("["))
    return any(word.isascii() and word != word.lower() for word in words)


def scratch_text_config(vocabulary: int, length: int, **sizes: int) -> dict[str, Any]:
    """The configuration of a small BERT from scratch."""
    config = AutoConfig.for_model("bert", vocab_size=vocabulary, max_position_embeddings=length, **sizes)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    return dict(config.to_dict())


def pretrained_text_config(
    name_or_folder: str | Path, words: int, length: int, *, download: bool = False
) -> dict[str, Any]:
    """Its configuration; ``PretrainedError`` where it has no vector for a word of ``words``, or a place of ``length``.

    A model without a table of positions takes any length.
    """
    with opened(name_or_folder, KIND):
        loaded = AutoConfig.from_pretrained(name_or_folder, local_files_only=not download)
    config = dict(loaded.to_dict())
    if config["model_type"] not in READ_BOTH_WAYS or config.get("is_encoder_decoder"):
        refuse_architecture(name_or_folder, KIND, config["model_type"])
    if config.get("is_decoder"):
        refuse_architecture(name_or_folder, KIND, f"{config['model_type']}, is_decoder: it reads one way")
    if words > config["vocab_size"]:
        raise PretrainedError(
            f"{name_or_folder}: its tokenizer has {words} words, its model vectors for {config['vocab_size']}"
        )
    places = config.get("max_position_embeddings", length) - _before_the_first_place(loaded)
    if length > places:
        raise PretrainedError(
            f"{name_or_folder} reads {places} tokens at most, got model.text_length {length}: lower it to that"
        )
    return config


def _before_the_first_place(config: PreTrainedConfig) -> int:
    """Rows of the table of positions that no token has: RoBERTa's kin begin to count behind that of the padding."""
    with torch.device("meta"):
        bert = AutoModel.from_config(config)
    tables = [table for name, table in bert.named_modules() if name.endswith("position_embeddings")]
    return max((1 + i for i in (getattr(table, "padding_idx", None) for table in tables) if i is not None), default=0)


class TextEncoder(nn.Module):
    """E_l: the tokens of a report to one vector.

    Args:
        text: the configuration of a BERT-like model, with its ``model_type``.
        pooling: ``cls``, the state of [CLS], or ``mean``, over all tokens of the report.
    """

    def __init__(self, text: dict[str, Any], pooling: str) -> None:
        super().__init__()
        # Not the type that its weights were saved in: training moves a bf16 weight by nothing, most of the time.
        settings = {key: value for key, value in text.items() if key not in ("model_type", "dtype", "torch_dtype")}
        config = AutoConfig.for_model(text["model_type"], **settings)
        self.bert = AutoModel.from_config(config)
        if (
            self.bert._supports_attention_backend
        ):  # to others (Longformer, MPNet …) ours would give masks of another kind
            self.bert.set_attn_implementation(attention.NAME)
        self.pooling = pooling
        self.hidden_size: int = self.bert.config.hidden_size
        if getattr(self.bert, "pooler", None) is not None:
            self.bert.pooler = None  # a tanh layer for next-sentence prediction: never used, never trained

    @torch.no_grad()
    def spread_word_embeddings(self) -> None:
        """What a from-scratch encoder starts with: word vectors of standard deviation ``WORD_EMBEDDING_STD``."""
        words = self.bert.get_input_embeddings().weight
        words.mul_(WORD_EMBEDDING_STD / self.bert.config.initializer_range)

    def load_pretrained(self, name_or_folder: str | Path, *, download: bool = False) -> None:
        """Take the weights of a pretrained model of the same configuration (safetensors only)."""
        with opened(name_or_folder, KIND):
            other, found = AutoModel.from_pretrained(
                name_or_folder, local_files_only=not download, use_safetensors=True, output_loading_info=True
            )
        refuse_missing(found["missing_keys"], name_or_folder, KIND)
        missing = self.bert.load_state_dict(other.state_dict(), strict=False).missing_keys
        refuse_missing(missing, name_or_folder, KIND)

    def forward(
        self, input_ids: Int[Tensor, "n words"], attention_mask: Int[Tensor, "n words"]
    ) -> Float[Tensor, "n hidden"]:
        """Vectors of reports or prompts.

        Args:
            input_ids: of the tokenizer, padded at the end.
            attention_mask: 1 on tokens, 0 on padding.

        Training reads in ``LENGTH_GROUPS`` groups of like length: a report then costs what it has to say, not what the
        longest of its batch has.
        """
        if not self.training:
            return self.pool(self.words(input_ids, attention_mask), attention_mask)
        lengths = attention_mask.sum(1)
        order = lengths.argsort(stable=True)
        vectors = []
        for rows in order.tensor_split(LENGTH_GROUPS):
            if len(rows):
                longest = max(1, int(lengths[rows[-1]]))  # masks are ones, then zeros
                mask = attention_mask[rows, :longest]
                vectors.append(self.pool(self.words(input_ids[rows, :longest], mask), mask))
        return torch.cat(vectors)[order.argsort()]

    def words(
        self, input_ids: Int[Tensor, "n words"], attention_mask: Int[Tensor, "n words"]
    ) -> Float[Tensor, "n words hidden"]:
        states: Tensor = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states

    def pool(
        self, states: Float[Tensor, "n words hidden"], attention_mask: Int[Tensor, "n words"]
    ) -> Float[Tensor, "n hidden"]:
        if self.pooling == "cls":
            return states[:, 0]
        words = attention_mask.unsqueeze(-1).to(states.dtype)
        return (states * words).sum(1) / words.sum(1).clamp(min=1)
