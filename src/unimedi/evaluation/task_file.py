"""Task files: what a public collection asks, one YAML a task: classes, metric, protocol, official split, sources.

Classes are columns of the manifest (``label:<class>``, for segmentation ``mask:<class>``), so that any cohort which has
them serves. A file only sets options of ``evaluate``, ``finetune`` and ``segment``: no code knows a collection.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError, nearest
from unimedi.evaluation.options import EvaluationOptions
from unimedi.metrics.formatting import with_interval
from unimedi.metrics.measurement import Measurements

TASKS = Path(__file__).parent / "tasks"
COMMANDS = {"linear_probe": "evaluate", "zero_shot": "evaluate", "fine_tune": "finetune", "segmentation": "segment"}
METRICS = {  # protocol → metric of a file → metric of a measurement
    "linear_probe": {"auroc": "auroc", "accuracy": "multiclass_accuracy"},
    "zero_shot": {"auroc": "auroc", "accuracy": "multiclass_accuracy"},
    "fine_tune": {"auroc": "auroc", "accuracy": "acc"},
    "segmentation": {"dice_positive": "dice_positive", "dice_all": "dice_all"},
}
BESIDE = {"fine_tune": ("acc",)}  # metrics that answer as well, as the task is published with both
SPLITS = ("train", "validation", "test")
KEYED = ("classes", "official_split", "training")
LISTED = ("source", "fractions", "seeds", "notes", "published")
PUBLISHED = {"method", "figures", "source"}  # what an entry says; and ``verified: true`` where it was looked up there


class TaskFileError(InputError):
    """A task file that is not one; the sentence names the file and the key."""


@dataclass(frozen=True)
class TaskFile:
    """One task. ``training`` holds options of ``unimedi finetune`` or ``segment``, named as on the command line."""

    name: str
    about: str
    kind: str  # xray or ct
    protocol: str
    metric: str
    classes: Mapping[str, str]  # column → what it says
    official_split: Mapping[str, str]  # train, validation, test → in words, for whoever writes the manifest
    source: tuple[str, ...]  # where the facts are from
    split: str = "test"  # what is measured
    fractions: tuple[float, ...] = (0.01, 0.1, 1.0)
    seeds: tuple[int, ...] = (0, 1, 2)
    training: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    published: tuple[Mapping[str, Any], ...] = ()  # others' figures by share of the labels; unverified unless said


def read_task(path: Path) -> TaskFile:
    """Read and check a task file.

    Raises:
        TaskFileError: a key that is not known (with the nearest that is), one that is missing, or a wrong value.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise TaskFileError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise TaskFileError(f"{path}: expected keys and values, got {type(raw).__name__}")
    if problem := _problem(raw):
        raise TaskFileError(f"{path}: {problem}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    return TaskFile(name=path.stem, **values)


def find_task(name: str) -> TaskFile:
    """A shipped task by its name, or a file by its path; TaskFileError with the nearest name where it is neither."""
    shipped = {path.stem: path for path in sorted(TASKS.glob("*.yaml"))}
    if name in shipped:
        return read_task(shipped[name])
    if Path(name).is_file():
        return read_task(Path(name))
    hint = nearest(name, shipped)
    raise TaskFileError(f"no task {name!r}{hint}: expected a file or one of {', '.join(shipped)}")


def for_command(task: TaskFile, command: str) -> TaskFile:
    """The task itself; TaskFileError where another command measures it."""
    if COMMANDS[task.protocol] != command:
        raise TaskFileError(
            f"{task.name} asks for {task.protocol}: run unimedi {COMMANDS[task.protocol]}, not {command}"
        )
    return task


def evaluation_options(task: TaskFile, options: EvaluationOptions) -> EvaluationOptions:
    """The options by which ``unimedi evaluate`` measures a task; all others stay as they are."""
    return replace(
        options,
        kinds=(task.kind,),
        classes=tuple(task.classes),
        fractions=task.fractions,
        probe_seeds=task.seeds,
        probe_cap=None,
        multiclass=task.metric == "accuracy",
    )


def cli_args(task: TaskFile) -> list[str]:
    """The arguments of ``unimedi finetune`` or ``segment`` that a task stands for."""
    chosen = {
        "kinds": [task.kind],
        "classes": list(task.classes),
        "fractions": task.fractions,
        "seeds": task.seeds,
        "split": task.split,
    } | dict(task.training)
    return [f"--{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in chosen.items()]


def answers(task: TaskFile, measurements: Measurements) -> Measurements:
    """The measurements that answer the task: its metric, of every method and share of the labels; of fine_tune acc
    as well."""
    metrics = (METRICS[task.protocol][task.metric], *BESIDE.get(task.protocol, ()))
    of_task = measurements.select(task=task.protocol, modality=task.kind, minus="", finding="")
    return Measurements(row for row in of_task.values() if row.metric in metrics)


def answer_lines(task: TaskFile | None, measurements: Measurements) -> list[str]:
    """What a command prints of its task: ``key value (interval)`` an answer; nothing where no file was given."""
    if task is None:
        return []
    found = [f"{key} {with_interval(row)}" for key, row in answers(task, measurements).items()]
    return found or [f"{task.name}: no {METRICS[task.protocol][task.metric]} could be computed"]


def _problem(raw: Mapping[Any, Any]) -> str:
    """What is wrong with a file's values, in words; '' where nothing is."""
    known = {one.name: one for one in fields(TaskFile) if one.name != "name"}
    for key in raw:
        if key not in known:
            return f"unknown key {key!r}{nearest(str(key), known)}; known are {', '.join(known)}"
    if missing := [key for key in known if key not in raw and _required(known[key])]:
        return f"missing {', '.join(missing)}"
    for key in (key for key in raw if key in KEYED and not isinstance(raw[key], dict)):
        return f"{key}: expected keys and values, got {raw[key]!r}"
    for key in (key for key in raw if key in LISTED and not isinstance(raw[key], list)):
        return f"{key}: expected a list, got {raw[key]!r}"
    for key, value, allowed in _choices(raw):
        if value not in allowed:
            return f"{key}: expected one of {', '.join(allowed)}, got {value!r}{nearest(str(value), allowed)}"
    return _meaning(raw)


def _choices(raw: Mapping[str, Any]) -> list[tuple[str, Any, Sequence[str]]]:
    return [
        ("kind", raw["kind"], list(map(str, ImageKind))),
        ("protocol", raw["protocol"], list(COMMANDS)),
        ("metric", raw["metric"], list(METRICS.get(str(raw["protocol"]), {}))),
        ("split", raw.get("split", "test"), SPLITS[1:]),
        *(("official_split", part, SPLITS) for part in raw["official_split"]),
    ]


def _meaning(raw: Mapping[str, Any]) -> str:
    if not raw["classes"] or not all(isinstance(name, str) for pair in raw["classes"].items() for name in pair):
        return f"classes: expected a column and what it says for each, got {raw['classes']!r}"
    if not raw["source"]:
        return "source: expected where the facts are from, got nothing"
    shares, seeds = raw.get("fractions", [1.0]), raw.get("seeds", [0])
    if not shares or not all(isinstance(share, float | int) and 0 < share <= 1 for share in shares):
        return f"fractions: expected shares above 0 and up to 1, got {shares!r}"
    if len(set(shares)) < len(shares):
        return f"fractions: expected each share once, got {shares!r}"
    if not seeds or not all(isinstance(seed, int) and seed >= 0 for seed in seeds):
        return f"seeds: expected whole numbers from 0 on, got {seeds!r}"
    for entry in raw.get("published", []):
        if not isinstance(entry, dict) or not PUBLISHED <= set(entry) <= PUBLISHED | {"verified"}:
            return f"published: expected method, figures and source (and verified), got {entry!r}"
        if not isinstance(entry["figures"], dict) or not all(_is_share_of_one(v) for v in entry["figures"].values()):
            return f"published: expected figures from 0 to 1 by share of the labels, got {entry['figures']!r}"
    if METRICS[raw["protocol"]][raw["metric"]] == "multiclass_accuracy" and len(raw["classes"]) < 2:
        return "metric: accuracy is of a choice between classes, and there is one class"
    if raw.get("training") and COMMANDS[raw["protocol"]] == "evaluate":
        return f"training: {raw['protocol']} has no such options, got {', '.join(raw['training'])}"
    return ""


def _is_share_of_one(value: object) -> bool:
    return isinstance(value, float | int) and 0 <= value <= 1


def _required(one: "Field[Any]") -> bool:
    return one.default is MISSING and one.default_factory is MISSING
