"""The result of one row of the comparison: a JSON file, written once the row is finished; tables are built from it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from unimedi.errors import InputError
from unimedi.files.atomic import write_json
from unimedi.metrics.measurement import Measurements
from unimedi.reproduction.terms import Terms, settings_of

Name = Mapping[str, Any]  # the fields of a measurement


def _report(modality: str) -> Name:
    return {"task": "retrieval", "modality": modality, "variant": "image_to_report", "metric": "r@10"}


def _probe(modality: str) -> Name:
    return {"task": "linear_probe", "modality": modality, "share": 0.1, "metric": "auroc"}


ZERO_SHOT_CT: Name = {"task": "zero_shot", "modality": "ct", "metric": "auroc"}
SLICES: Name = {"task": "slice_selection", "method": "attentive"}
COLUMNS: Mapping[str, Name] = {  # of the table
    "zero-shot X-ray": {"task": "zero_shot", "modality": "xray", "metric": "auroc"},
    "zero-shot CT": ZERO_SHOT_CT,
    "… of nodules": {**ZERO_SHOT_CT, "finding": "nodule"},
    "report R@10 X-ray": _report("xray"),
    "report R@10 CT": _report("ct"),
    "X-ray → CT R@10": {"task": "cross_modal", "modality": "xray_to_ct", "variant": "paired", "metric": "r@10"},
    "probe 10 % X-ray": _probe("xray"),
    "probe 10 % CT": _probe("ct"),
    "slices hit@1": {**SLICES, "metric": "hit@1"},
    "slices AUROC": {**SLICES, "metric": "auroc"},
}
REFERENCE = "unimedi"  # the row that the others are compared with
# What the same evaluation measures of an encoder that was never trained: the table's last row.
UNTRAINED: Mapping[str, Name] = {
    "probe 10 % X-ray": {**_probe("xray"), "method": "random_init"},
    "probe 10 % CT": {**_probe("ct"), "method": "random_init"},
    "slices hit@1": {"task": "slice_selection", "method": "untrained", "metric": "hit@1"},
    "slices AUROC": {"task": "slice_selection", "method": "untrained", "metric": "auroc"},
}


@dataclass(frozen=True)
class Answers:
    """What a row answered to a downstream task: the task's name and digest, the fingerprint of its store."""

    name: str
    task: str
    store: str
    measurements: Measurements


@dataclass(frozen=True)
class Result:
    """One recipe, one seed.

    Attributes:
        seconds: of training, on ``machine``.
        minus_reference: paired differences to ``REFERENCE`` of the same seed, store and budget, under the measurements'
            names; empty for the reference itself and where that was not at hand.
        reference: the ``recipe_key`` of that reference.
    """

    terms: Terms
    steps: int
    seconds: float
    machine: str
    measurements: Measurements
    tasks: list[Answers] = field(default_factory=list)
    minus_reference: Measurements = field(default_factory=Measurements)
    reference: str = ""
    software: str = ""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"row {self.terms.label}: expected at least one step, got {self.steps}")

    def to_json(self) -> dict[str, Any]:
        """The file's content; the terms stand beside the rest."""
        return {
            **asdict(self.terms),
            "steps": self.steps,
            "seconds": self.seconds,
            "machine": self.machine,
            "measurements": self.measurements.to_json(),
            "tasks": [
                {"name": one.name, "task": one.task, "store": one.store, "measurements": one.measurements.to_json()}
                for one in self.tasks
            ],
            "minus_reference": self.minus_reference.to_json(),
            "reference": self.reference,
            "software": self.software,
        }


def result_file(folder: Path, terms: Terms) -> Path:
    """``folder/600-steps/joint-0-1a2b3c4d.json``."""
    return folder / terms.folder / f"{terms.label}.json"


def write_result(result: Result, folder: Path) -> Path:
    """Whole or not at all."""
    path = result_file(folder, result.terms)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result.to_json())
    return path


def read_results(folder: Path) -> list[Result]:
    """All results under a folder, by budget, name and seed; InputError names a file that is none, or a row again."""
    files: dict[str, Path] = {}
    found = []
    for path in sorted(folder.glob("*/*.json")):
        found.append(result := read_result(path))
        if files.setdefault(result.terms.label, path) != path:
            raise InputError(f"{path}: the same row as {files[result.terms.label]}; remove one of them")
    return found


def find_result(folder: Path, terms: Terms) -> Result | None:
    """The finished row of exactly these terms, by what its file says."""
    return next((result for result in read_results(folder) if result.terms.serve(terms)), None)


def current(results: Sequence[Result], store: str, recipes: Sequence[Path]) -> tuple[list[Result], str]:
    """The rows of the store of that fingerprint whose recipes are as they were; and a sentence on the others."""
    here = [result for result in results if result.terms.store == store]
    paths = {recipe.stem: recipe for recipe in recipes}
    names = {result.terms.name for result in here} & set(paths)
    keys = {name: Terms(name, 0, "", store, settings_of(paths[name], 0)).recipe_key for name in names}
    kept = [result for result in here if keys.get(result.terms.name) == result.terms.recipe_key]
    others = sorted({result.terms.store[:12] for result in results} - {store[:12]})
    told = [f"{len(results) - len(here)} row(s) of other stores ({', '.join(others)})"] if others else []
    if len(kept) < len(here):
        changed = sorted({result.terms.name for result in here if result not in kept})
        told.append(f"{len(here) - len(kept)} of recipes that are others now, or gone ({', '.join(changed)})")
    return kept, f"not shown: {' and '.join(told)}; `unimedi reproduce tables` shows all" if told else ""


def read_result(path: Path) -> Result:
    """Read what :func:`write_result` wrote.

    Raises:
        InputError: the file is no result, or one of an older version.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        terms = Terms(**{one.name: raw.pop(one.name) for one in fields(Terms)})
        tasks = [
            Answers(**{**said, "measurements": Measurements.from_json(said["measurements"], str(path))})
            for said in raw.pop("tasks")
        ]
        for name in ("measurements", "minus_reference"):
            raw[name] = Measurements.from_json(raw[name], str(path))
        return Result(terms, tasks=tasks, **raw)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a result of this version of `unimedi reproduce` ({error})") from error
