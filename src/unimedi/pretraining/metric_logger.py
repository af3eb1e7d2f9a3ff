"""The log of a run: one line a step in ``log.jsonl``, the same figures for TensorBoard."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from unimedi.files.atomic import write_text
from unimedi.files.json_lines import read_json_lines
from unimedi.pretraining.monitors import WINDOW
from unimedi.pretraining.run_folder import RunFolder


class MetricLogger:
    """Appends the records of steps from ``step`` on; what an earlier process logged of them is forgotten first.

    ``recent`` are the last ``monitors.WINDOW`` records of that process. Only rank 0 writes.
    """

    def __init__(self, run: RunFolder, step: int, first: bool) -> None:
        self.recent: list[Mapping[str, Any]] = []
        self.seconds, self.started = 0.0, time.perf_counter()
        self.file, self.board = None, None
        if first:
            from torch.utils.tensorboard import SummaryWriter  # 0.5 s, only where something is logged

            kept = [record for record in read_json_lines(run.log) if record["step"] < step]
            write_text(run.log, "".join(json.dumps(record) + "\n" for record in kept), durable=True)
            self.recent = list(kept[-WINDOW:])
            self.seconds = kept[-1]["seconds"] if kept else 0.0
            self.file = run.log.open("a", encoding="utf-8")
            self.board = SummaryWriter(str(run.tensorboard), purge_step=step)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record with ``seconds`` of training so far, those of earlier processes included."""
        if self.file is None or self.board is None:
            return
        seconds = self.seconds + time.perf_counter() - self.started
        self.file.write(json.dumps({**record, "seconds": round(seconds, 3)}, allow_nan=False) + "\n")
        self.file.flush()
        for name, value in record.items():
            if isinstance(value, float):
                self.board.add_scalar(name, value, record["step"])

    @contextmanager
    def untimed(self) -> Iterator[None]:
        """What is done inside does not count as ``seconds`` of training."""
        began = time.perf_counter()
        yield
        self.started += time.perf_counter() - began

    def to_disk(self) -> None:
        """Before a checkpoint: the log must not end before the step that the checkpoint continues from."""
        if self.file is not None:
            os.fsync(self.file.fileno())

    def __enter__(self) -> "MetricLogger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file is not None and self.board is not None:
            self.file.close()
            self.board.close()
