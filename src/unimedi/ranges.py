"""Which values a number may take: said where the number is declared, for the command line and for settings alike."""

import argparse
import math
from dataclasses import dataclass, is_dataclass
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from unimedi.errors import InputError


@dataclass(frozen=True, repr=False)
class Range:
    """Finite numbers from ``low`` to ``high``, both included; whole numbers unless ``real``.

    A field says it as ``Annotated[int, Range(1, 8)]``. As argparse's ``type`` it reads a word of a command line.

    Args:
        low: the smallest number, itself left out with ``above``.
        high: the largest number, itself left out with ``below``.
        real: numbers with a fraction, too.
    """

    low: int | float = 0
    high: int | float = math.inf
    real: bool = False
    above: bool = False
    below: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or not math.isfinite(value):
            return False
        if not self.real and value != int(value):
            return False
        over = value > self.low if self.above else value >= self.low
        under = value < self.high if self.below else value <= self.high
        return over and under

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        kind = "a number" if self.real else "a whole number"
        first = f"above {self.low:g}" if self.above else f"from {self.low:g}"
        if self.high == math.inf:
            return f"{kind} {first}" if self.above else f"{kind} {first} on"
        return f"{kind} {first} {self._last()} {self.high:.10g}"

    def _last(self) -> str:
        if self.below:
            return "and below"
        return "and up to" if self.above else "to"

    def __call__(self, word: str | int | float) -> Any:
        """The number that ``word`` writes, or is; argparse prints the sentence otherwise."""
        try:
            value = float(word) if self.real else int(word)
        except ValueError:
            value = math.nan
        if value not in self:
            raise argparse.ArgumentTypeError(f"expected {self}, got {word!r}")
        return value


def at_least(low: int) -> Range:
    """Whole numbers from ``low`` on."""
    return Range(low)


SEED: Final = Range(0, 2**32 - 1)
POSITIVE: Final = Range(0, real=True, above=True)
NOT_NEGATIVE: Final = Range(0, real=True)
SHARE: Final = Range(0, 1, real=True)
SOME_SHARE: Final = Range(0, 1, real=True, above=True)
PART: Final = Range(0, 1, real=True, below=True)


def check_settings(settings: object, prefix: str = "", of: type | None = None) -> None:
    """Check each field of a dataclass, and of the dataclasses in it, against what its type says.

    ``Literal[...]`` says the choices, ``Annotated[int, at_least(1)]`` the range, also of each value of a tuple; None
    is left alone.

    Args:
        settings: an instance of a dataclass.
        prefix: of the names in the sentence.
        of: a base class whose fields are checked, and no others.

    Raises:
        InputError: a value that is none of them; the sentence names the field, what was expected and what came.
    """
    for name, hint in get_type_hints(of or type(settings), include_extras=True).items():
        value = getattr(settings, name)
        if is_dataclass(value):
            check_settings(value, f"{prefix}{name}.")
            continue
        values = value if isinstance(value, tuple | list) else (value,)
        choices = get_args(hint)[0] if get_origin(hint) is tuple else hint
        for one in values if get_origin(choices) is Literal else ():
            if one not in get_args(choices):
                raise InputError(f"{prefix}{name}: expected one of {', '.join(get_args(choices))}, got {one!r}")
        for allowed in (mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Range)):
            if wrong := [one for one in values if one is not None and one not in allowed]:
                raise InputError(f"{prefix}{name}: expected {allowed}, got {wrong[0]}")
