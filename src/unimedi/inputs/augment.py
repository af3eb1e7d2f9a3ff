"""Augmentation: first draw everything, then apply. No flips: reports say left and right.

What is drawn is a value that a test can pass in; applying it is deterministic.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unimedi.inputs.batch_recipe import AugmentationRange

_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+")


@dataclass(frozen=True, slots=True)
class Augmentation:
    """``shift`` in pixels, one an axis (volumes also move along depth); intensities become ``gain * x + offset``."""

    shift: tuple[int, ...]
    gain: float
    offset: float


def draw(ranges: AugmentationRange, shape: tuple[int, ...], generator: np.random.Generator) -> Augmentation:
    limits = [int(size * ranges.shift) for size in shape]
    shift = tuple(int(generator.integers(-limit, limit + 1)) for limit in limits)
    return Augmentation(
        shift,
        1 + ranges.gain * float(generator.uniform(-1, 1)),
        ranges.offset * float(generator.uniform(-1, 1)),
    )


def apply(stored: NDArray[np.int16], drawn: Augmentation, out: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
    """Move the content by ``shift`` (edges are repeated into the gap) and change its intensities; int16.

    ``out`` takes the result: its place in a batch, so that a volume of a million voxels is not copied once more.
    """
    out = np.empty_like(stored) if out is None else out
    moved = _move(stored, drawn.shift)
    if drawn.gain == 1 and drawn.offset == 0:
        out[...] = moved
        return out
    low = float(moved.min())
    changed = np.multiply(moved, np.float32(drawn.gain), dtype=np.float32)
    changed += low + drawn.offset - low * drawn.gain
    np.rint(changed, out=changed)
    np.clip(changed, -32768, 32767, out=changed)
    np.copyto(out, changed, casting="unsafe")
    return out


def _move(stored: NDArray[np.int16], shift: tuple[int, ...]) -> NDArray[np.int16]:
    """One copy of what stays inside, then the gap of each axis filled from the plane next to it."""
    if not any(shift):
        return stored
    moved = np.empty_like(stored)
    inside = tuple(slice(max(s, 0), n + min(s, 0)) for s, n in zip(shift, stored.shape, strict=True))
    source = tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in zip(shift, stored.shape, strict=True))
    moved[inside] = stored[source]
    for axis, (s, kept) in enumerate(zip(shift, inside, strict=True)):
        gap, edge = (slice(0, kept.start), kept.start) if s > 0 else (slice(kept.stop, None), kept.stop - 1)
        before, behind = (slice(None),) * axis, inside[axis + 1 :]
        moved[(*before, gap, *behind)] = moved[(*before, slice(edge, edge + 1), *behind)]
    return moved


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
