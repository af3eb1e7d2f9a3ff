"""The table at the head of the page: the main figures, what each has to be compared with, and the project's targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from unimedi.evaluation.slices.selector_names import SELECTOR_NAMES
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.formatting import columns

Figures = Mapping[str, Estimate]


OURS, REFERENCE = "ours", "reference"  # rows of the model, and rows that they have to be compared with


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
    """A key of metrics.json, its name in words, and the target that it is measured against (None: not judged)."""

    key: str
    name: str
    target: str = ""
    reached: Callable[[Figures], bool] | None = None
    style: str = OURS


def _least(key: str, value: float) -> Callable[[Figures], bool]:
    return lambda figures: figures[key].value >= value


def _gain(key: str, value: float) -> Callable[[Figures], bool]:
    return lambda figures: figures[key].value >= value and figures[key].low > 0


def _selection(figures: Figures) -> bool:
    """2.5 times random, and above centre and prior with intervals of the differences that do not hold 0."""
    minus = [figures.get(f"slice_selection/attentive/minus_{name}/hit@1") for name in ("centre", "prior")]
    above = all(figure is None or figure.low > 0 for figure in minus)
    return figures["slice_selection/attentive/enrichment@1"].value >= 2.5 and above


def _at_work(figures: Figures) -> bool:
    """The distillation losses fall from the first tenth to the last, and no warning was raised."""
    ends = [(figures.get(f"training/{key}_first"), figures.get(f"training/{key}_last")) for key in ("l_icl", "l_pcl")]
    fell = all(last.value < first.value for first, last in ends if first and last)
    return fell and figures["training/warnings"].value == 0


def lines() -> list[Line]:
    """The headline, in the order of reading. Targets are those of the phantom's tiny preset."""
    table: list[Line] = []
    for kind, name, recall in (("xray", "X-ray", 0.30), ("ct", "CT", 0.15)):
        key = f"zero_shot/{kind}/auroc"
        table.append(Line(key, f"zero-shot macro AUROC, {name}", "≥ 0.72", _least(key, 0.72)))
        table.append(Line(f"supervised/{kind}/auroc", "same encoder trained with labels", style=REFERENCE))
        table.append(Line(f"zero_shot/{kind}/ap", f"zero-shot macro average precision, {name}"))
        table.append(Line(f"zero_shot/{kind}/prevalence", "chance", style=REFERENCE))
        key = f"retrieval/{kind}/image_to_report/r@10"
        table.append(Line(key, f"image → report R@10, {name}", f"≥ {recall:.2f}", _least(key, recall)))
        table.append(Line(f"retrieval/{kind}/report_to_image/r@10", f"report → image R@10, {name}"))
        table.append(Line(f"retrieval/{kind}/image_to_report/chance@10", "chance", style=REFERENCE))
    key = "cross_modal/xray_to_ct/paired/r@10"
    table += [
        Line(key, "same patient, X-ray → CT R@10", "≥ 0.15", _least(key, 0.15)),
        Line("cross_modal/ct_to_xray/paired/r@10", "same patient, CT → X-ray R@10"),
        Line("cross_modal/xray_to_ct/paired/chance@10", "chance", style=REFERENCE),
        Line("cross_modal/xray_to_ct/findings/p@10", "shared finding, X-ray → CT P@10"),
        Line("cross_modal/xray_to_ct/findings/chance", "chance", style=REFERENCE),
        Line("cross_modal/ct_to_xray/findings/p@10", "shared finding, CT → X-ray P@10"),
        Line("cross_modal/ct_to_xray/findings/chance", "chance", style=REFERENCE),
    ]
    for kind, name in (("xray", "X-ray"), ("ct", "CT")):
        for fraction in ("10%", "100%"):
            table.append(Line(f"linear_probe/{kind}/{fraction}/auroc", f"linear probe, {fraction} of labels, {name}"))
            table.append(
                Line(f"linear_probe/{kind}/{fraction}/auroc_seed_sd", "SD over draws of labels", style=REFERENCE)
            )
            table.append(Line(f"linear_probe/{kind}/random_init/{fraction}/auroc", "random init", style=REFERENCE))
            table.append(
                Line(
                    f"linear_probe/{kind}/pca/{fraction}/auroc", "PCA + logistic regression on pixels", style=REFERENCE
                )
            )
        key = f"linear_probe/{kind}/10%/minus_random_init/auroc"
        table.append(
            Line(key, f"gain over random init at 10%, {name}", "≥ +0.05, outside the interval", _gain(key, 0.05))
        )
    table.append(
        Line(
            "slice_selection/attentive/hit@1",
            "slice selection, attentive, hit@1",
            "≥ 2.5 × random, > centre, > prior",
            _selection,
        )
    )
    for name, words in SELECTOR_NAMES.items():
        table.append(Line(f"slice_selection/{name}/hit@1", words, style=REFERENCE))
    table += [
        Line("slice_selection/attentive/auroc", "slab score against lesion, AUROC within a volume"),
        Line(
            "training/l_icl_last", "method at work: L_icl in the last tenth", "L_icl, L_pcl fall, no warning", _at_work
        ),
        Line("training/l_icl_first", "in the first tenth", style=REFERENCE),
        Line("space/modality_probe", "modality probe (.5: one space)"),
        Line("space/paired/cosine", "cosine of a patient's X-ray and CT"),
        Line("space/unpaired/cosine", "cosine of two patients' X-ray and CT", style=REFERENCE),
        Line("space/by_finding/silhouette", "silhouette by finding (across modalities)"),
        Line("space/by_modality/silhouette", "by modality", style=REFERENCE),
        Line("space/linear_cka", "linear CKA of a patient's X-ray and CT"),
        Line("space/linear_cka_shuffled", "with the patients shuffled", style=REFERENCE),
    ]
    return table


JUDGED_FROM = 200  # patients; with fewer, R@10 of all candidates is no task and intervals say nothing


def headline(figures: Figures, patients: int, phantom: bool) -> list[Row]:
    """The lines whose figure there is.

    Targets stand beside the phantom's figures alone, and are judged from ``JUDGED_FROM`` patients on: what is good on
    another cohort cannot be told from them.
    """
    rows = []
    for line in lines():
        if line.key not in figures:
            continue
        verdict = ""
        if line.reached is not None and phantom and patients >= JUDGED_FROM:
            verdict = "reached" if line.reached(figures) else "missed"
        rows.append(Row(line.name, *columns(figures[line.key]), line.style, line.target if phantom else "", verdict))
    return rows


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal: references indented under the figure that they belong to."""
    lines = []
    for row in rows:
        name = f"  {row.name}" if row.style == REFERENCE else row.name
        target = f"{row.target}: {row.verdict}" if row.verdict else row.target
        lines.append(f"{name:<52} {row.value:>7}  {row.interval:<16} {target}".rstrip())
    return "\n".join(lines)
