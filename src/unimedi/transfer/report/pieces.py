"""What a report is made of: all that was measured, and the sections, tables and names that show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unimedi.inputs.store import Store
from unimedi.representation.embedder import Embedder
from unimedi.transfer.comparison import MeasuredRun
from unimedi.transfer.metrics import Figure
from unimedi.transfer.report.pictures import Tile
from unimedi.transfer.task import EvaluationOptions, Outcome, View
from unimedi.transfer.task_file import TaskFile
from unimedi.transfer.zero_shot.tasks import Verdicts

NAMES = {"xray": "X-ray", "ct": "CT"}


@dataclass(frozen=True)
class ReportInputs:
    """All that the report is made of."""

    run: Path
    store: Store
    split: str
    views: Mapping[str, View]
    figures: Mapping[str, Figure]
    outcome: Outcome
    embedder: Embedder
    options: EvaluationOptions
    verdicts: Mapping[str, Verdicts]  # of the kinds whose zero-shot could be computed
    measured_on: Mapping[str, str]  # see unimedi.transfer.comparison.conditions
    compare: Sequence[MeasuredRun] = ()
    task: TaskFile | None = None


@dataclass(frozen=True)
class Table:
    """Cells as they are printed, a header above (if any), a name over it.

    ``strong`` rows are those that sum the others up. ``prose``: sentences that may be broken, not figures.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[int] = frozenset()
    prose: bool = False


@dataclass
class Part:
    """A section: a sentence, tables, full-width pictures, tiles, retrieval panels; any may be empty.

    Tiles come in named groups: ``wide`` ones three in a row, ``folded`` groups open when asked for.
    """

    id: str
    name: str
    text: str = ""
    tables: list[Table] = field(default_factory=list)
    pictures: list[Tile] = field(default_factory=list)
    tiles: list[tuple[str, list[Tile]]] = field(default_factory=list)
    panels: list[dict[str, object]] = field(default_factory=list)
    wide: bool = False
    folded: bool = False

    @property
    def filled(self) -> bool:
        return bool(self.tables or self.pictures or self.tiles or self.panels)
