"""Augmentation: first draw everything, then apply. No flips: reports say left and right.

What is drawn is a value that a test can pass in; applying it is deterministic.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+")


@dataclass(frozen=True, slots=True)
class Augmentation:
    """``shift`` in pixels, one an axis (volumes also move along depth); intensities become ``gain * x + offset``."""

    shift: tuple[int, ...]
    gain: float
    offset: float


@dataclass(frozen=True)
class AugmentationRange:
    """Largest draws: ``shift`` as a share of each axis, ``gain`` around 1, ``offset`` in stored units (HU for CT)."""

    shift: float = 0.06
    gain: float = 0.1
    offset: float = 0.0


def draw(ranges: AugmentationRange, shape: tuple[int, ...], generator: np.random.Generator) -> Augmentation:
    limits = [int(size * ranges.shift) for size in shape]
    shift = tuple(int(generator.integers(-limit, limit + 1)) for limit in limits)
    return Augmentation(
        shift,
        1 + ranges.gain * float(generator.uniform(-1, 1)),
        ranges.offset * float(generator.uniform(-1, 1)),
    )


def apply(stored: NDArray[np.int16], drawn: Augmentation) -> NDArray[np.int16]:
    """Move the content by ``shift`` (edges are repeated into the gap) and change its intensities; int16."""
    moved = stored
    for axis, shift in enumerate(drawn.shift):
        if shift:
            index = np.clip(np.arange(stored.shape[axis]) - shift, 0, stored.shape[axis] - 1)
            moved = np.take(moved, index, axis=axis)
    if drawn.gain == 1 and drawn.offset == 0:
        return moved
    low = float(moved.min())
    changed = (moved.astype(np.float32) - low) * drawn.gain + (low + drawn.offset)
    whole: NDArray[np.float32] = np.clip(np.rint(changed), -32768, 32767)
    return whole.astype(np.int16)


def draw_sentences(report: str, keep: float, generator: np.random.Generator) -> str:
    """A report with each sentence kept with probability ``keep`` (at least one) in random order.

    Findings are stated in single sentences and asked for in single sentences (zero-shot prompts), so the encoder must
    not lean on the length or the order of a report. ``keep`` of 1 returns the report as it is.
    """
    if keep >= 1:
        return report
    sentences = [part for part in _SENTENCE_END.split(report.strip()) if part]
    order = generator.permutation(len(sentences))
    count = max(1, int(generator.binomial(len(sentences), keep))) if sentences else 0
    return " ".join(sentences[i] for i in order[:count]) or report
