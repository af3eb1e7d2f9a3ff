"""One thread runs the model; urgent work goes first, and what waits is bounded."""

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from unimedi.errors import StateError

T = TypeVar("T")


class BusyError(StateError):
    """Too much is asked at once; a moment later it may be answered."""


class ModelThread:
    """Runs work in one thread, in the order in which it came, urgent work before all other.

    Args:
        most_waiting: pieces of urgent work that may wait, and as many others.
    """

    def __init__(self, most_waiting: int = 64) -> None:
        self._most = most_waiting
        self._waiting: list[_Work] = []  # a heap
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    async def __call__(self, work: Callable[[], T], urgent: bool = True) -> T:
        """``work()``, run in the thread; not at all where the caller is cancelled before its turn.

        Raises:
            BusyError: too much waits already, or the server is ending.
            Exception: whatever ``work`` raises.
        """
        result: T = await asyncio.wrap_future(self._add(work, urgent))
        return result

    @property
    def waiting(self) -> int:
        """Pieces of work that wait for their turn."""
        with self._changed:
            return sum(not one.future.cancelled() for one in self._waiting)

    def close(self) -> None:
        """End the thread when it has done what it is at; what waits is refused."""
        with self._changed:
            self._closed = True
            left, self._waiting = self._waiting, []
            self._changed.notify()
        for one in left:
            if one.future.set_running_or_notify_cancel():
                one.future.set_exception(BusyError("the server is ending"))
        self._thread.join()

    def _add(self, work: Callable[[], T], urgent: bool) -> "Future[T]":
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise BusyError("the server is ending")
            self._waiting = [one for one in self._waiting if not one.future.cancelled()]
            if sum(one.later is not urgent for one in self._waiting) >= self._most:
                raise BusyError(f"{self._most} others wait for the model: try again in a moment")
            self._waiting.append(_Work(not urgent, next(self._order), work, future))
            heapq.heapify(self._waiting)
            self._changed.notify()
        return future

    def _run(self) -> None:
        while (one := self._next()) is not None:
            if one.future.set_running_or_notify_cancel():
                try:
                    one.future.set_result(one.work())
                except BaseException as error:
                    one.future.set_exception(error)
            del one  # what it holds, an upload's image say, may be dropped while the thread waits

    def _next(self) -> "_Work | None":
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return heapq.heappop(self._waiting) if self._waiting else None


@dataclass(order=True, frozen=True, slots=True)
class _Work:
    later: bool
    number: int
    work: Callable[[], Any] = field(compare=False)
    future: "Future[Any]" = field(compare=False)
