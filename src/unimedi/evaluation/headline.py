"""The table at the head of the report: the figures that matter, what keeps them honest, and the project's bars."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from unimedi.metrics.bootstrap import Estimate

Figures = Mapping[str, Estimate]


@dataclass(frozen=True)
class Row:
    """One line as it is printed."""

    name: str
    value: str
    interval: str
    n: str
    style: str = ""
    bar: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Line:
    """A key of metrics.json, its name in words, and the bar it is measured against (None: shown without judging)."""

    key: str
    name: str
    bar: str = ""
    reached: Callable[[Figures], bool] | None = None
    honest: bool = False


def _least(key: str, value: float) -> Callable[[Figures], bool]:
    return lambda figures: figures[key].value >= value


def _gain(key: str, value: float) -> Callable[[Figures], bool]:
    return lambda figures: figures[key].value >= value and figures[key].low > 0


def _selection(figures: Figures) -> bool:
    """2.5 times random, and above centre and prior with intervals of the differences that do not hold 0."""
    minus = [figures.get(f"slice_selection/attentive/minus_{name}/hit@1") for name in ("centre", "prior")]
    above = all(figure is None or figure.low > 0 for figure in minus)
    return figures["slice_selection/attentive/times_random/hit@1"].value >= 2.5 and above


def _at_work(figures: Figures) -> bool:
    """The distillation losses fall from the first tenth to the last, and no warning was raised."""
    ends = [(figures.get(f"training/{key}_first"), figures.get(f"training/{key}_last")) for key in ("l_icl", "l_pcl")]
    fell = all(last.value < first.value for first, last in ends if first and last)
    return fell and figures["training/warnings"].value == 0


def lines() -> list[Line]:
    """The headline, in the order of reading. Bars are those of the phantom's tiny preset."""
    table: list[Line] = []
    for kind, name, recall in (("xray", "X-ray", 0.30), ("ct", "CT", 0.15)):
        key = f"zero_shot/{kind}/auroc"
        table.append(Line(key, f"zero-shot macro AUROC, {name}", "≥ 0.72", _least(key, 0.72)))
        table.append(Line(f"supervised/{kind}/auroc", "same encoder trained with labels", honest=True))
        table.append(Line(f"zero_shot/{kind}/ap", f"zero-shot macro average precision, {name}"))
        table.append(Line(f"zero_shot/{kind}/prevalence", "chance", honest=True))
        key = f"retrieval/{kind}/image_to_report/r@10"
        table.append(Line(key, f"image → report R@10, {name}", f"≥ {recall:.2f}", _least(key, recall)))
        table.append(Line(f"retrieval/{kind}/report_to_image/r@10", f"report → image R@10, {name}"))
        table.append(Line(f"retrieval/{kind}/image_to_report/chance@10", "chance", honest=True))
    key = "cross_modal/xray_to_ct/paired/r@10"
    table += [
        Line(key, "same patient, X-ray → CT R@10", "≥ 0.15", _least(key, 0.15)),
        Line("cross_modal/ct_to_xray/paired/r@10", "same patient, CT → X-ray R@10"),
        Line("cross_modal/xray_to_ct/paired/chance@10", "chance", honest=True),
        Line("cross_modal/xray_to_ct/findings/p@10", "shared finding, X-ray → CT P@10"),
        Line("cross_modal/xray_to_ct/findings/chance", "chance", honest=True),
        Line("cross_modal/ct_to_xray/findings/p@10", "shared finding, CT → X-ray P@10"),
        Line("cross_modal/ct_to_xray/findings/chance", "chance", honest=True),
    ]
    for kind, name in (("xray", "X-ray"), ("ct", "CT")):
        for fraction in ("10%", "100%"):
            table.append(Line(f"linear_probe/{kind}/{fraction}/auroc", f"linear probe, {fraction} of labels, {name}"))
            table.append(Line(f"linear_probe/{kind}/{fraction}/auroc_seed_sd", "SD over draws of labels", honest=True))
            table.append(Line(f"linear_probe/{kind}/random_init/{fraction}/auroc", "random init", honest=True))
            table.append(
                Line(f"linear_probe/{kind}/pca/{fraction}/auroc", "PCA + logistic regression on pixels", honest=True)
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
    for name, words in SELECTOR_WORDS.items():
        table.append(Line(f"slice_selection/{name}/hit@1", words, honest=True))
    table += [
        Line("slice_selection/attentive/auroc", "slab score against lesion, AUROC within a volume"),
        Line(
            "training/l_icl_last", "method at work: L_icl in the last tenth", "L_icl, L_pcl fall, no warning", _at_work
        ),
        Line("training/l_icl_first", "in the first tenth", honest=True),
        Line("space/modality_probe", "modality probe (.5: one space)"),
        Line("space/paired/cosine", "cosine of a patient's X-ray and CT"),
        Line("space/unpaired/cosine", "cosine of two patients' X-ray and CT", honest=True),
        Line("space/by_finding/silhouette", "silhouette by finding (across modalities)"),
        Line("space/by_modality/silhouette", "by modality", honest=True),
        Line("space/linear_cka", "linear CKA of a patient's X-ray and CT"),
        Line("space/linear_cka_shuffled", "with the patients shuffled", honest=True),
    ]
    return table


JUDGED_FROM = 200  # patients; with fewer, R@10 of all candidates is no task and intervals say nothing

SELECTOR_WORDS = {
    "random": "random",
    "uniform": "uniform",
    "centre": "centre",
    "prior": "lesion frequency by depth",
    "untrained": "untrained encoder",
    "intensity": "no network: brightest anomalous patch",
    "oracle": "oracle (knows the mask)",
}


def headline(figures: Figures, patients: int, phantom: bool) -> list[Row]:
    """The lines whose figure there is. Bars stand beside the phantom's alone, judged from ``JUDGED_FROM`` patients on;
    what is good on another cohort, nobody can tell from them."""
    rows = []
    for line in lines():
        if line.key not in figures:
            continue
        verdict = ""
        if line.reached is not None and phantom and patients >= JUDGED_FROM:
            verdict = "reached" if line.reached(figures) else "missed"
        row = printed(line.name, figures[line.key])
        style = "honest" if line.honest else "ours"
        rows.append(Row(row.name, row.value, row.interval, row.n, style, line.bar if phantom else "", verdict))
    return rows


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal: references indented under the figure that they belong to."""
    lines = []
    for row in rows:
        name = row.name if row.style == "ours" else f"  {row.name}"
        bar = f"{row.bar}: {row.verdict}" if row.verdict else row.bar
        lines.append(f"{name:<52} {row.value:>7}  {row.interval:<16} {bar}".rstrip())
    return "\n".join(lines)


def printed(name: str, figure: Estimate) -> Row:
    """Three decimals; an empty interval where there is none."""
    interval = f"{three(figure.low)} to {three(figure.high)}" if math.isfinite(figure.low) else ""
    value = three(figure.value) if math.isfinite(figure.value) else "not defined"
    return Row(name, value, interval, str(figure.n))


def cell(figure: Estimate) -> str:
    """A figure and its interval in one cell of a table."""
    between = " to " if figure.low < 0 else "–"  # a dash would look like a minus
    spread = f" ({figure.low:.2f}{between}{figure.high:.2f})" if math.isfinite(figure.low) else ""
    return three(figure.value) + spread


def three(value: float) -> str:
    """Three decimals."""
    return f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no "-0.000"
