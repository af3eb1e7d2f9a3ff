"""The table at the head of the page: the main figures, what each has to be compared with, and the project's targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from unimedi.cohort.image_kind import ImageKind
from unimedi.evaluation.slices.selector_names import SELECTOR_NAMES
from unimedi.metrics.formatting import columns
from unimedi.metrics.measurement import Measurement, Measurements

JUDGED_FROM = 200  # patients; with fewer, R@10 of all candidates is no task and intervals say nothing
OURS, REFERENCE = "ours", "reference"  # rows of the model, and rows that they have to be compared with

Judge = Callable[[Measurement, Measurements], bool]


class Row(NamedTuple):
    """One line as it is printed."""

    name: str
    value: str
    interval: str
    n: str
    style: str = OURS
    target: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Line:
    """A measurement's name in words and in fields, and the target that it is judged by (None: it is not judged)."""

    words: str
    fields: dict[str, Any]
    target: str = ""
    reached: Judge | None = None
    style: str = OURS


def headline(measurements: Measurements, patients: int, phantom: bool) -> list[Row]:
    """The lines of which there is a measurement.

    Targets stand beside the phantom's alone, and are judged from ``JUDGED_FROM`` patients on: they say nothing of
    another cohort.
    """
    rows = []
    for line in lines():
        measured = measurements.one(**line.fields)
        if measured is None:
            continue
        verdict = ""
        if line.reached is not None and phantom and patients >= JUDGED_FROM:
            verdict = "reached" if line.reached(measured, measurements) else "missed"
        rows.append(Row(line.words, *columns(measured), line.style, line.target if phantom else "", verdict))
    return rows


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal: references indented under the figure that they belong to."""
    lines = []
    for row in rows:
        name = f"  {row.name}" if row.style == REFERENCE else row.name
        target = f"{row.target}: {row.verdict}" if row.verdict else row.target
        lines.append(f"{name:<52} {row.value:>7}  {row.interval:<16} {target}".rstrip())
    return "\n".join(lines)


def lines() -> list[Line]:
    """The headline, in the order of reading. Targets are those of the phantom's tiny preset."""
    return [
        *_zero_shot_and_reports("xray", 0.30),
        *_zero_shot_and_reports("ct", 0.15),
        *_across_modalities(),
        *_linear_probe("xray"),
        *_linear_probe("ct"),
        *_slice_selection(),
        *_training_and_space(),
    ]


def _zero_shot_and_reports(kind: str, recall: float) -> list[Line]:
    name = ImageKind(kind).label
    zero_shot = {"task": "zero_shot", "modality": kind}
    retrieval = {"task": "retrieval", "modality": kind}
    to_report = retrieval | {"variant": "image_to_report"}
    return [
        Line(f"zero-shot macro AUROC, {name}", zero_shot | {"metric": "auroc"}, "≥ 0.72", _at_least(0.72)),
        _reference("same encoder trained with labels", task="supervised", modality=kind, metric="auroc"),
        Line(f"zero-shot AUROC of lesions' details, {name}", zero_shot | {"metric": "detail_auroc"}),
        Line(f"zero-shot macro average precision, {name}", zero_shot | {"metric": "ap"}),
        _reference("chance", **zero_shot, metric="prevalence"),
        Line(f"image → report R@10, {name}", to_report | {"metric": "r@10"}, f"≥ {recall:.2f}", _at_least(recall)),
        Line(f"report → image R@10, {name}", retrieval | {"variant": "report_to_image", "metric": "r@10"}),
        _reference("chance", **to_report, metric="chance@10"),
    ]


def _across_modalities() -> list[Line]:
    paired, findings = ({"task": "cross_modal", "variant": variant} for variant in ("paired", "findings"))
    to_ct, to_xray = ({"modality": direction} for direction in ("xray_to_ct", "ct_to_xray"))
    return [
        Line("same patient, X-ray → CT R@10", paired | to_ct | {"metric": "r@10"}, "≥ 0.15", _at_least(0.15)),
        Line("same patient, CT → X-ray R@10", paired | to_xray | {"metric": "r@10"}),
        _reference("chance", **paired, **to_ct, metric="chance@10"),
        Line("shared finding, X-ray → CT P@10", findings | to_ct | {"metric": "p@10"}),
        _reference("chance", **findings, **to_ct, metric="chance"),
        Line("shared finding, CT → X-ray P@10", findings | to_xray | {"metric": "p@10"}),
        _reference("chance", **findings, **to_xray, metric="chance"),
    ]


