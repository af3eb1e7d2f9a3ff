"""``unimedi evaluate``: how good a run is, ``report``: its page, ``slice-eval``: does it choose slices with lesions."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from unimedi.cli.options import Argument, Devices, FromStore, NameOrFile
from unimedi.ranges import at_least


@dataclass(frozen=True)
class Evaluate(FromStore):
    """Measure a run on held-out studies: metrics.json and report.html in its folder."""

    run_folder: Annotated[Path, Argument(positional=True, metavar="run")]
    """a run folder or a pretrained folder"""
    out: Path | None = None
    """where the figures and the report go (default: RUN, RUN/tasks/TASK)"""
    split: Literal["validation", "test"] | None = None
    """default: the task's, or test"""
    task: NameOrFile = None
    """a public collection's (chexpert, covidx, btcv ...), or your own file: classes, metric, shares, split"""
    prompts: NameOrFile = None
    """zero-shot sentences (default: shipped ones in the model's language)"""
    supervised: Annotated[int, at_least(0), Argument(metavar="STEPS")] = 0
    """also train the same encoder with labels, for scale"""
    compare: Annotated[list[Path], Argument(metavar="RUN")] = field(default_factory=list)
    """evaluated runs to show beside it"""
    devices: Devices = None
    """GPUs, or copies on the CPU (default: all GPUs)"""

    def run(self) -> None:
        from unimedi.evaluation.options import EvaluationOptions
        from unimedi.evaluation.task_file import find_task, for_command
        from unimedi.evaluation.zero_shot.prompts import find_prompts
        from unimedi.reporting.commands import evaluate

        task = for_command(find_task(self.task), "evaluate") if self.task else None
        prompts = find_prompts(self.prompts) if self.prompts else None
        options = EvaluationOptions(supervised_steps=self.supervised, prompts=prompts)
        split = self.split or (task.split if task else "test")
        evaluate(
            self.run_folder, self.store, self.out, task=task, split=split, compare=self.compare, options=options,
            devices=self.devices,
        )  # fmt: skip


@dataclass(frozen=True)
class Report:
    """Draw the page of an evaluated run anew, from its files alone: no model, no store."""

    run_folder: Annotated[Path, Argument(positional=True, metavar="run")]
    """the folder of metrics.json and evaluation/: a run, or what --out of evaluate named"""

    def run(self) -> None:
        from unimedi.reporting.report import report

        print(f"the page: {report(self.run_folder)}")


@dataclass(frozen=True)
class SliceEval(FromStore):
    """Measure slice selection on volumes with masked lesions: every selector, every way of scoring, controls."""

    run_folder: Annotated[Path, Argument(positional=True, metavar="run")]
    """a run folder or a pretrained folder"""
    split: Literal["validation", "test"] = "test"
    """the part of the store that is measured"""
    out: Path | None = None
    """the figures, .json; a picture beside it (default: RUN/slice_eval.json)"""
    with_: Annotated[list[Path], Argument(metavar="RUN")] = field(default_factory=list)
    """runs, pretrained folders or checkpoints: does this one choose the same slices?"""
    focal: Annotated[list[str], Argument(metavar="FINDING")] = field(default_factory=list)
    """whose masks count (default: local ones)"""

    def run(self) -> None:
        from unimedi.evaluation.options import EvaluationOptions
        from unimedi.files.lock import alone_at
        from unimedi.reporting.commands import slice_eval

        options = EvaluationOptions(focal=tuple(self.focal)) if self.focal else EvaluationOptions()
        out = self.out or self.run_folder / "slice_eval.json"
        with alone_at(out) if self.run_folder.is_dir() else nullcontext():
            slice_eval(self.run_folder, self.store, self.out, self.split, self.with_, options)
