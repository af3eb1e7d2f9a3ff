"""A function in a process of its own, one call at a time, each under a time and a memory limit.

A hostile file may hang a decoder, fill the memory or crash the interpreter. Only this process dies of it: the caller
gets an ``ImagingError`` with the reason, and the next call a new process.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import psutil

from unimedi.errors import InputError
from unimedi.imaging.image import ImagingError, Reason

A = TypeVar("A")
B = TypeVar("B")
LOOK = 0.05  # s between two looks at a process; decoders fill some 50 MB in that time
LIMITED = ("too_slow", "too_large")  # reasons that a higher limit could change
_CHILD = "import sys; from unimedi.inputs.sandbox import serve; serve(int(sys.argv[1]))"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take: ``seconds`` by the clock, ``memory`` bytes of its whole process without the pages of
    mapped files."""

    seconds: float = 300.0
    memory: int = 2 << 30

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.memory <= 0:
            raise InputError(f"limits must be positive, got {self.seconds:g} s and {self.memory} bytes")

    def of(self, reason: str) -> str:
        """The limit that ``reason`` names, in words."""
        return f"{self.seconds:g} s" if reason == "too_slow" else f"{self.memory / 2**20:.0f} MiB"


class Sandbox(Generic[A, B]):
    """Calls ``work`` in another process, under limits of time and memory; usable by one thread at a time.

    Args:
        work: an importable function of one argument that raises nothing.
        limits: what one call may take; beyond, its process is ended and the next call starts another.
        folder: where the relative paths of the process begin; None: where those of this one do.
    """

    def __init__(self, work: Callable[[A], B], limits: Limits, folder: Path | None = None) -> None:
        self.work, self.limits, self.folder = work, limits, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection[Any, Any] | None = None
        self._ended = False

    def __call__(self, item: A, name: str) -> B:
        """``work(item)``; ``name`` says in messages which file it was.

        Raises:
            ImagingError: ``too_slow``, ``too_large``, or ``crashed`` (its process died twice).
        """
        try:
            return self._call(item, name)
        except EOFError:  # forgiven once: somebody, or a system short of memory, may have killed the wrong process
            self.close()
        try:
            return self._call(item, name)
        except EOFError:
            how = self._death()
            raise ImagingError("crashed", f"{name}: its process died twice ({how})") from None

    def close(self) -> None:
        """End the process; the next call starts another."""
        if self._process is not None and self._pipe is not None:
            self._pipe.close()
            self._process.kill()
            self._process.wait()
        self._process = self._pipe = None

    def end(self) -> None:
        """End the process for good, whatever it does: a call that another thread makes fails (``crashed``)."""
        self._ended = True
        if (process := self._process) is not None:
            process.kill()

    def __enter__(self) -> "Sandbox[A, B]":
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _call(self, item: A, name: str) -> B:
        process, pipe = self._started()
        try:
            pipe.send(item)
        except OSError as error:
            raise EOFError from error
        watched, deadline = psutil.Process(process.pid), time.monotonic() + self.limits.seconds
        while True:  # looked at once at least, however fast the answer comes
            if _resident(watched) > self.limits.memory:
                self._refuse("too_large", name, "took more memory than")
            if pipe.poll(LOOK):
                break
            if time.monotonic() > deadline:
                self._refuse("too_slow", name, "took longer than")
        try:
            answer: B = pipe.recv()
        except OSError as error:
            raise EOFError from error
        return answer

    def _refuse(self, reason: Reason, name: str, what: str) -> None:
        self.close()
        raise ImagingError(reason, f"{name}: {what} {self.limits.of(reason)}; raise the limit if the file is sound")

    def _started(self) -> "tuple[subprocess.Popen[bytes], Connection[Any, Any]]":
        if self._ended:
            raise EOFError
        if self._process is None or self._pipe is None:
            self._pipe, theirs = Pipe()
            end = theirs.fileno()
            # A session of its own: Ctrl-C is for the parent, which closes the pipe.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, str(end)], pass_fds=(end,), start_new_session=True, cwd=self.folder
            )
            theirs.close()
            if self._ended:  # meanwhile
                self._process.kill()
            try:
                self._pipe.send((self.work, self.limits))
                self._pipe.recv()  # it has imported what it needs, and the clock may start
            except OSError as error:
                raise EOFError from error
        return self._process, self._pipe

    def _death(self) -> str:
        code = self._process.wait() if self._process else 0
        self.close()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class SandboxPool(Generic[A, B]):
    """Calls of ``work`` from any number of threads: each in a :class:`Sandbox`, which is kept for the next call."""

    def __init__(self, work: Callable[[A], B], limits: Limits, folder: Path | None = None) -> None:
        self.work, self.limits, self.folder = work, limits, folder
        self._idle: deque[Sandbox[A, B]] = deque()
        self._all: list[Sandbox[A, B]] = []
        self._ended = False

    def __call__(self, item: A, name: str) -> B:
        """As :meth:`Sandbox.__call__`."""
        try:
            sandbox = self._idle.pop()
        except IndexError:
            sandbox = Sandbox(self.work, self.limits, self.folder)
            self._all.append(sandbox)
        if self._ended:
            sandbox.end()
        try:
            return sandbox(item, name)
        except KeyboardInterrupt:
            sandbox.close()  # or the next call would get this one's answer
            raise
        finally:
            self._idle.append(sandbox)

    def close(self) -> None:
        """End the processes that wait for another call."""
        while self._idle:
            sandbox = self._idle.pop()
            sandbox.close()
            self._all.remove(sandbox)

    def end(self) -> None:
        """End all processes for good: calls that are under way, and any later one, fail (``crashed``)."""
        self._ended = True
        for sandbox in list(self._all):
            sandbox.end()
        self.close()


def serve(descriptor: int) -> None:
    """The other side of the pipe: answer calls until it closes."""
    with Connection(descriptor) as pipe:
        try:
            work, limits = pipe.recv()
            pipe.send(os.getpid())
            while True:
                item = pipe.recv()
                # A parent that was killed can end nobody; processor time ends what hangs without one.
                used = sum(os.times()[:2])
                resource.setrlimit(resource.RLIMIT_CPU, (int(used + 8 * limits.seconds) + 1, resource.RLIM_INFINITY))
                pipe.send(work(item))
        except (EOFError, OSError):
            return


def _resident(process: psutil.Process) -> int:
    try:
        memory = process.memory_info()
        return int(memory.rss - getattr(memory, "shared", 0))  # pages of a mapped store can be dropped: not counted
    except psutil.Error:
        return 0  # dead: the pipe tells
