"""A command that measures and then draws: ``evaluate`` with its page, ``slice-eval`` with its picture."""

from pathlib import Path
from typing import Any

from unimedi.evaluation import evaluate as measuring
from unimedi.evaluation.slices import slice_eval as selecting
from unimedi.files.atomic import write_bytes
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.measurement import Measurements
from unimedi.reporting.page import write_report
from unimedi.reporting.slice_picture import selection_picture


def evaluate(run: Path, data: Path, *arguments: Any, **options: Any) -> dict[str, Estimate]:
    """:func:`unimedi.evaluation.evaluate.evaluate`, then ``report.html`` beside its ``metrics.json``."""
    return measuring.evaluate(run, data, write_report, *arguments, **options)


def slice_eval(run: Path, data: Path, out: Path | None = None, *arguments: Any, **options: Any) -> Measurements:
    """:func:`unimedi.evaluation.slices.slice_eval.slice_eval`, then the picture beside its JSON."""
    figures = selecting.slice_eval(run, data, out, *arguments, **options)
    picture = (out or run / "slice_eval.json").with_suffix(".png")
    write_bytes(picture, selection_picture(figures))
    options.get("say", print)(f"the picture: {picture}")
    return figures
