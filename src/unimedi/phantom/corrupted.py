"""CT volumes corrupted as archives corrupt them: scaled twice or wrongly, mirrored, cut off. To test checks with."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from unimedi.imaging.image import Volume

AIR, TOP = -1024, 3071  # the 12-bit scale that a second writing clips to
SLOPES = (0.5, 0.75, 1.3, 2.0)  # the nearest to 1 that differ by more than fat and muscle do


def corrupt(how: str, volume: Volume, rng: np.random.Generator) -> Volume:
    """``volume`` corrupted by one of :data:`CORRUPTIONS`; by how much is drawn from ``rng``."""
    return CORRUPTIONS[how](volume, rng)


def scaled_twice(volume: Volume, rng: np.random.Generator) -> Volume:
    """The intercept taken off once more, with and without clipping to 12 bits."""
    again = volume.voxels.astype(np.float32) + float(rng.choice([-1024.0, -1000.0]))
    return _of(np.clip(again, AIR, TOP) if rng.random() < 0.5 else again, volume)


def wrong_slope(volume: Volume, rng: np.random.Generator) -> Volume:
    """Stored values (HU + 1024) times a slope that is not theirs."""
    return _of((volume.voxels.astype(np.float32) - AIR) * float(rng.choice(SLOPES)) + AIR, volume)


def wrapped(volume: Volume, rng: np.random.Generator) -> Volume:
    """Signed values read as unsigned, and clipped to what a signed reader can hold."""
    unsigned = volume.voxels.astype(np.int32) % 65536
    return _of(unsigned.astype(np.float32), volume)


def flipped(volume: Volume, rng: np.random.Generator) -> Volume:
    """One axis mirrored, each with the same chance."""
    return Volume(np.ascontiguousarray(np.flip(volume.voxels, int(rng.integers(3)))), volume.spacing)


def truncated(volume: Volume, rng: np.random.Generator) -> Volume:
    """A third to a half of the height gone at one end, or of the width at one side."""
    depth, _, width = volume.voxels.shape
    share = float(rng.uniform(0.33, 0.5))
    cuts: list[tuple[slice, ...]] = [
        (slice(round(share * depth), None),),
        (slice(None, depth - round(share * depth)),),
        (slice(None), slice(None), slice(round(share * width), None)),
        (slice(None), slice(None), slice(None, width - round(share * width))),
    ]
    return Volume(np.ascontiguousarray(volume.voxels[cuts[int(rng.integers(4))]]), volume.spacing)


CORRUPTIONS: Mapping[str, Callable[[Volume, np.random.Generator], Volume]] = {
    "scaled_twice": scaled_twice,
    "flipped": flipped,
    "truncated": truncated,
    "wrong_slope": wrong_slope,
    "wrapped": wrapped,
}


def _of(values: NDArray[np.float32], volume: Volume) -> Volume:
    return Volume(np.clip(np.rint(values), -32768, 32767).astype(np.int16), volume.spacing)
