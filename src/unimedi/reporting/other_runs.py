"""The section of several runs: a column a run, and under each figure of another run this one minus it."""

import math
from collections.abc import Sequence

from unimedi.evaluation.record import OtherRun
from unimedi.metrics.formatting import NOT_SIGNIFICANT, verdict, with_interval
from unimedi.metrics.measurement import Measurement, Measurements
from unimedi.reporting.headline import REFERENCE, Line, lines
from unimedi.reporting.schema import Cell, Section, Table


def other_runs_section(name: str, measurements: Measurements, others: Sequence[OtherRun]) -> Section:
    """The rows of the headline that two runs have at least; empty where there is no other run."""
    section = Section("compare", "Beside other runs")
    if not others:
        return section
    runs = [measurements, *(other.measurements for other in others)]
    shown = [line for line in lines() if sum(run.one(**line.fields) is not None for run in runs) > 1]
    rows: list[list[str | Cell]] = [
        [line.words, _cell(measurements.one(**line.fields)), *(_against(line, other) for other in others)]
        for line in shown
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
    difference = None if line.style == REFERENCE else other.differences.one(**line.fields)
    return _cell(other.measurements.one(**line.fields), difference)


def _cell(measured: Measurement | None, difference: Measurement | None = None) -> Cell:
    if measured is None or not math.isfinite(measured.value):
        return Cell("–", "number")
    text = with_interval(measured)
    if difference is None or not math.isfinite(difference.low):
        return Cell(text, "number")
    value, low, high = (f"{round(v, 3) + 0.0:+.3f}" for v in (difference.value, difference.low, difference.high))
    said = verdict(difference)
    style = "soft" if said == NOT_SIGNIFICANT else said
    return Cell(text, "number", below=(("soft", f"{value} ({low} to {high})"), (style, said)))
