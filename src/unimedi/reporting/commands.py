"""Commands that measure and then draw: ``evaluate`` with its page, ``slice-eval`` with its picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from unimedi.evaluation import evaluate as measuring
from unimedi.evaluation.result import Evaluation
from unimedi.evaluation.slices import slice_eval as selecting
from unimedi.evaluation.task_file import answer_lines
from unimedi.files.atomic import write_bytes
from unimedi.metrics.measurement import Measurements
from unimedi.reporting.report import headline_text, report
from unimedi.reporting.slice_picture import selection_picture


def evaluate(
    run: Path, data: Path, out: Path | None = None, *, say: Callable[[str], None] = print, **options: Any
) -> Evaluation:
    """:func:`unimedi.evaluation.evaluate.evaluate`, then ``report.html`` beside its ``metrics.json``."""
    found = measuring.evaluate(run, data, out, say=say, **options)
    say(headline_text(found.out))
    for line in answer_lines(found.task, found.measurements):
        say(line)
    say(f"measured: {found.out / 'metrics.json'}, the page: {report(found.out)}")
    return found


def slice_eval(run: Path, data: Path, out: Path | None = None, *arguments: Any, **options: Any) -> Measurements:
    """:func:`unimedi.evaluation.slices.slice_eval.slice_eval`, then the picture beside its JSON."""
    found = selecting.slice_eval(run, data, out, *arguments, **options)
    picture = (out or run / "slice_eval.json").with_suffix(".png")
    write_bytes(picture, selection_picture(found))
    options.get("say", print)(f"the picture: {picture}")
    return found
