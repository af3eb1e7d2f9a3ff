"""Reading ahead: what will be wanted soon is fetched by several threads, as much of it as a limit of bytes allows."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Held(Generic[T]):
    """One item that is being fetched, or has come."""

    future: Future[T]
    size: int
    wanted: int = 1  # times


class Prefetch(Generic[T]):
    """Items by number, fetched in the order in which they were announced.

    Args:
        fetch: gives an item; called by several threads.
        size: its bytes, known before.
        limit: bytes that are being fetched, or have come and were not taken. One item is held however large it is.
        pool: the threads.
        threads: how many of them at most; more are not given to ``pool``, so that a process that ends waits for few.
    """

    def __init__(
        self, fetch: Callable[[int], T], size: Callable[[int], int], limit: int, pool: ThreadPoolExecutor, threads: int
    ) -> None:
        self._fetch, self._size, self._limit, self._pool, self._threads = fetch, size, limit, pool, threads
        self._announced: deque[int] = deque()
        self._held: dict[int, _Held[T]] = {}
        self._running = self.bytes = self.most = 0  # bytes: held now; most: at any time
        self._lock = threading.RLock()

    def ahead(self, numbers: Iterable[int]) -> None:
        """Announce items; one that is announced twice may be taken twice."""
        with self._lock:
            self._announced.extend(numbers)
            self._begin()

    def take(self, number: int) -> Future[T] | None:
        """The item, which may still be on its way; None where it has not been begun: it is then the caller's to get."""
        with self._lock:
            held = self._held.get(number)
            if held is None:
                if number in self._announced:
                    self._announced.remove(number)
                return None
            held.wanted -= 1
            if not held.wanted:
                self._drop(number)
                self._begin()
            return held.future

    def clear(self) -> None:
        """Forget what was announced and not taken."""
        with self._lock:
            self._announced.clear()
            for number in list(self._held):
                self._held[number].future.cancel()
                self._drop(number)

    def _begin(self) -> None:
        while self._announced and self._running < self._threads:
            number = self._announced[0]
            size = 0 if number in self._held else self._size(number)
            if self._held and self.bytes + size > self._limit:
                return
            self._announced.popleft()
            if number in self._held:
                self._held[number].wanted += 1
                continue
            self._running += 1
            self.bytes += size
            self.most = max(self.most, self.bytes)
            future = self._pool.submit(self._fetch, number)
            self._held[number] = _Held(future, size)
            future.add_done_callback(self._done)

    def _done(self, _: Future[T]) -> None:
        with self._lock:
            self._running -= 1
            self._begin()

    def _drop(self, number: int) -> None:
        self.bytes -= self._held.pop(number).size
