"""What was measured of a run, and what its page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unimedi.evaluation.comparison import MeasuredRun
from unimedi.evaluation.task import EvaluationOptions, Outcome, View
from unimedi.evaluation.task_file import TaskFile
from unimedi.evaluation.zero_shot.tasks import Verdicts
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import Estimate
from unimedi.representation.embedder import Embedder


@dataclass(frozen=True)
class ReportInputs:
    """All that the report is made of."""

    run: Path
    store: Store
    split: str
    views: Mapping[str, View]
    figures: Mapping[str, Estimate]
    outcome: Outcome
    embedder: Embedder
    options: EvaluationOptions
    verdicts: Mapping[str, Verdicts]  # of the kinds whose zero-shot could be computed
    measured_on: Mapping[str, str]  # see unimedi.evaluation.comparison.conditions
    compare: Sequence[MeasuredRun] = ()
    task: TaskFile | None = None
