"""Errors that a sentence explains, and the nearest known word to one that is not known."""

import difflib
from collections.abc import Iterable


class UnimediError(Exception):
    """The message is a sentence for whoever typed the command: what was expected, what came, from which record."""


class InputError(UnimediError, ValueError):
    """A value that cannot be used."""


class MissingError(UnimediError, FileNotFoundError):
    """A file, a folder or a name that is not there."""


class StateError(UnimediError, RuntimeError):
    """Something stands in a state in which this cannot be done."""


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean '…'?)`` where a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
