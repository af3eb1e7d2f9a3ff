"""Several devices at work on one list of batches: which there are, and batches dealt out in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

import torch

from unimedi.errors import InputError

A = TypeVar("A")
B = TypeVar("B")
AHEAD = 2  # batches a thread that are taken before the first of them is asked for: no thread waits, no list fills up


def find_devices(count: int | None = None) -> list[torch.device]:
    """The devices to encode on.

    Args:
        count: how many GPUs; None takes all. Where there is no GPU, so many copies of the model share the CPU, one if
            None.

    Raises:
        InputError: there are fewer GPUs.
    """
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if there and count is not None and count > there:
        raise InputError(f"--devices: expected at most the {there} GPUs that are here, got {count}")
    if there:
        return [torch.device("cuda", number) for number in range(count or there)]
    return [torch.device("cpu")] * (count or 1)


def dealt(lanes: Sequence[Callable[[A], B]], batches: Iterable[A], width: int = 1) -> Iterator[B]:
    """What the lanes make of batches, in their order. Batch ``i`` always goes to lane ``i % len(lanes)``.

    An error, in a lane or in taking a batch, ends all: batches that are not begun are dropped, those that are under
    way are waited for. So does Ctrl-C, and whoever stops to ask for more.

    Args:
        lanes: what is done with a batch, a lane a device; each lane has its own threads.
        batches: taken in the caller's thread, not far ahead of what is asked for.
        width: threads of a lane.
    """
    workers = len(lanes) * width
    if workers == 1:
        yield from map(lanes[0], batches)
        return
    threads = torch.get_num_threads()
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)  # threads to come inherit what was set last
        share = (max(1, threads // workers),)
        pools = [stack.enter_context(ThreadPoolExecutor(width, "encode", torch.set_num_threads, share)) for _ in lanes]
        waiting = deque[Future[B]]()
        try:
            for number, batch in enumerate(batches):
                lane = number % len(lanes)
                waiting.append(pools[lane].submit(lanes[lane], batch))
                if len(waiting) == AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
