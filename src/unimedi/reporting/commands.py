"""Commands that measure and then draw: ``evaluate`` with its page, ``slice-eval`` with its picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from unimedi.evaluation import evaluate as measuring
from unimedi.evaluation.slices import slice_eval as selecting
from unimedi.evaluation.task_file import TaskFile
from unimedi.files.atomic import write_bytes
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.measurement import Measurements
from unimedi.reporting.report import headline_text, report
from unimedi.reporting.slice_picture import selection_picture


def evaluate(
    run: Path,
    data: Path,
    out: Path | None = None,
    *,
    task: TaskFile | None = None,
    say: Callable[[str], None] = print,
    **options: Any,
) -> dict[str, Estimate]:
    """:func:`unimedi.evaluation.evaluate.evaluate`, then ``report.html`` beside its ``metrics.json``."""
    folder = out or (run / "tasks" / task.name if task else run)
    figures = measuring.evaluate(run, data, folder, task=task, say=say, **options)
    say(headline_text(folder))
    say(f"the page: {report(folder)}")
    return figures


def slice_eval(run: Path, data: Path, out: Path | None = None, *arguments: Any, **options: Any) -> Measurements:
    """:func:`unimedi.evaluation.slices.slice_eval.slice_eval`, then the picture beside its JSON."""
    figures = selecting.slice_eval(run, data, out, *arguments, **options)
    picture = (out or run / "slice_eval.json").with_suffix(".png")
    write_bytes(picture, selection_picture(figures))
    options.get("say", print)(f"the picture: {picture}")
    return figures
