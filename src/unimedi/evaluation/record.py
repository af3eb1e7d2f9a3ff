"""What an evaluation leaves for its page: plain values and small arrays, one dataclass for each section.

Nothing here needs the store, the model or torch, so that a page can be drawn again when these are gone. A picture is
grey, 8 bits a pixel. ``findings`` are those that a study is known to have; ``("normal",)`` where every finding that the
store labels is known to be absent; ``()`` where neither is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from unimedi.metrics.measurement import Measurements

Findings = tuple[str, ...]
Curves = Mapping[str, tuple[Int[ndarray, "_logged"], Float[ndarray, "_logged"]]]  # steps that logged it, values there
LOSSES = ("l_vl", "l_icl", "l_pcl")  # as the log of a run names them


@dataclass(frozen=True)
class Example:
    """One study: a picture of it, or its report."""

    study_id: str
    findings: Findings
    image: UInt8[ndarray, "height width"] | None = None
    report: str = ""


@dataclass(frozen=True)
class Training:
    """The log of the run: losses and measures of collapse; and what slice selection did, by the name behind
    ``selection/``."""

    steps: int
    curves: Curves
    warnings: tuple[str, ...]
    selection: Curves = field(default_factory=dict)


@dataclass(frozen=True)
class ZeroShot:
    """Finding → log-odds, label (1, 0, or NaN where it is not known) and threshold (a probability)."""

    log_odds: Mapping[str, Float[ndarray, "studies"]]
    labels: Mapping[str, Float[ndarray, "studies"]]
    thresholds: Mapping[str, float]


@dataclass(frozen=True)
class WrongCall:
    """A study that zero-shot called wrong: the finding and its probability."""

    study: Example
    finding: str
    probability: float


@dataclass(frozen=True)
class WrongCalls:
    """The worst of all wrong calls of one modality, at most one a study: findings missed, or false alarms."""

    modality: str
    missed: bool
    total: int
    worst: tuple[WrongCall, ...]


@dataclass(frozen=True)
class LateAnswer:
    """A query whose first right answer came at ``rank`` (from 1); ``first``: the findings of what came first."""

    study: Example
    rank: int
    first: Findings


@dataclass(frozen=True)
class LateAnswers:
    """The worst of all queries that were not answered rightly at once, from ``query`` to ``answer``.

    Either is ``xray``, ``ct`` or ``report``; between ``xray`` and ``ct`` the right answer is the same patient's.
    """

    query: str
    answer: str
    candidates: int
    total: int
    worst: tuple[LateAnswer, ...]


@dataclass(frozen=True)
class WrongSlice:
    """A volume whose best-scored plane shows no lesion: that plane above the nearest with one; planes count from 0.

    ``distance`` between the two is in mm, or in planes where the spacing is not known.
    """

    study: Example
    chosen: int
    nearest: int
    distance: float
    in_mm: bool


@dataclass(frozen=True)
class Failures:
    """The worst cases of each task, worst first; ``slices`` holds the worst of ``slices_missed`` volumes."""

    calls: tuple[WrongCalls, ...] = ()
    reports: tuple[LateAnswers, ...] = ()
    patients: tuple[LateAnswers, ...] = ()
    slices: tuple[WrongSlice, ...] = ()
    slices_missed: int = 0


@dataclass(frozen=True)
class Strip:
    """A volume's slabs from feet to head, each by its middle plane, and which of them the model takes."""

    findings: Findings
    planes: UInt8[ndarray, "slabs height width"]
    scores: Float[ndarray, "slabs"]
    lesion: Bool[ndarray, "depth"]  # planes of the stored volume that show a focal lesion
    taken: tuple[int, ...]


@dataclass(frozen=True)
class SliceSelection:
    """``volumes`` have a masked focal lesion. ``slices``: how many the model takes of each, None of a model that takes
    none."""

    volumes: int
    slices: int | None
    selector: str
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Plane:
    """One panel of an attention picture. ``spacing`` is mm a pixel (rows, columns).

    ``box``: first and one past the last row, and the same of columns, of what is no padding. ``attention`` covers the
    whole of ``pixels``, however coarse its grid, in multiples of the mean over the image. ``marks`` are rows (in
    pixels) across which a line is drawn. ``upwards``: row 0 is at the feet, so at the bottom.
    """

    pixels: UInt8[ndarray, "rows columns"]
    spacing: tuple[float, float]
    box: tuple[tuple[int, int], tuple[int, int]]
    name: str = ""
    attention: Float[ndarray, "patch_rows patch_columns"] | None = None
    outline: Bool[ndarray, "rows columns"] | None = None
    marks: tuple[float, ...] = ()
    upwards: bool = False

    @property
    def size(self) -> tuple[float, float]:
        """Height and width of what is shown, mm."""
        rows, columns = ((stop - start) * step for (start, stop), step in zip(self.box, self.spacing, strict=True))
        return rows, columns


@dataclass(frozen=True)
class Attention:
    """Planes of one study side by side. ``in_mm``: whether its spacing is known."""

    study: Example
    planes: tuple[Plane, ...]
    in_mm: bool = True


@dataclass(frozen=True)
class SpaceMap:
    """t-SNE of the embeddings: a place a study, its modality and its findings."""

    places: Float[ndarray, "studies 2"]
    modalities: tuple[str, ...]
    findings: tuple[Findings, ...]


@dataclass(frozen=True)
class Query:
    """A query and its first answers, each right or not."""

    study: Example
    answers: tuple[Example, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True)
class Queries:
    """Evenly chosen queries from ``query`` to ``answer``: each is ``xray``, ``ct`` or ``report``."""

    query: str
    answer: str
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class OtherRun:
    """An evaluated run beside this one. ``differences``: this run minus it, on the same resamples of the patients.

    ``not_paired``: why there are none, in a sentence; '' where there are.
    """

    name: str
    not_paired: str
    measurements: Measurements
    differences: Measurements


@dataclass(frozen=True)
class TaskAnswer:
    """What a task file asked, and the figures that answer it; ``sought`` is the metric as ``metrics.json`` names it."""

    name: str
    about: str
    protocol: str
    metric: str
    sought: str
    classes: Mapping[str, str]
    official_split: Mapping[str, str]
    notes: tuple[str, ...]
    source: tuple[str, ...]
    answers: Measurements


@dataclass(frozen=True)
class EvaluationRecord:
    """All that the page of a run shows, beside the figures in ``metrics.json``.

    ``studies``: how many of each modality (``xray``, ``ct``) were measured. ``phantom``: whether the store is of
    synthetic patients, for which the project has targets. ``notes``: what could not be computed, and why. ``origin``:
    what the figures were made of, in words → a value or a hash.
    """

    run: str
    split: str
    studies: Mapping[str, int]
    patients: int
    phantom: bool
    prompts: str
    notes: tuple[str, ...]
    origin: Mapping[str, str]
    recipe: str
    training: Training
    cohort: Mapping[str, tuple[Example, ...]]
    zero_shot: Mapping[str, ZeroShot]
    failures: Failures
    slices: SliceSelection | None
    attention: Mapping[str, tuple[Attention, ...]]
    space: SpaceMap | None
    reports: tuple[Queries, ...]
    patients_between: tuple[Queries, ...]
    others: tuple[OtherRun, ...] = ()
    task: TaskAnswer | None = None
