"""The map of slices as a table, a picture for each axis, and a sentence on what slices bring at each point."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from matplotlib import pyplot as plt

from unimedi.errors import InputError
from unimedi.evaluation.zero_shot.tasks import DETAIL_AUROC
from unimedi.files.atomic import write_bytes
from unimedi.metrics.measurement import Measurement
from unimedi.reporting.plots import BLUE, GREEN, GREY, STYLE, png
from unimedi.reporting.slice_picture import LINES
from unimedi.reproduction.results import Name, Result
from unimedi.reproduction.slice_map import AXES, POINTS, Axis, Point
from unimedi.reproduction.table import mark, over, write_between

BEGIN, END = "<!-- slices:begin -->", "<!-- slices:end -->"
_HIT: Name = {"task": "slice_selection", "metric": "hit@1"}
_DETAILS: Name = {"task": "input_ablation", "metric": DETAIL_AUROC}
_REPORT: Name = {"task": "input_ablation", "metric": "r@10"}
_ERROR: Name = {"task": "slice_selection", "metric": "depth_error_mm@1"}
_INNOCENTS: Name = {"task": "slice_selection", "metric": "innocents@1"}
_SHIPPED, _ALONE, _RANDOM, _ORACLE = "as_shipped", "volume_alone", "random_slices", "oracle_slices"
_REFERENCES = ("random", "centre", "prior", "intensity", "untrained")

_SELECTORS = {name: LINES[name] for name in ("attentive", *_REFERENCES)}
_INPUTS = {
    _SHIPPED: ("with attentive slices", BLUE, "-"),
    _ALONE: ("the volume alone", "#4a4a4a", "-"),
    _RANDOM: ("with random slices", GREY, ":"),
    _ORACLE: ("with the lesion's own (by the mask)", GREEN, "--"),
}
_PANELS: tuple[tuple[str, Name, Mapping[str, tuple[str, str, str]]], ...] = (
    ("hit@1", _HIT, _SELECTORS),
    ("from the first slice to each lesion (mm)", _ERROR, _SELECTORS),
    ("AUROC of details", _DETAILS, _INPUTS),
    ("image → report R@10", _REPORT, _INPUTS),
)
LEGEND = (
    "hit@1: share of test CTs where the first slice shows a lesion; beside it the best of random, centre, lesion "
    "frequency by depth, brightest patch and untrained encoder. ▲ ▼: above or below all of these (hit@1), or the "
    "volume alone (details, R@10), with every seed (95 %, the same patients drawn for both); ≈: not with every one of "
    "them. innocents: how often the first slice shows a distractor; ▲ ▼ ≈ against planes that show a lesion. mm: from "
    "the first slice to the nearest plane of each lesion, the mean over all lesions. Details: mean zero-shot AUROC of "
    "what reports say of a lesion beyond that it is there."
)
_HEAD = (
    "point", "seeds", "steps", "hit@1", "best other", "mm", "innocents", "details", "volume alone", "random slices",
    "lesion's own", "R@10", "volume alone", "random slices", "lesion's own",
)  # fmt: skip


def of_points(results: Sequence[Result], points: Sequence[Point] = POINTS) -> dict[str, list[Result]]:
    """The results of each point that has any, in the map's order."""
    found = {point.name: [r for r in results if r.terms.name == point.name] for point in points}
    return {name: rows for name, rows in found.items() if rows}


def table(results: Sequence[Result], points: Sequence[Point] = POINTS) -> str:
    """A row a point; InputError where there is none."""
    found = of_points(results, points)
    if not found:
        raise InputError("expected finished points of the map of slices, found none")
    machines = ", ".join(sorted({f"{r.machine}, {r.software}" for rows in found.values() for r in rows}))
    lines = [f"Test CTs: {_counts(results)}; {machines}.", "", f"| {' | '.join(_HEAD)} |", "|" + "---|" * len(_HEAD)]
    lines += [f"| {' | '.join(_row(name, rows))} |" for name, rows in found.items()]
    return "\n".join([*lines, "", LEGEND])


def readings(results: Sequence[Result], points: Sequence[Point] = POINTS) -> list[str]:
    """A sentence a point: what attentive slices bring over the volume alone and over random ones."""
    said = []
    for name, rows in of_points(results, points).items():
        words = []
        for what, of in (("details", _DETAILS), ("R@10", _REPORT)):
            alone, random = _minus(rows, of, _ALONE), _minus(rows, of, _RANDOM)
            if all(alone) and all(random):
                words.append(f"{what} {_signed(alone)} over the volume alone, {_signed(random)} over random slices")
        said.append(f"{name}: {'; '.join(words) or 'no details and no reports to measure'}.")
    return said


def pictures(results: Sequence[Result], folder: Path, axes: Sequence[Axis] = AXES) -> list[Path]:
    """A PNG for each axis that has two points or more; returns the files."""
    written = []
    for axis in axes:
        shown = {label: [r for r in results if r.terms.name == name] for label, name in axis.points.items()}
        shown = {label: rows for label, rows in shown.items() if rows}
        if len(shown) > 1:
            write_bytes(path := folder / f"{axis.name}.png", axis_picture(axis.label, shown))
            written.append(path)
    return written


