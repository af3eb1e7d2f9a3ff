"""Errors that a sentence explains, and the nearest known word to one that is not known."""

import difflib
from collections.abc import Callable, Iterable


class UnimediError(Exception):
    """The message is a sentence for whoever typed the command: what was expected, what came, from which record."""


class InputError(UnimediError, ValueError):
    """A value that cannot be used."""


class MissingError(UnimediError, FileNotFoundError):
    """A file, a folder or a name that is not there."""


class StateError(UnimediError, RuntimeError):
    """Something stands in a state in which this cannot be done."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6, alike: Callable[[str], str] = str) -> str:
    """`` (did you mean '…'?)`` where a known word is near, else nothing.

    Args:
        word: what was written.
        known: what could have been meant.
        cutoff: least similarity, 0 to 1, of ``difflib.SequenceMatcher``.
        alike: what is compared of each word: ``str.casefold`` where upper and lower case are the same.
    """
    compared = {alike(name): name for name in reversed(list(known))}  # of two that are compared as the same, the first
    near = difflib.get_close_matches(alike(word), list(compared), 1, cutoff)
    return f" (did you mean {compared[near[0]]!r}?)" if near else ""
