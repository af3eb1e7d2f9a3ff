"""Commands that measure and then draw: ``evaluate`` with its page, ``slice-eval`` with its picture."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unimedi.evaluation import evaluate as measuring
from unimedi.evaluation.result import Evaluation
from unimedi.evaluation.slices import slice_eval as selecting
from unimedi.evaluation.task_file import answer_lines
from unimedi.files.atomic import write_bytes
from unimedi.files.store_address import StorePlace
from unimedi.metrics.measurement import Measurements
from unimedi.model.card import renew_figures
from unimedi.reporting.headline import as_text, headline
from unimedi.reporting.report import report
from unimedi.reporting.slice_picture import selection_picture


def evaluate(
    run: Path, data: StorePlace, out: Path | None = None, *, say: Callable[[str], None] = print, **options: Any
) -> Evaluation:
    """:func:`unimedi.evaluation.evaluate.evaluate`, then ``report.html`` beside its ``metrics.json``.

    Where the figures are the run's own, they also go into its model card.
    """
    started = time.monotonic()
    found = measuring.evaluate(run, data, out, say=say, **options)
    page = report(found.out)
    if found.out == run:
        renew_figures(run)
    say(as_text(headline(found.measurements, found.patients, found.store.phantom)))
    for line in answer_lines(found.task, found.measurements):
        say(line)
    say(f"evaluated in {time.monotonic() - started:.0f} s: {found.out / 'metrics.json'}, {page}")
    return found


def slice_eval(run: Path, data: StorePlace, out: Path | None = None, *arguments: Any, **options: Any) -> Measurements:
    """:func:`unimedi.evaluation.slices.slice_eval.slice_eval`, then the picture beside its JSON."""
    found = selecting.slice_eval(run, data, out, *arguments, **options)
    picture = (out or run / "slice_eval.json").with_suffix(".png")
    write_bytes(picture, selection_picture(found))
    options.get("say", print)(f"the picture: {picture}")
    return found
