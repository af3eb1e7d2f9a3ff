"""What the log of a run says of its training: curves, losses at both ends, and the warnings that were raised."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unimedi.evaluation.record import LOSSES, Curves
from unimedi.evaluation.result import TaskResult
from unimedi.files.json_lines import read_json_lines
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurements, named

HEALTH = ("teacher_entropy", "prototype_use", "effective_rank", "embedding_rank")  # keys that end or begin with these
SELECTION = "selection/"  # in front of what :mod:`unimedi.evaluation.slices.over_time` measured

LogLine = dict[str, Any]


def health_keys(log: Sequence[LogLine]) -> list[str]:
    """The logged measures of collapse, sorted."""
    return sorted({key for line in log for key in line if any(word in key for word in HEALTH)})


def selection_keys(log: Sequence[LogLine]) -> list[str]:
    """The logged measures of slice selection, sorted."""
    return sorted({key for line in log for key in line if key.startswith(SELECTION)})


def curves(log: Sequence[LogLine], keys: Iterable[str]) -> Curves:
    """Key → the steps that logged it and its values there; a key that none did is left out."""
    found = {}
    for key in keys:
        logged = [(line["step"], line[key]) for line in log if isinstance(line.get(key), float)]
        if logged:
            steps, values = zip(*logged, strict=True)
            found[key] = np.array(steps, np.int64), np.array(values, np.float64)
    return found


def warnings_in(log: Sequence[LogLine]) -> list[str]:
    """Names of the warnings that were raised at any step, each once."""
    return sorted({str(name) for line in log for name in line.get("warnings", ())})


def training_measurements(run: Path) -> TaskResult:
    """``steps``, ``warnings`` and, of each loss and each measure of collapse, ``…_first`` and ``…_last``.

    First and last are means over the first and the last tenth of the steps that logged it; n is how many did.
    """
    log = read_json_lines(run / "log.jsonl")
    if not log:
        raise NotComputable(f"no log.jsonl in {run.name}")
    rows = [
        named(Estimate(float(log[-1]["step"] + 1), n=len(log)), metric="steps"),
        named(Estimate(float(len(warnings_in(log))), n=len(log)), metric="warnings"),
    ]
    for key in (*LOSSES, *health_keys(log)):
        values = [line[key] for line in log if isinstance(line.get(key), float)]
        modality, _, name = key.rpartition("/")
        tenth = max(1, len(values) // 10)
        for end, part in (("first", values[:tenth]), ("last", values[-tenth:])):
            if part:
                estimate = Estimate(float(np.mean(part)), n=len(values))
                rows.append(named(estimate, modality=modality, metric=f"{name}_{end}"))
    return TaskResult(Measurements(rows).named(task="training"))
