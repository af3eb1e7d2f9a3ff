"""``unimedi finetune``, ``segment``: a model learns from labels or masks; ``predict``: what it learnt is applied."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar

from unimedi.cli.options import POSITIONAL, Argument, FromStore, NameOrFile

if TYPE_CHECKING:
    from unimedi.metrics.measurement import Measurements

T = TypeVar("T")


@dataclass(frozen=True)
class _Training(FromStore):
    run_folder: Annotated[Path, Argument(positional=True, metavar="run")]
    """a run folder or a pretrained folder"""
    out: Path
    """the folder of metrics.json"""
    task: NameOrFile = None
    """a public collection's (chexpert, covidx, btcv ...), or your own file: classes, metric, shares, split"""

    name: ClassVar[str]

    def train(self, kind: type[T], settings: list[str], learn: "Callable[..., Measurements]", learnt: str) -> None:
        """Train with the task's settings, those of the command line over them, and write ``metrics.json``.

        Args:
            kind: the dataclass of the settings.
            learn: ``fine_tune`` or ``segment``.
            learnt: what the folder then holds; a folder of something else is refused.
        """
        from unimedi.adaptation.prediction.trained import out_of_training
        from unimedi.evaluation.task_file import answer_lines, cli_args, find_task, for_command
        from unimedi.files.lock import alone_in
        from unimedi.settings import read_settings

        with alone_in(self.out):
            task = for_command(find_task(self.task), self.name) if self.task else None
            chosen = read_settings(kind, [*(cli_args(task) if task else ()), *settings])
            out_of_training(self.out, learnt)
            found = learn(self.run_folder, self.store, chosen, out=self.out)
            found.write(self.out / "metrics.json")
        for line in answer_lines(task, found):
            print(line)


class FineTune(_Training):
    """Fine-tune a model on the labels of a store and measure it beside random weights: metrics.json."""

    name = "finetune"

    def run(self, settings: list[str]) -> None:
        from unimedi.adaptation.fine_tune import fine_tune
        from unimedi.adaptation.prediction.trained import CLASSIFICATION
        from unimedi.adaptation.settings import FineTuneSettings

        self.train(FineTuneSettings, settings, fine_tune, CLASSIFICATION)


class Segment(_Training):
    """Learn the masks of a store with a model's tokens and measure it beside random weights: metrics.json."""

    name = "segment"

    def run(self, settings: list[str]) -> None:
        from unimedi.adaptation.prediction.trained import SEGMENTATION
        from unimedi.adaptation.segmentation.segment import segment
        from unimedi.adaptation.settings import SegmentSettings

        self.train(SegmentSettings, settings, segment, SEGMENTATION)


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
