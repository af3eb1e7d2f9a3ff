"""The report's table of several runs: a column a run, and under each figure of another run ours minus it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unimedi.evaluation.comparison import NOT_SIGNIFICANT, MeasuredRun, differences, verdict, why_not_paired
from unimedi.evaluation.headline import cell, lines
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.measurement import Measurements


@dataclass(frozen=True)
class Cell:
    """A figure of one run and, for the other runs, ours minus it with the verdict."""

    text: str
    difference: str = ""
    verdict: str = ""


def side_by_side(
    figures: Measurements, name: str, measured_on: Mapping[str, str], others: Sequence[MeasuredRun]
) -> dict[str, object] | None:
    """The headline's rows, a column a run: its figure and, under equal conditions, ours minus it. None: no others."""
    if not others:
        return None
    notes = [why_not_paired(measured_on, other) for other in others]
    gained = [{} if note else differences(figures, other) for note, other in zip(notes, others, strict=True)]
    rows = []
    for line in lines():
        runs = [figures, *(other.measurements for other in others)]
        if sum(line.key in run for run in runs) < 2:
            continue
        cells = [_cell(figures.get(line.key))]
        cells += [
            _cell(o.measurements.get(line.key), None if line.honest else part.get(line.key))
            for o, part in zip(others, gained, strict=True)
        ]
        rows.append({"name": line.name, "style": "honest" if line.honest else "ours", "cells": cells})
    note = (
        f"The first column is {name}; under each figure of another run: {name} minus that run, with the 95 % interval "
        f"of the paired bootstrap (the same patients drawn for both). “{NOT_SIGNIFICANT}”: the interval contains 0. Of "
        "two runs that are alike, about one row in twenty is called different all the same. Whether the runs had "
        "equal steps, or equal time, is not checked here. Grey rows are what the figure above them is compared with."
    )
    return {"runs": [name, *(o.name for o in others)], "rows": rows, "note": note, "lacking": [n for n in notes if n]}


def _cell(figure: Estimate | None, difference: Estimate | None = None) -> Cell:
    if figure is None or not math.isfinite(figure.value):
        return Cell("–")
    text = cell(figure)
    if difference is None or not math.isfinite(difference.low):
        return Cell(text)
    value, low, high = (f"{round(v, 3) + 0.0:+.3f}" for v in (difference.value, difference.low, difference.high))
    return Cell(text, f"{value} ({low} to {high})", verdict(difference))
