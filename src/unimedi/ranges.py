"""The values that a number may take, said where the number is declared: on the command line and in settings alike."""

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from unimedi.errors import InputError


@dataclass(frozen=True, slots=True)
class Range:
    """Finite numbers from ``low`` to ``high``, whole ones unless ``real``; ``above`` leaves out ``low`` itself,
    ``below`` leaves out ``high``. As argparse's ``type`` it reads a word of a command line."""

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

    def __call__(self, word: str) -> Any:
        """The number that ``word`` writes; argparse prints the sentence otherwise."""
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


def check_ranges(settings: object, ranges: Mapping[str, Range]) -> None:
    """Every field of ``ranges`` (``section.field``), each of its numbers where it holds several; None is passed over.

    Raises:
        ValueError: a number out of its range; the sentence names the field, the range and the number.
    """
    for name, allowed in ranges.items():
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        for one in value if isinstance(value, tuple | list) else (value,):
            if one is not None and one not in allowed:
                raise InputError(f"{name}: expected {allowed}, got {one}")
