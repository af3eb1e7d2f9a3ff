"""Commands that measure and then draw: ``evaluate`` with its page, ``slice-eval`` with its picture."""

from pathlib import Path
from typing import Any

from unimedi.evaluation import evaluate as measuring
from unimedi.evaluation.slices import command as selecting
from unimedi.metrics.bootstrap import Estimate
from unimedi.reporting.report import headline_text, report
from unimedi.reporting.slice_picture import selection_picture


def evaluate(run: Path, data: Path, out: Path | None = None, **options: Any) -> dict[str, Estimate]:
    """:func:`unimedi.evaluation.evaluate.evaluate`, then ``report.html`` beside its ``metrics.json``."""
