"""The figures of ``unimedi slice-eval`` as tables for a terminal, a row a selector."""

import math
from collections.abc import Mapping, Sequence

from unimedi.evaluation.headline import SELECTOR_WORDS, three
from unimedi.evaluation.slices.lesions import SIZE_BANDS_MM
from unimedi.evaluation.slices.scores import CONTROLS, TEXT
from unimedi.metrics.bootstrap import Estimate

WORDS = {
    **SELECTOR_WORDS,
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
_KEY, _INPUTS, _LAYER, _SMALL = "slice_selection/", "slice_inputs/", "layer_", "/under_10mm"


def selectors(figures: Mapping[str, Estimate]) -> list[str]:
    """Selectors with a hit rate in the order of reading: the model's own, its controls, other ways to score, the rest.

    Controls of the other poolings are left to the file.
    """
    ending = "/hit@1"
    names = [
        key[len(_KEY) : -len(ending)]
        for key in figures
        if key.startswith(_KEY) and key.endswith(ending) and key.count("/") == 2
    ]
    controls = [f"attentive_{control}" for control in CONTROLS]
    others = [name for name in names if name not in ("uniform", *IN_BRIEF) and not name.endswith(CONTROLS)]
    rest = [name for name in ("uniform", *IN_BRIEF) if name != "attentive"]
    return [name for name in ("attentive", *controls, *others, *rest) if name in names]


def as_text(figures: Mapping[str, Estimate], notes: Sequence[str] = ()) -> str:
    """All selectors, hit@1 by finding and size, churn, inputs, what columns mean, and what could not be measured."""
    tables = [_all(figures), _groups(figures), _churn(figures), _inputs(figures)]
    return "\n\n".join("\n".join(table) for table in [*tables, [*_LEGEND, *notes]] if table)


_LEGEND = (
    "hit@k: a volume's lesion shows in one of the k chosen planes. x chance: hit@1 by that of random slabs.",
    "covered@2: share of single lesions that 2 planes show. mm@1: from the chosen plane to a lesion's nearest plane.",
    "oracle: as many hits as k middle planes of slabs allow; by finding and size it looks for that group's lesions.",
    "AUROC, AP: of slabs within a volume. ahead, behind: hit@1 against this row, 95 % paired bootstrap by patient.",
)


def _all(figures: Mapping[str, Estimate]) -> list[str]:
    columns = ["hit@1", "", "x chance", "hit@2", "hit@4", "hit@8", "covered@2", "mm@1", "AUROC", "AP", "attentive is"]
    lines = [_line("selector", columns)]
    for name in selectors(figures):

        def at(key: str, name: str = name) -> Estimate:
            return figures.get(f"{_KEY}{name}/{key}", Estimate(math.nan))

        hit, error = at("hit@1"), at("depth_error_mm@1").value
        cells = [
            three(hit.value),
            f"{hit.low:.2f}-{hit.high:.2f}" if math.isfinite(hit.low) else "",
            _number(at("times_random/hit@1")),
            *(_number(at(f"hit@{k}")) for k in (2, 4, 8)),
            _number(at("coverage@2")),
            f"{error:.0f}" if math.isfinite(error) else "",
            _number(at("auroc")),
            _number(at("ap")),
            _verdict(figures.get(f"{_KEY}attentive/minus_{name}/hit@1")),
        ]
        lines.append(_line(_words(name, figures), cells))
    return lines


def _words(name: str, figures: Mapping[str, Estimate]) -> str:
    if not name.startswith(_LAYER):
        return WORDS.get(name, name.replace("_", " "))
    count = sum(other.startswith(_LAYER) for other in selectors(figures))
    return f"layer {name.removeprefix(_LAYER)} of {count} alone"


def _groups(figures: Mapping[str, Estimate]) -> list[str]:
    start = f"{_KEY}attentive/hit@1/"
    groups = [key.removeprefix(start) for key in figures if key.startswith(start)]
    groups.sort(key=lambda name: name in SIZE_BANDS_MM)
    there = [name for name in IN_BRIEF if f"{_KEY}{name}/hit@1" in figures]
    if not groups:
        return []
    lines = [f"{'hit@1 by finding and by depth extent':<38}{'n':>5}" + "".join(f"{name:>10}" for name in there)]
    for group in groups:
        each = [figures.get(f"{_KEY}{name}/hit@1/{group}", Estimate(math.nan)) for name in there]
        words = group.replace("_", " ")
        lines.append(f"{words:<38}{each[0].n:>5}" + "".join(f"{_number(figure):>10}" for figure in each))
    return lines


def _churn(figures: Mapping[str, Estimate]) -> list[str]:
    start = f"{_KEY}churn/"
    names = list(dict.fromkeys(key.removeprefix(start).split("/")[0] for key in figures if key.startswith(start)))
    if names in ([], ["chance"]):
        return []
    budgets = [int(key.split("@")[1]) for key in figures if key.startswith(f"{start}chance/")]
    header = "the same slabs chosen (Jaccard)"
    lines = [f"{header:<38}" + "".join(f"{f'k = {k}':>9}" for k in budgets)]
    for name in sorted(names, key=lambda name: name == "chance"):
        each = [figures[f"{start}{name}/jaccard@{k}"] for k in budgets]
        lines.append(f"{name:<38}" + "".join(f"{_number(figure):>9}" for figure in each))
    return lines


def _inputs(figures: Mapping[str, Estimate]) -> list[str]:
    """A row an input; of the sizes only the smallest, the others are left to the file."""
    columns = _columns(figures)
    if not columns:
        return []
    heads = [*map(_head, columns), ("against", "volume alone")]
    widths = [max(7, *map(len, head)) for head in heads]
    rows = [("", *(head[0] for head in heads)), ("input", *(head[1] for head in heads))]
    for name, words in INPUT_WORDS.items():
        if f"{_INPUTS}{name}/{columns[0]}" in figures:
            gap = figures.get(f"{_INPUTS}{name}/minus_volume_alone/{columns[0]}")
            rows.append((words, *(_marked(figures, name, key) for key in columns), _verdict(gap)))
    lines = [f"{row[0]:<24}" + " ".join(map(str.rjust, row[1:], widths)) for row in rows]
    return [*(line.rstrip() for line in lines), *_OF_INPUTS]


_OF_INPUTS = (
    "Zero-shot AUROC, and R@10 from image to report, of all volumes of the split. + and -: above, below volume alone,",
    "which the last column says of the first; 95 % paired bootstrap by patient. < 10 mm: of the positives those whose",
    "largest lesion has no more depth. The model was trained with its own input: a fall says: it uses what is gone.",
)


def _columns(figures: Mapping[str, Estimate]) -> list[str]:
    """Macro AUROC, R@10, then each finding with its small lesions beside it."""
    start = f"{_INPUTS}as_shipped/"
    found = [key.removeprefix(start) for key in figures if key.startswith(start) and "/minus_" not in key]
    findings = [key for key in found if key.count("/") == 1]
    by_finding = [part for key in findings for part in (key, key + _SMALL) if part in found]
    return [key for key in found if "/" not in key] + by_finding


def _head(key: str) -> tuple[str, str]:
    if "/" not in key:
        return ("", "zero-shot") if key == "auroc" else ("", key.upper())
    words = key.split("/")[1].split("_")
    return (" ".join(words), "< 10 mm") if key.endswith(_SMALL) else (" ".join(words[:-1]), words[-1])


def _marked(figures: Mapping[str, Estimate], name: str, key: str) -> str:
    gap = figures.get(f"{_INPUTS}{name}/minus_volume_alone/{key}", Estimate(math.nan))
    mark = ("+" if gap.value > 0 else "-") if gap.significant else " "
    return _number(figures[f"{_INPUTS}{name}/{key}"]) + mark


def _line(name: str, cells: Sequence[str]) -> str:
    widths = (5, 9, 8, 5, 5, 5, 9, 4, 5, 5, 15)
    return (f"{name:<38}" + " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))).rstrip()


def _number(figure: Estimate) -> str:
    return three(figure.value) if math.isfinite(figure.value) else ""


def _verdict(gap: Estimate | None) -> str:
    if gap is None:
        return ""
    if not gap.significant:
        return "not significant"
    return "ahead" if gap.value > 0 else "behind"
