"""What one row of the comparison gave: a JSON file, written once the row is finished, from which the table is built."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The table's columns: a short name and the figure's key in metrics.json.
COLUMNS: Mapping[str, str] = {
    "zero-shot X-ray": "zero_shot/xray/auroc",
    "zero-shot CT": "zero_shot/ct/auroc",
    "… of nodules": "zero_shot/ct/auroc/nodule",
    "report R@10 X-ray": "retrieval/xray/image_to_report/r@10",
    "report R@10 CT": "retrieval/ct/image_to_report/r@10",
    "X-ray → CT R@10": "cross_modal/paired/r@10",
    "probe 10 % X-ray": "linear_probe/xray/10%/auroc",
    "probe 10 % CT": "linear_probe/ct/10%/auroc",
    "slices hit@1": "slice_selection/attentive/hit@1",
    "slices AUROC": "slice_selection/attentive/auroc",
}
REFERENCE = "unimedi"  # the row that the others are compared with
# What the same report says of an encoder that was never trained; these make the table's last row.
UNTRAINED: Mapping[str, str] = {
    "probe 10 % X-ray": "random_init/xray/10%/auroc",
    "probe 10 % CT": "random_init/ct/10%/auroc",
    "slices hit@1": "slice_selection/untrained/hit@1",
    "slices AUROC": "slice_selection/untrained/auroc",
}


JsonFigures = dict[str, dict[str, Any]]  # key → value, low, high, n


@dataclass(frozen=True)
class Answers:
    """What a row said to a downstream task, measured on the store of that fingerprint."""

    store: str
    figures: JsonFigures


@dataclass(frozen=True)
class Result:
    """One recipe, one seed; ``seconds``: of training, on ``machine``; ``tasks``: by the task's name.

    ``minus_reference``: paired differences to ``REFERENCE`` with the same seed and budget, by the figures' keys; empty
    for the reference itself and where that was not at hand.
    """

    name: str
    seed: int
    budget: str  # what all rows of a table share: "600 steps" or "5 minutes"
    steps: int
    seconds: float
    store: str  # fingerprint of the data
    machine: str
    figures: JsonFigures
    tasks: dict[str, Answers] = field(default_factory=dict)
    minus_reference: JsonFigures = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"row {self.name}, seed {self.seed}: expected at least one step, got {self.steps}")


def result_file(folder: Path, name: str, seed: int, budget: str) -> Path:
    """``folder/600-steps/joint-0.json``."""
    return folder / budget.replace(" ", "-") / f"{name}-{seed}.json"


def write_result(result: Result, folder: Path) -> Path:
    """Whole or not at all."""
    path = result_file(folder, result.name, result.seed, result.budget)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(asdict(result), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return path


def read_results(folder: Path) -> list[Result]:
    """All results under a folder, by budget, name and seed; ValueError names a file that is none."""
    return [read_result(path) for path in sorted(folder.glob("*/*.json"))]


def read_result(path: Path) -> Result:
    """ValueError where the file is no result."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        raw["tasks"] = {name: Answers(**answers) for name, answers in raw.get("tasks", {}).items()}
        return Result(**raw)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a result of `unimedi reproduce` ({error})") from error
