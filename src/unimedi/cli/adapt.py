"""``unimedi finetune``, ``segment``: a model learns from labels or masks; ``predict``: what it learnt is applied."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from unimedi.cli.options import POSITIONAL, Argument, NameOrFile

if TYPE_CHECKING:
    from unimedi.evaluation.task_file import TaskFile


@dataclass(frozen=True)
class _Training:
    run_folder: Annotated[Path, Argument(positional=True, metavar="run")]
    """a run folder or a pretrained folder"""
    data: Path
    """the store"""
    out: Path
    """the folder of metrics.json"""
    task: NameOrFile = None
    """a public collection's (chexpert, covidx, btcv ...), or your own file: classes, metric, shares, split"""

    def _task(self, subcommand: str) -> "tuple[TaskFile | None, list[str]]":
        """The task and the settings that it stands for."""
        from unimedi.evaluation.task_file import cli_args, find_task, for_command

        task = for_command(find_task(self.task), subcommand) if self.task else None
        return task, cli_args(task) if task else []


class FineTune(_Training):
    """Fine-tune a model on the labels of a store and measure it beside random weights: metrics.json."""

    def run(self, settings: list[str]) -> None:
        from unimedi.adaptation.fine_tune import fine_tune
        from unimedi.adaptation.prediction.trained import CLASSIFICATION, out_of_training
        from unimedi.adaptation.settings import FineTuneSettings
        from unimedi.evaluation.task_file import answer_lines
        from unimedi.files.lock import alone_in
        from unimedi.settings import read_settings

        with alone_in(self.out):
            task, words = self._task("finetune")
            chosen = read_settings(FineTuneSettings, [*words, *settings])
            out_of_training(self.out, CLASSIFICATION)
            figures = fine_tune(self.run_folder, self.data, chosen, out=self.out)
            figures.write(self.out / "metrics.json")
        for line in answer_lines(task, figures):
            print(line)


class Segment(_Training):
    """Learn the masks of a store with a model's tokens and measure it beside random weights: metrics.json."""

    def run(self, settings: list[str]) -> None:
        from unimedi.adaptation.prediction.trained import SEGMENTATION, out_of_training
        from unimedi.adaptation.segmentation.segment import segment
        from unimedi.adaptation.settings import SegmentSettings
        from unimedi.evaluation.task_file import answer_lines
        from unimedi.files.lock import alone_in
        from unimedi.settings import read_settings

        with alone_in(self.out):
            task, words = self._task("segment")
            chosen = read_settings(SegmentSettings, [*words, *settings])
            out_of_training(self.out, SEGMENTATION)
            figures = segment(self.run_folder, self.data, chosen, out=self.out)
            figures.write(self.out / "metrics.json")
        for line in answer_lines(task, figures):
            print(line)


@dataclass(frozen=True)
class Predict:
    """Apply what finetune or segment has learnt to files: a table of probabilities, or masks that lie on the images."""

    files: Annotated[list[Path], POSITIONAL]
    """images, folders of a DICOM series, or folders of these"""
    model: Path
    """the --out of finetune or segment"""
    out: Path
    """the table, .csv, of a classifier; a folder for masks"""

    def run(self) -> None:
        from unimedi.adaptation.prediction.predict import predict
        from unimedi.files.lock import alone_at

        with alone_at(self.out):
            count, listed = predict(self.files, self.model, self.out)
        print(f"{count} images in {self.out}")
        if listed.skipped:
            print(f"{listed.complaint()}; the list of them lies beside the table, .skipped.csv", file=sys.stderr)
