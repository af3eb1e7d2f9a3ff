"""What the log of a run says of its training: losses at both ends, and the warnings that were raised."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unimedi.files.json_lines import read_json_lines
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.checks import NotComputable

LOSSES = ("l_vl", "l_icl", "l_pcl")
HEALTH = ("teacher_entropy", "prototype_use", "effective_rank", "embedding_rank")  # keys that end or begin with these

LogLine = dict[str, Any]


def health_keys(log: Sequence[LogLine]) -> list[str]:
    """The logged measures of collapse, sorted."""
    return sorted({key for line in log for key in line if any(word in key for word in HEALTH)})


def warnings_in(log: Sequence[LogLine]) -> list[str]:
    """Names of the warnings that were raised at any step, each once."""
    return sorted({str(name) for line in log for name in line.get("warnings", ())})


def training_figures(run: Path) -> dict[str, Estimate]:
    """``training/steps``, ``training/warnings`` and, of each loss and measure of collapse, ``…/first`` and ``…/last``.

    First and last are means over the first and the last tenth of the steps that logged it; n is how many did.
    """
    log = read_json_lines(run / "log.jsonl")
    if not log:
        raise NotComputable(f"no log.jsonl in {run.name}")
    figures = {
        "training/steps": Estimate(float(log[-1]["step"] + 1), n=len(log)),
        "training/warnings": Estimate(float(len(warnings_in(log))), n=len(log)),
    }
    for key in (*LOSSES, *health_keys(log)):
        values = [line[key] for line in log if isinstance(line.get(key), float)]
        if values:
            tenth = max(1, len(values) // 10)
            figures[f"training/{key}/first"] = Estimate(float(np.mean(values[:tenth])), n=len(values))
            figures[f"training/{key}/last"] = Estimate(float(np.mean(values[-tenth:])), n=len(values))
    return figures
