"""What an evaluation gives: the measurements, why some are missing, and the per-study results that the page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.special import expit

from unimedi.evaluation.comparison import MeasuredRun
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.split import EvalSplit
from unimedi.evaluation.task_file import TaskFile
from unimedi.inputs.store import Store
from unimedi.metrics.measurement import Measurements
from unimedi.representation.embedder import Embedder


@dataclass(frozen=True)
class ZeroShotPredictions:
    """Zero-shot log-odds of the studies of one kind, and the probability from which on a finding is called present."""

    kind: str
    log_odds: dict[str, Float[ndarray, "studies"]]
    thresholds: dict[str, float]

    @property
    def probabilities(self) -> dict[str, Float[ndarray, "studies"]]:
        """Finding → probability. Rank studies by ``log_odds``: near 0 and 1 different log-odds round to the same
        probability."""
        return {name: expit(odds) for name, odds in self.log_odds.items()}


@dataclass(frozen=True)
class SliceResults:
    """Of the volumes with a masked focal lesion: where the lesions are, and what the model scored.

    ``lesion_rows`` are their rows in the split of CTs. Depth counts stored planes, a slab is several of them.
    """

    lesion_rows: list[int]
    lesion_planes: Bool[ndarray, "volumes depth"]
    slab_scores: Float[ndarray, "volumes slabs"]


@dataclass(frozen=True)
class TaskResult:
    """What one task gives: its measurements, sentences on what could not be measured, and results by study."""

    measurements: Measurements
    notes: Sequence[str] = ()
    predictions: ZeroShotPredictions | None = None
    slices: SliceResults | None = None


@dataclass(frozen=True)
class Evaluation:
    """All that was measured of a run on a split of a store.

    Attributes:
        splits: the studies of each kind (``xray``, ``ct``) that the split has.
        notes: sentences on what could not be measured, or only in part.
        predictions: of the kinds whose zero-shot could be measured.
        slices: None where there is no volume with a masked focal lesion.
        conditions: what must be equal for a paired difference to another run: ``comparison.conditions``.
        compare: runs that were evaluated before, to stand beside this one.
    """

    run: Path
    out: Path
    store: Store
    embedder: Embedder
    split: str
    splits: Mapping[str, EvalSplit]
    options: EvaluationOptions
    measurements: Measurements
    notes: Sequence[str]
    predictions: Mapping[str, ZeroShotPredictions]
    slices: SliceResults | None
    conditions: Mapping[str, str]
    compare: Sequence[MeasuredRun] = ()
    task: TaskFile | None = None

    @property
    def patients(self) -> int:
        """How many patients the studies are of."""
        return len({patient for split in self.splits.values() for patient in split.patients})
