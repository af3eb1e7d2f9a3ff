"""Controls that change what a model trains on: another study's report, or slabs in another order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError
from unimedi.inputs.dataset import REPORTS, TrainingSteps

PIECES = 8  # that a volume is cut into along depth: the slabs of the tiny recipe


class ShuffledReports(TrainingSteps):
    """Every study trains with the report of another of its kind, for good: what is selected then owes nothing to
    reports."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.report_of: dict[int, int] = {}
        for kind, studies in self.studies.items():
            others = np.random.default_rng([self.seed, REPORTS, kind.place]).permutation(studies).tolist()
            self.report_of |= dict(zip(studies, others, strict=True))

    def report(self, index: int) -> str:
        return super().report(self.report_of[index])


class ShuffledDepth(TrainingSteps):
    """The slabs of every volume are put together in a new random order each time it is seen."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if (planes := self.store.preprocess.hires_shape[0]) % PIECES:
            raise InputError(
                f"experiment shuffled_depth: expected stored planes in {PIECES} equal pieces, got {planes}"
            )

    def image(self, index: int, kind: ImageKind, generator: np.random.Generator, out: NDArray[np.int16]) -> None:
        super().image(index, kind, generator, out)
        if kind is ImageKind.CT:
            out[...] = reordered(out, generator.permutation(PIECES))


def reordered(stored: NDArray[np.int16], order: NDArray[np.int64]) -> NDArray[np.int16]:
    """A volume cut into ``len(order)`` equal pieces along depth: piece ``i`` of the result is piece ``order[i]``."""
    pieces = stored.reshape(len(order), -1, *stored.shape[1:])
    return pieces[order].reshape(stored.shape)
