"""The measurements of ``unimedi slice-eval`` as tables for a terminal, a row a selector."""

import math
from collections.abc import Sequence
from typing import Any

from unimedi.evaluation.slices import input_ablation, measurements, selection_stability
from unimedi.evaluation.slices.distractors import INNOCENTS
from unimedi.evaluation.slices.scores import CONTROLS, TEXT
from unimedi.evaluation.slices.selector_names import SELECTOR_NAMES
from unimedi.evaluation.zero_shot.tasks import DETAIL_AUROC
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.formatting import three_decimals, verdict, with_interval
from unimedi.metrics.measurement import Measurements

WORDS = {
    **SELECTOR_NAMES,
    "attentive": "attentive: the model's own scores",
    "attentive_depth_shuffled": "  its slabs in another order",
    "attentive_tokens_shuffled": "  only their position codes",
    "attentive_position_removed": "  divided by the slab's usual score",
    "brightest": "no network: brightest voxel",
    TEXT: "text (knows the report)",
}
INPUT_WORDS = {
    "as_shipped": "as shipped",
    "volume_alone": "volume alone, no slices",
    "slices_alone": "its slices alone",
    "random_slices": "random slices",
    "centre_slices": "centre slices",
    "oracle_slices": "slices by the mask",
    "depth_shuffled": "slabs in another order",
}
# The columns of the second table, the last rows of the first.
IN_BRIEF = ("attentive", "random", "centre", "prior", "intensity", "brightest", "untrained", "oracle")
_LAYER, _SMALL = "layer_", "under_10mm"
_LEGEND = (
    "hit@k: share of volumes with a lesion in one of the k chosen planes. x chance: hit@1 divided by random's.",
    "covered@2: share of single lesions that 2 planes show. mm@1: from the chosen plane to a lesion's nearest plane.",
    "oracle: the most hits that k middle planes of slabs allow; by finding and size it looks for that group's lesions.",
    "AUROC, AP: of slabs within a volume. attentive is ahead or behind: in hit@1, 95 % paired bootstrap by patient.",
)
_ABLATION_LEGEND = (
    "Zero-shot AUROC, and R@10 from image to report, over all volumes of the split. + and -: significantly above and",
    "below volume alone (95 % paired bootstrap by patient); the last column says it of the first figure. < 10 mm: only",
    "positives whose largest lesion is less deep. A fall below 'as shipped' says: the model used what is gone.",
)
_DISTRACTORS = (
    "How often the chosen plane shows a distractor, of the volumes with any; no report mentions it. random: of all",
    "slabs; oracle: of those that show a lesion, so the chance of who looks for lesions alone.",
)
_DETAILS = (
    "details: the mean zero-shot AUROC of what reports say of a lesion beyond that it is there, then each detail."
)


def as_text(found: Measurements, notes: Sequence[str] = ()) -> str:
    """Selectors, hit@1 by finding and size, stability, inputs, what columns mean, and what could not be measured."""
    tasks = (measurements.TASK, selection_stability.TASK, input_ablation.TASK)
    selection, stability, ablation = (found.select(task=task).named(task="") for task in tasks)
    about_selection = [_selectors(selection), _groups(selection), _distractors(selection)]
    tables = [*about_selection, _stability(stability), _inputs(ablation)]
    return "\n\n".join("\n".join(table) for table in [*tables, [*_LEGEND, *notes]] if table)


def selectors(selection: Measurements) -> list[str]:
    """Selectors with a hit rate in the order of reading: the model's own, its controls, other ways to score, the rest.

    Controls of the other poolings are left to the file.
    """
    names = [row.method for row in selection.select(metric="hit@1", minus="", finding="", size="").values()]
    controls = [f"attentive_{control}" for control in CONTROLS]
    others = [name for name in names if name not in ("uniform", *IN_BRIEF) and not name.endswith(CONTROLS)]
    rest = [name for name in ("uniform", *IN_BRIEF) if name != "attentive"]
    return [name for name in ("attentive", *controls, *others, *rest) if name in names]


def _selectors(selection: Measurements) -> list[str]:
    columns = ["hit@1", "", "x chance", "hit@2", "hit@4", "hit@8", "covered@2", "mm@1", "AUROC", "AP", "attentive is"]
    names = selectors(selection)
    layers = sum(name.startswith(_LAYER) for name in names)
    lines = [_line("selector", columns)]
    for name in names:

        def at(metric: str, name: str = name) -> Estimate:
            return _estimate(selection, method=name, metric=metric)

        hit, error = at("hit@1"), at("depth_error_mm@1").value
        cells = [
            three_decimals(hit.value),
            f"{hit.low:.2f}-{hit.high:.2f}" if math.isfinite(hit.low) else "",
            _number(at("enrichment@1")),
            *(_number(at(f"hit@{k}")) for k in (2, 4, 8)),
            _number(at("coverage@2")),
            f"{error:.0f}" if math.isfinite(error) else "",
            _number(at("auroc")),
            _number(at("ap")),
            _verdict(selection.one(method="attentive", minus=name, metric="hit@1")),
        ]
        words = f"layer {name.removeprefix(_LAYER)} of {layers} alone" if name.startswith(_LAYER) else ""
        lines.append(_line(words or WORDS.get(name, name.replace("_", " ")), cells))
    return lines


