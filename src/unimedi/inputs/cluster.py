"""Parts dealt out to the workers of Dask: threads here, or a cluster that is running already.

A part whose worker is killed goes to another one. What is asked for here ends in any case: done, or in a sentence.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from unimedi.inputs.attempts import Death, attempt_part, deaths, forget
from unimedi.inputs.parts import Part, end_processes, prepare_part
from unimedi.inputs.store import StoreError
from unimedi.inputs.store_writer import part_name

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

LOOK = 1.0  # s to wait for a part before looking whether there is a worker at all
PATIENCE = 60.0  # s without any worker; a nanny starts one anew in a few
UNEXPLAINED = 3  # times that Dask may give a part up, after 4 deaths by default, of which none was over a study
GO_ON = "finished parts are kept, run the same again"


def on_threads(todo: Sequence[Part], threads: int, advance: Callable[[int], None]) -> None:
    """Prepare parts here. Threads are enough: each waits for a process that reads. Their memory is not what fills up.

    ``advance`` hears how many studies more are done.
    """
    import dask
    from distributed import Client, LocalCluster

    one = {"n_workers": 1, "threads_per_worker": min(threads, len(todo)), "processes": False}
    quiet = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL, "memory_limit": 0}
    try:
        # A worker is given one part at a time, so that none waits behind a slow one.
        with (
            dask.config.set({"distributed.scheduler.worker-saturation": 1.0}),
            LocalCluster(**one, **quiet) as cluster,
            Client(cluster) as client,
        ):
            _Dealer(client, "this machine", prepare_part, advance).deal(todo)
    finally:
        end_processes()


def on_cluster(todo: Sequence[Part], scheduler: str, advance: Callable[[int], None]) -> None:
    """Prepare parts on the workers of ``scheduler`` (``tcp://…``), which see the same files under the same paths.

    Raises:
        StoreError: there is no scheduler, or it is gone; there was no worker for ``PATIENCE``; a part lost every
            worker that had it, and no study can be named that did it; a worker sees other files.
    """
    parts = [replace(part, out=part.out.absolute()) for part in todo]
    for part in parts:
        forget(part)
    with _client(scheduler) as client:
        _Dealer(client, scheduler, attempt_part, advance, Path.cwd()).deal(parts)


class _Dealer:
    """Parts on the way to the workers of one client.

    Args:
        where: what messages call the cluster.
        work: prepares a part, given it and ``arguments``.
        advance: hears how many studies more are done.
    """

    def __init__(
        self, client: "Client", where: str, work: Callable[..., int], advance: Callable[[int], None], *arguments: Any
    ) -> None:
        self.client, self.where, self.work, self.advance, self.arguments = client, where, work, advance, arguments
        self._running: dict[str, tuple[Future, Part]] = {}
        self._finished: SimpleQueue[Future] = SimpleQueue()
        self._deaths: dict[int, set[Death]] = {}
        self._unexplained: Counter[int] = Counter()
        self._alone_since: float | None = None

    def deal(self, parts: Sequence[Part]) -> None:
        """Submit all, and wait for each."""
        for part in parts:
            self._submit(part)
        while self._running:
            try:
                future = self._finished.get(timeout=LOOK)
            except Empty:
                self._look_for_workers()
                continue
            self._alone_since = None
            _, part = self._running.pop(future.key)
            self._take(future, part)

    def _submit(self, part: Part) -> None:
        future = self.client.submit(self.work, part, *self.arguments, pure=False)
        self._running[future.key] = future, part
        future.add_done_callback(self._finished.put)

    def _take(self, future: "Future", part: Part) -> None:
        # Not result(): the number would be fetched from a worker, and where that has died meanwhile, waited for.
        if future.status == "finished":
            self.advance(len(part.studies))
        elif future.status == "lost":  # finished, and its worker died with the answer: the part is there, or is made
            self._submit(part)
        elif future.status == "error":
            self._again_or_raise(part, future.exception())
        else:
            raise StoreError(f"the Dask scheduler at {self.where} is gone: start it and its workers; {GO_ON}")

    def _again_or_raise(self, part: Part, error: BaseException) -> None:
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            raise error
        known, found = self._deaths.get(part.number, set()), deaths(part)
        if found <= known:  # a part that only waits at a worker is blamed for its death as well
            self._unexplained[part.number] += 1
        if self._unexplained[part.number] > UNEXPLAINED:
            lost = f"{part_name(part.number)}: the cluster lost every worker that had it, again and again"
            raise StoreError(f"{lost}, and none over a study; see why they ended; {GO_ON}") from error
        self._deaths[part.number] = found  # a study costs two workers at most, then it is refused
        self._submit(part)

    def _look_for_workers(self) -> None:
        try:
            workers = self.client.nthreads()
        except (OSError, RuntimeError):  # no scheduler: its futures are cancelled when the client has given it up
            return
        now = time.monotonic()
        if workers:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
            log.warning("no worker at %s: waiting up to %g s for one", self.where, PATIENCE)
        elif now - self._alone_since > PATIENCE:
            raise StoreError(
                f"expected a worker at {self.where}, there was none for {PATIENCE:g} s: start some "
                f"(dask worker {self.where}) and see why they ended; {GO_ON}"
            )


@contextmanager
def _client(scheduler: str) -> "Iterator[Client]":
    from distributed import Client

    try:
        client = Client(scheduler)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"expected a running Dask scheduler at {scheduler}, as tcp://HOST:8786, got no answer ({error}): "
            "start one with dask scheduler"
        ) from error
    with client:
        yield client
