"""A report is words and nothing else: what a tokenizer would take for a control token becomes an ordinary word.

De-identifiers write [MASK] or [PAD] where a name stood. Read as BERT's own tokens these would end the report, or hide
a part of it.
"""

import re
from collections.abc import Iterable
from string import punctuation
from typing import Any

from unimedi.errors import InputError
from unimedi.inputs.open_image import named


def open_texts(texts: Any) -> list[str]:
    """One sentence or a sequence of them, checked.

    Raises:
        TypeError: it is no string.
        InputError: none was given, or half a character; both say which of several it was.
    """
    sentences = named(texts, "text", "text")
    for name, sentence in sentences.items():
        if not isinstance(sentence, str):
            raise TypeError(f"{name}: expected a string, got {type(sentence).__name__}")
        try:
            sentence.encode()
        except UnicodeEncodeError as error:
            told = f"{name}: expected Unicode text, got half a character at place {error.start}"
            raise InputError(told) from None
    return list(sentences.values())


def plain_words(sentences: Iterable[str], special: Iterable[str]) -> list[str]:
    """The sentences with every token of ``special`` as a word: ``[MASK]`` as ``MASK``, ``</s>`` as ``s``.

    Without the brackets, as these would be [UNK] to a vocabulary that never saw them. Of a special token without
    any, the tokenizer's own ``split_special_tokens`` takes care.
    """
    found = re.compile("|".join(re.escape(token) for token in sorted(special, key=len, reverse=True)) or r"(?!)")
    return [found.sub(lambda match: f" {match[0].strip(punctuation)} ", sentence) for sentence in sentences]


def special_tokens(tokenizer: Any) -> set[str]:
    """Those of a tokenizer of transformers."""
    added = tokenizer.added_tokens_decoder.values()
    return {*tokenizer.all_special_tokens, *(token.content for token in added if token.special)}