def _groups(selection: Measurements) -> list[str]:
    at_one = selection.select(metric="hit@1", minus="")
    there = [name for name in IN_BRIEF if at_one.select(method=name, finding="", size="")]
    ours = [row.name for row in at_one.select(method="attentive").values()]
    groups = [{field: name[field]} for field in ("finding", "size") for name in ours if field in name]
    if not groups:
        return []
    lines = [f"{'hit@1 by finding and by depth extent':<38}{'n':>5}" + "".join(f"{name:>10}" for name in there)]
    for group in groups:
        each = [_estimate(selection, method=name, metric="hit@1", **group) for name in there]
        (words,) = (name.replace("_", " ") for name in group.values())
        lines.append(f"{words:<38}{each[0].n:>5}" + "".join(f"{_number(one):>10}" for one in each))
    return lines


def _distractors(selection: Measurements) -> list[str]:
    """How often the chosen plane shows a distractor, beside chance; nothing where the store has no masks of any."""
    shown = [name for name in IN_BRIEF if selection.one(method=name, metric=INNOCENTS)]
    if not shown:
        return []
    lines = [f"{INNOCENTS:<38}{'share':>5} {'95 %':>9}  attentive minus this"]
    for name in shown:
        share = _estimate(selection, method=name, metric=INNOCENTS)
        difference = selection.one(method="attentive", minus=name, metric=INNOCENTS)
        against = f"{with_interval(difference)}, {verdict(difference)}" if difference else ""
        interval = f"{share.low:.2f}-{share.high:.2f}"
        lines.append(f"{WORDS.get(name, name):<38}{_number(share):>5} {interval:>9}  {against}".rstrip())
    return [*lines, *_DISTRACTORS]


def _stability(stability: Measurements) -> list[str]:
    names = list(dict.fromkeys(row.method for row in stability.values()))
    if names in ([], ["chance"]):
        return []
    metrics = [row.metric for row in stability.select(method="chance").values()]
    header = "the same slabs chosen (Jaccard)"
    lines = [f"{header:<38}" + "".join(f"{'k = ' + metric.removeprefix('jaccard@'):>9}" for metric in metrics)]
    for name in sorted(names, key=lambda name: name == "chance"):
        each = [_estimate(stability, method=name, metric=metric) for metric in metrics]
        lines.append(f"{name:<38}" + "".join(f"{_number(one):>9}" for one in each))
    return lines


def _inputs(ablation: Measurements) -> list[str]:
    """A row an input; of the sizes only the smallest, the others are left to the file."""
    columns = _columns(ablation)
    if not columns:
        return []
    heads = [*map(_head, columns), ("against", "volume alone")]
    widths = [max(7, *map(len, head)) for head in heads]
    rows = [("", *(head[0] for head in heads)), ("input", *(head[1] for head in heads))]
    for name, words in INPUT_WORDS.items():
        if ablation.one(method=name, **columns[0]):
            difference = ablation.one(method=name, minus="volume_alone", **columns[0])
            rows.append((words, *(_marked(ablation, name, column) for column in columns), _verdict(difference)))
    lines = [f"{row[0]:<24}" + " ".join(map(str.rjust, row[1:], widths)) for row in rows]
    about_details = [_DETAILS] * ({"metric": DETAIL_AUROC} in columns)
    return [*(line.rstrip() for line in lines), *_ABLATION_LEGEND, *about_details]


def _columns(ablation: Measurements) -> list[dict[str, str]]:
    """The fields of each column: macro AUROCs, R@10, then each finding with its small lesions, then each detail."""
    found = [row.name for row in ablation.select(method="as_shipped", minus="", size="").values()]
    columns = [{"metric": name["metric"]} for name in found if "finding" not in name]
    for name in (name for name in found if "finding" in name):
        whole = {"metric": name["metric"], "finding": name["finding"]}
        columns.append(whole)
        if ablation.one(method="as_shipped", **whole, size=_SMALL):
            columns.append(whole | {"size": _SMALL})
    return columns


def _head(column: dict[str, str]) -> tuple[str, str]:
    if "finding" not in column:
        known = {"auroc": "zero-shot", DETAIL_AUROC: "details"}
        return "", known.get(column["metric"], column["metric"].upper())
    words = column["finding"].split("_")
    return (" ".join(words), "< 10 mm") if "size" in column else (" ".join(words[:-1]), words[-1])


def _marked(ablation: Measurements, name: str, column: dict[str, str]) -> str:
    difference = _estimate(ablation, method=name, minus="volume_alone", **column)
    mark = ("+" if difference.value > 0 else "-") if difference.significant else " "
    return _number(_estimate(ablation, method=name, **column)) + mark


def _estimate(found: Measurements, **name: Any) -> Estimate:
    """The one of this name; NaN where there is none."""
    return found.one(**name) or Estimate(math.nan)


def _line(name: str, cells: Sequence[str]) -> str:
    widths = (5, 9, 8, 5, 5, 5, 9, 4, 5, 5, 15)
    return (f"{name:<38}" + " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))).rstrip()


def _number(one: Estimate) -> str:
    return three_decimals(one.value) if math.isfinite(one.value) else ""


def _verdict(difference: Estimate | None) -> str:
    if difference is None:
        return ""
    if not difference.significant:
        return "not significant"
    return "ahead" if difference.value > 0 else "behind"
