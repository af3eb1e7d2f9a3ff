"""Tasks of other collections that each row of a comparison answers: a task file and the store of its cohort."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from unimedi.adaptation.fine_tune import fine_tune
from unimedi.adaptation.segmentation.segment import segment
from unimedi.adaptation.settings import FineTuneSettings, SegmentSettings
from unimedi.errors import InputError
from unimedi.evaluation.task_file import COMMANDS, TaskFile, answers, cli_args, find_task
from unimedi.metrics.measurement import Measurements
from unimedi.reporting.commands import evaluate
from unimedi.reproduction.terms import digest
from unimedi.settings import read_settings

PROSE = ("about", "official_split", "source", "notes", "published")  # of a task file: nothing measured depends on them


@dataclass(frozen=True)
class Downstream:
    """A task and the store that it is measured on: its train split teaches the probe, its test split is measured."""

    task: TaskFile
    store: Path

    @property
    def key(self) -> str:
        """The digest of all of the task file that decides what is measured."""
        return task_key(self.task)


def task_key(task: TaskFile) -> str:
    """The digest of a task without its prose and without what others have published."""
    asked = {name: value for name, value in asdict(task).items() if name not in PROSE}
    return digest(asked)


def read_downstream(word: str) -> Downstream:
    """``NAME=STORE`` or ``FILE=STORE`` of a command line. InputError where it is neither, or no such task or store."""
    name, equals, store = word.rpartition("=")
    if not equals or not name or not store:
        raise InputError(f"expected a task and its store as NAME=STORE, got {word!r}")
    if not (Path(store) / "store.json").is_file():
        raise InputError(f"{name}: expected a prepared store, found none in {store}")
    return Downstream(find_task(name), Path(store))


def measure(run: Path, asked: Downstream, say: Callable[[str], None]) -> Measurements:
    """A trained run's answers, by the task's own subcommand; all that was measured lies in ``run/tasks/<task>``."""
    task = asked.task
    if COMMANDS[task.protocol] == "evaluate":
        return answers(task, evaluate(run, asked.store, split=task.split, task=task, say=say).measurements)
    if COMMANDS[task.protocol] == "finetune":
        found = fine_tune(run, asked.store, read_settings(FineTuneSettings, cli_args(task)), say)
    else:
        found = segment(run, asked.store, read_settings(SegmentSettings, cli_args(task)), say)
    out = run / "tasks" / task.name
    out.mkdir(parents=True, exist_ok=True)
    found.write(out / "metrics.json")
    return answers(task, found)
