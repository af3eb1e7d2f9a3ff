"""A command that measures and then draws: ``evaluate`` with its page, ``slice-eval`` with its picture."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from unimedi.evaluation import evaluate as measuring
from unimedi.evaluation.headline import as_text, headline
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.result import Evaluation
from unimedi.evaluation.slices import slice_eval as selecting
from unimedi.evaluation.task_file import TaskFile, answer_lines
from unimedi.files.atomic import write_bytes
from unimedi.metrics.bootstrap import Estimate
from unimedi.reporting.page import write_report
from unimedi.reporting.slice_picture import selection_picture


def evaluate(
    run: Path,
    data: Path,
    out: Path | None = None,
    split: str = "test",
    compare: Sequence[Path] = (),
    options: EvaluationOptions | None = None,
    task: TaskFile | None = None,
    say: Callable[[str], None] = print,
) -> Evaluation:
    """:func:`unimedi.evaluation.evaluate.evaluate`, then ``report.html`` beside its ``metrics.json``."""
    started = time.monotonic()
    found = measuring.evaluate(run, data, out, split, compare, options, task, say)
    write_report(found, found.out / "report.html")
    say(as_text(headline(found.measurements, found.patients, found.store.phantom)))
    for line in answer_lines(found.task, found.measurements):
        say(line)
    spent = time.monotonic() - started
    say(f"evaluated in {spent:.0f} s: {found.out / 'metrics.json'}, {found.out / 'report.html'}")
    return found


def slice_eval(run: Path, data: Path, out: Path | None = None, *arguments: Any, **options: Any) -> dict[str, Estimate]:
    """:func:`unimedi.evaluation.slices.slice_eval.slice_eval`, then the picture beside its JSON."""
    figures = selecting.slice_eval(run, data, out, *arguments, **options)
    picture = (out or run / "slice_eval.json").with_suffix(".png")
    write_bytes(picture, selection_picture(figures))
    options.get("say", print)(f"the picture: {picture}")
    return figures