def _linear_probe(kind: str) -> list[Line]:
    name = ImageKind(kind).label
    probe: dict[str, Any] = {"task": "linear_probe", "modality": kind}
    table = []
    for share in (0.1, 1.0):
        of_share = probe | {"share": share}
        table += [
            Line(f"linear probe, {share:.0%} of labels, {name}", of_share | {"metric": "auroc"}),
            _reference("SD over draws of labels", **of_share, metric="auroc_seed_sd"),
            _reference("random init", **of_share, method="random_init", metric="auroc"),
            _reference("PCA + logistic regression on pixels", **of_share, method="pca", metric="auroc"),
        ]
    of_all = probe | {"share": 1.0, "metric": "detail_auroc"}
    table += [
        Line(f"linear probe of lesions' details, 100% of labels, {name}", of_all),
        _reference("random init", **of_all, method="random_init"),
        _reference("PCA + logistic regression on pixels", **of_all, method="pca"),
    ]
    gain = probe | {"share": 0.1, "minus": "random_init", "metric": "auroc"}
    return [*table, Line(f"gain over random init at 10%, {name}", gain, "≥ +0.05, outside the interval", _gained(0.05))]


def _slice_selection() -> list[Line]:
    hit = {"task": "slice_selection", "metric": "hit@1"}
    attentive, innocents = {"task": "slice_selection", "method": "attentive"}, {"metric": "innocents@1"}
    return [
        Line(
            "slice selection, attentive, hit@1",
            attentive | hit,
            "> random, centre, prior, outside the interval",
            _selects,
        ),
        *(_reference(words, **hit, method=method) for method, words in SELECTOR_NAMES.items()),
        Line("slab score against lesion, AUROC within a volume", attentive | {"metric": "auroc"}),
        Line("planes with a distractor, attentive, innocents@1", attentive | innocents),
        _reference("random", **attentive | innocents | {"method": "random"}),
        _reference("planes that show a lesion (by the mask)", **attentive | innocents | {"method": "oracle"}),
        _reference("attentive minus random", **attentive, **innocents, minus="random"),
    ]


def _training_and_space() -> list[Line]:
    last = {"task": "training", "metric": "l_icl_last"}
    space = {"task": "space"}
    return [
        Line("training works: L_icl in the last tenth of the steps", last, "L_icl, L_pcl fall, no warning", _learns),
        _reference("L_icl in the first tenth of the steps", task="training", metric="l_icl_first"),
        Line("modality probe, accuracy (.5: X-ray and CT are mixed)", space | {"metric": "modality_probe"}),
        Line("cosine of a patient's X-ray and CT", space | {"method": "paired", "metric": "cosine"}),
        _reference("cosine of two patients' X-ray and CT", **space, method="unpaired", metric="cosine"),
        Line("silhouette by finding (across modalities)", space | {"method": "by_finding", "metric": "silhouette"}),
        _reference("by modality", **space, method="by_modality", metric="silhouette"),
        Line("linear CKA of a patient's X-ray and CT", space | {"metric": "linear_cka"}),
        _reference("with the patients shuffled", **space, metric="linear_cka_shuffled"),
    ]


def _reference(words: str, **fields: Any) -> Line:
    return Line(words, fields, style=REFERENCE)


def _at_least(value: float) -> Judge:
    return lambda measured, _: measured.value >= value


def _gained(value: float) -> Judge:
    return lambda measured, _: measured.value >= value and measured.low > 0


def _selects(_: Measurement, measurements: Measurements) -> bool:
    """Above random slabs, and above centre and prior where these were measured, with intervals that leave 0 out.

    No multiple of random is asked for: that says how rare lesions are. Where a random slab shows one in .39, the best
    that there is has 2.6 times as many.
    """
    attentive = {"task": "slice_selection", "method": "attentive", "metric": "hit@1"}
    random, *others = (measurements.one(**attentive, minus=other) for other in ("random", "centre", "prior"))
    return random is not None and random.low > 0 and all(gap is None or gap.low > 0 for gap in others)


def _learns(_: Measurement, measurements: Measurements) -> bool:
    """The distillation losses fall from the first tenth of the steps to the last, and no warning was raised."""
    warnings = measurements.one(task="training", metric="warnings")
    ends = [
        [measurements.one(task="training", metric=f"{loss}_{end}") for end in ("first", "last")]
        for loss in ("l_icl", "l_pcl")
    ]
    fell = all(last.value < first.value for first, last in ends if first and last)
    return fell and warnings is not None and warnings.value == 0
