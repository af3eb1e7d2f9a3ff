"""What one row of the comparison gave: a JSON file, written once the row is finished, from which the table is built."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from unimedi.errors import InputError
from unimedi.files.atomic import write_json
from unimedi.reproduction.terms import Terms, settings_of

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
    """What a row said to a downstream task: its name, the digest of what it asks, the fingerprint of its store."""

    name: str
    task: str
    store: str
    figures: JsonFigures


@dataclass(frozen=True)
class Result:
    """One recipe, one seed; ``seconds``: of training, on ``machine``.

    ``minus_reference``: paired differences to ``REFERENCE`` with the same seed, store and budget, by the figures' keys;
    empty for the reference itself and where that was not at hand. ``reference``: the ``recipe_key`` of that reference.
    """

    terms: Terms
    steps: int
    seconds: float
    machine: str
    figures: JsonFigures
    tasks: list[Answers] = field(default_factory=list)
    minus_reference: JsonFigures = field(default_factory=dict)
    reference: str = ""
    software: str = ""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"row {self.terms.label}: expected at least one step, got {self.steps}")


def result_file(folder: Path, terms: Terms) -> Path:
    """``folder/600-steps/joint-0-1a2b3c4d.json``."""
    return folder / terms.folder / f"{terms.label}.json"


def write_result(result: Result, folder: Path) -> Path:
    """Whole or not at all. In the file the terms stand beside the rest."""
    path = result_file(folder, result.terms)
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = asdict(result)
    write_json(path, raw.pop("terms") | raw)
    return path


def read_results(folder: Path) -> list[Result]:
    """All results under a folder, by budget, name and seed; ValueError names a file that is none, or a row again."""
    files: dict[str, Path] = {}
    found = []
    for path in sorted(folder.glob("*/*.json")):
        found.append(result := read_result(path))
        if files.setdefault(result.terms.label, path) != path:
            raise InputError(f"{path}: the same row as {files[result.terms.label]}; remove one of them")
    return found


def find_result(folder: Path, terms: Terms) -> Result | None:
    """The finished row of exactly these terms, by what its file says."""
    return next((result for result in read_results(folder) if result.terms == terms), None)


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
    """ValueError where the file is no result."""
    try:
        raw = {"recipe": {}, "format": 1, "tasks": {}, **json.loads(path.read_text(encoding="utf-8"))}
        terms = Terms(**{one.name: raw.pop(one.name) for one in fields(Terms)})
        tasks = raw.pop("tasks")
        if isinstance(tasks, dict):  # format 1: by name alone
            tasks = [{"name": name, "task": "", **said} for name, said in tasks.items()]
        return Result(terms, tasks=[Answers(**said) for said in tasks], **raw)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a result of `unimedi reproduce` ({error})") from error