def axis_picture(label: str, shown: Mapping[str, Sequence[Result]]) -> bytes:
    """Four panels as PNG: hit@1, depth error, details and R@10; the mean over seeds, with the mean of their 95 %
    intervals. ``shown``: value of the axis → its results."""
    with plt.rc_context(STYLE):
        plot, panels = plt.subplots(1, len(_PANELS), figsize=(13, 4.4))
        for axis, (title, of, lines) in zip(panels, _PANELS, strict=True):
            for number, (method, (words, colour, stroke)) in enumerate(lines.items()):
                each = [_found(rows, {**of, "method": method}) for rows in shown.values()]
                places = [at + 0.04 * (number - len(lines) / 2) for at, found in enumerate(each) if found]
                known = [found for found in each if found]
                values = [mean(one.value for one in found) for found in known]
                below = [max(v - mean(one.low for one in f), 0) for v, f in zip(values, known, strict=True)]
                above = [max(mean(one.high for one in f) - v, 0) for v, f in zip(values, known, strict=True)]
                width = 2.0 if method in ("attentive", _SHIPPED) else 1.2
                axis.errorbar(
                    places, values, yerr=[below, above], color=colour, linestyle=stroke, linewidth=width, marker="o",
                    markersize=4, label=words,
                )  # fmt: skip
            axis.set_xticks(range(len(shown)), list(shown))
            axis.set(xlabel=label, title=title)
            axis.grid(axis="y", color="#e6e9ec")
            axis.set_axisbelow(True)
            axis.legend(frameon=False, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.16))
        plot.tight_layout()
        return png(plot)


def show(results: Sequence[Result], folder: Path, page: Path | None) -> None:
    """Print the table and the readings, draw the pictures into ``folder``, fill the page where there is one.

    Raises:
        InputError: there is no result, or the page has no place for the map.
    """
    text = table(results)
    print("\n".join([text, "", *readings(results)]))
    for path in pictures(results, folder):
        print(f"the picture: {path}")
    if page:
        write_between(page, text, BEGIN, END)


def _row(name: str, rows: Sequence[Result]) -> list[str]:
    cells = [name, str(len(rows)), over([float(row.steps) for row in rows], 0)]
    best = max(_REFERENCES, key=lambda method: _mean(rows, _HIT, method, lowest=-math.inf))
    ahead = [
        gap for method in _REFERENCES for gap in _gaps(rows, {**_HIT, "method": "attentive", "minus": method}) if gap
    ]
    cells += [_cell(rows, _HIT, "attentive") + (mark(ahead) if ahead else "")]
    cells.append(f"{_cell(rows, _HIT, best)} {_SELECTORS[best][0]}" if ahead else "–")
    cells.append(_cell(rows, _ERROR, "attentive", digits=0))
    against = _gaps(rows, {**_INNOCENTS, "method": "attentive", "minus": "oracle"})
    cells.append(_cell(rows, _INNOCENTS, "attentive") + (mark(against) if any(against) else ""))
    for of in (_DETAILS, _REPORT):
        shipped = _gaps(rows, {**of, "method": _SHIPPED, "minus": _ALONE})
        cells.append(_cell(rows, of, _SHIPPED) + mark(shipped))
        cells += [_cell(rows, of, method) for method in (_ALONE, _RANDOM, _ORACLE)]
    return cells


def _found(rows: Sequence[Result], of: Name) -> list[Measurement]:
    """The measurement of this name of each result that has a finite one."""
    each = (row.measurements.one(**of) for row in rows)
    return [one for one in each if one and math.isfinite(one.value)]


def _gaps(rows: Sequence[Result], of: Name) -> list[Measurement | None]:
    return [row.measurements.one(**of) for row in rows]


def _minus(rows: Sequence[Result], of: Name, other: str) -> list[Measurement | None]:
    """What ships minus another input, of each result; slice-eval has some of them the other way round."""
    straight = _gaps(rows, {**of, "method": _SHIPPED, "minus": other})
    turned = _gaps(rows, {**of, "method": other, "minus": _SHIPPED})
    return [one or (_turned(two) if two else None) for one, two in zip(straight, turned, strict=True)]


def _turned(one: Measurement) -> Measurement:
    return Measurement(-one.value, -one.high, -one.low, one.n, **one.name)


def _signed(gaps: Sequence[Measurement | None]) -> str:
    """The mean difference, and in how many seeds its interval leaves 0 out on the same side."""
    known = [gap for gap in gaps if gap]
    middle = mean(gap.value for gap in known)
    clear = sum(gap.low > 0 if middle > 0 else gap.high < 0 for gap in known)
    return f"{middle:+.3f} (outside the interval in {clear} of {len(known)})"


def _mean(rows: Sequence[Result], of: Name, method: str, lowest: float) -> float:
    found = _found(rows, {**of, "method": method})
    return mean(one.value for one in found) if found else lowest


def _cell(rows: Sequence[Result], of: Name, method: str, digits: int = 3) -> str:
    found = _found(rows, {**of, "method": method})
    return over([one.value for one in found], digits) if found else "–"


def _counts(results: Sequence[Result]) -> str:
    counts = {row.n for r in results for row in r.measurements.select(task="input_ablation").values()}
    return ", ".join(str(count) for count in sorted(counts)) or "none"
