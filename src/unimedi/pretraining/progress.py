"""What a person sees while it trains: a bar with the time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from unimedi.pretraining.monitors import Warned

WAITS = 0.1  # of a step's time: more is worth a word, as --workers or a faster disk would help
_SHOWN = ("loss", "l_vl", "l_icl", "l_pcl")


class ProgressLine:
    """Shows step, losses, studies a second and the time left. Writes to standard error; silent unless ``shown``."""

    def __init__(self, total: int, done: int, shown: bool = True) -> None:
        self.total, self.first, self.shown = total, done, shown
        self.started = time.monotonic()
        self.every = max(1, total // 20)  # plain lines: about every 5 percent
        self.console = Console(stderr=True)
        self.standing: set[str] = set()  # names of the warnings of the step before
        self.bar: Progress | None = None
        if shown and sys.stderr.isatty():
            whole, rest = Column(no_wrap=True, min_width=8), Column(no_wrap=True, ratio=1, overflow="ellipsis")
            self.bar = Progress(
                BarColumn(bar_width=16),
                TextColumn("{task.completed}/{task.total}", table_column=whole),
                TextColumn("{task.fields[left]} left", table_column=whole),
                TextColumn("{task.description}", table_column=rest),
                console=self.console,
                expand=True,
            )
            self.task = self.bar.add_task("", total=total, completed=done, left="?")

    def __enter__(self) -> "ProgressLine":
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def update(self, record: Mapping[str, Any], warned: Sequence[Warned]) -> None:
        """Show the record of the step that has just been done, and each warning when it first appears."""
        done = int(record["step"]) + 1
        for warning in warned:
            if warning.name not in self.standing:
                self._say(f"Warning {warning.name}: {warning.message}")
        self.standing = {warning.name for warning in warned}
        left = _clock((time.monotonic() - self.started) / (done - self.first) * (self.total - done))
        if self.bar:
            self.bar.update(self.task, completed=done, description=_figures(record), left=left)
        elif self.shown and (done % self.every == 0 or done == self.total):
            self._say(f"step {done}/{self.total} ({done / self.total:.0%}), {left} left, {_figures(record)}")

    def _say(self, text: str) -> None:
        if self.bar:
            self.console.print(text, highlight=False, markup=False)  # above the bar
        elif self.shown:
            print(text, file=sys.stderr, flush=True)


def _figures(record: Mapping[str, Any]) -> str:
    losses = ", ".join(f"{key} {record[key]:.3f}" for key in _SHOWN if isinstance(record.get(key), float))
    waits = f" ({share:.0%} of the time waiting for data)" if (share := record["data_share"]) > WAITS else ""
    mfu = f", MFU {record['mfu']:.2f}" if "mfu" in record else ""
    return f"{record['examples_per_second']:.1f} studies/s{mfu}{waits}, {losses}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
