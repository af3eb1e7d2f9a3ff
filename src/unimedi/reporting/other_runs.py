"""The section of several runs: a column a run, and under each figure of another run this one minus it."""

import math
from collections.abc import Mapping, Sequence

from unimedi.evaluation.record import OtherRun
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.formatting import NOT_SIGNIFICANT, verdict, with_interval
from unimedi.reporting.headline import REFERENCE, Line, lines
from unimedi.reporting.schema import Cell, Section, Table


def other_runs_section(name: str, figures: Mapping[str, Estimate], others: Sequence[OtherRun]) -> Section:
    """The rows of the headline that two runs have at least; empty where there is no other run."""
    section = Section("compare", "Beside other runs")
    if not others:
        return section
    runs = [figures, *(other.measurements for other in others)]
    shown = [line for line in lines() if sum(line.key in run for run in runs) > 1]
    rows: list[list[str | Cell]] = [
        [line.name, _cell(figures.get(line.key)), *(_against(line, other) for other in others)] for line in shown
    ]
    section.text = (
        f"The first column is {name}; under each figure of another run: {name} minus that run, with the 95 % interval "
        f"of the paired bootstrap (the same patients drawn for both). “{NOT_SIGNIFICANT}”: the interval contains 0. Of "
        "two runs that are alike, about one row in twenty is called different all the same. Whether the runs had "
        "equal steps, or equal time, is not checked here. Grey rows are what the figure above them is compared with."
    )
    if reasons := [other.not_paired for other in others if other.not_paired]:
        section.lists.append(("", reasons))
    header = ("figure", name, *(other.name for other in others))
    section.tables.append(Table("", header, rows, [line.style for line in shown]))
    return section


def _against(line: Line, other: OtherRun) -> Cell:
    return _cell(other.measurements.get(line.key), None if line.style == REFERENCE else other.differences.get(line.key))


def _cell(figure: Estimate | None, difference: Estimate | None = None) -> Cell:
    if figure is None or not math.isfinite(figure.value):
        return Cell("–", "number")
    text = with_interval(figure)
    if difference is None or not math.isfinite(difference.low):
        return Cell(text, "number")
    value, low, high = (f"{round(v, 3) + 0.0:+.3f}" for v in (difference.value, difference.low, difference.high))
    said = verdict(difference)
    style = "soft" if said == NOT_SIGNIFICANT else said
    return Cell(text, "number", below=(("soft", f"{value} ({low} to {high})"), (style, said)))
