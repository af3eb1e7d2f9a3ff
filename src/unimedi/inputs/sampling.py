"""Which studies a step sees, and the generator of its draws: pure functions of seed and step, so that resuming needs no
state.

A stream is the studies of one kind of image of the training split. Position p of a stream lies in epoch
``p // length``; each epoch is a permutation of its own. The order does not depend on workers,
ranks or where the run was stopped; nor does any draw, for the micro-batches of a step are numbered across all ranks.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray


@lru_cache(maxsize=8)
def _permutation(length: int, seed: int, stream: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, stream, epoch]).permutation(length)


def study_at(studies: Sequence[int], seed: int, stream: int, position: int) -> int:
    """The study at ``position`` of the endless stream over ``studies``."""
    epoch, place = divmod(position, len(studies))
    return studies[int(_permutation(len(studies), seed, stream, epoch)[place])]


def drawn(studies: Sequence[int], most: int, seed: int) -> list[int]:
    """At most ``most`` of ``studies``, drawn at random, in their order: the first of a manifest are of one source or
    disease where somebody has sorted it. A function of its arguments, like all draws here."""
    if len(studies) <= most:
        return list(studies)
    places = np.random.default_rng([seed, len(studies)]).choice(len(studies), most, replace=False)
    return [studies[int(place)] for place in np.sort(places)]


def micro_batch_studies(studies: Sequence[int], seed: int, stream: int, number: int, size: int) -> list[int]:
    """The ``size`` studies of micro-batch ``number`` of a run, whichever rank takes it."""
    return [study_at(studies, seed, stream, number * size + i) for i in range(size)]


def micro_batches_of(step: int, end: int, each: int, rank: int = 0, ranks: int = 1) -> range:
    """The numbers of the micro-batches that ``rank`` takes in the steps from ``step`` to ``end``.

    A step has ``each`` on every rank. They are numbered through the run and dealt out in turn, so that a step has the
    same ones on any number of ranks.
    """
    return range(step * each * ranks + rank, end * each * ranks, ranks)


def generator_of(seed: int, step: int, part: int) -> torch.Generator:
    """The generator of micro-batch ``part`` of a step: resuming needs no state but the number of the step."""
    state = np.random.SeedSequence([seed, step, part]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))
