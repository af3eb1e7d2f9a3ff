"""SIGTERM and SIGINT (Ctrl-C) as a request: finish the step, save, then go."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final

import torch
from lightning.fabric import Fabric

from unimedi.errors import StateError
from unimedi.pretraining.gather import gather

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class InterruptedRunError(StateError):
    """A signal stopped the run after ``done`` steps; it is saved. ``exit_code``: 128 + signal, 143 or 130."""

    def __init__(self, signum: int, done: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name} after {done} steps; continue with --resume")
        self.exit_code = 128 + signum


class StopRequest:
    """While entered, a first signal is kept until the loop asks; a second one acts at once, as without us."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric, self.signum = fabric, 0
        self.before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def requested(self) -> int:
        """The signal's number, 0 for none; the same on every rank, so that all leave after the same step."""
        if self.fabric.world_size == 1:
            return self.signum
        return int(gather(torch.tensor([self.signum], device=self.fabric.device)).max())

    def __enter__(self) -> "StopRequest":
        self.before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
