"""One thread for the model: order, bounds, cancelled callers, errors, and nothing kept."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from unimedi.web.model_thread import BusyError, ModelThread


@pytest.fixture
def model() -> Iterator[ModelThread]:
    model = ModelThread(most_waiting=3)
    yield model
    model.close()


class Gate:
    """Work that holds the thread until it is opened."""

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.open.wait(600)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def held(model: ModelThread) -> tuple[Gate, asyncio.Future[None]]:
    gate = Gate()
    task = asyncio.ensure_future(model(gate))
    await until(gate.entered.is_set)
    return gate, task


def test_all_work_runs_in_one_thread_that_is_not_the_callers(model: ModelThread) -> None:
    async def run() -> set[int]:
        return {await model(threading.get_ident) for _ in range(5)}

    assert len(found := asyncio.run(run())) == 1
    assert threading.get_ident() not in found


def test_urgent_work_goes_first_and_each_kind_in_its_order(model: ModelThread) -> None:
    done: list[str] = []

    async def run() -> None:
        gate, first = await held(model)
        tasks = []
        for name, urgent in (("a", False), ("b", True), ("c", False), ("d", True)):
            tasks.append(asyncio.ensure_future(model(lambda name=name: done.append(name), urgent)))
        await until(lambda: model.waiting == 4)
        gate.open.set()
        await asyncio.gather(first, *tasks)

    asyncio.run(run())
    assert done == ["b", "d", "a", "c"]


def test_too_much_is_refused_and_what_can_wait_never_keeps_urgent_work_out(model: ModelThread) -> None:
    async def run() -> None:
        gate, first = await held(model)
        later = [asyncio.ensure_future(model(lambda: None, urgent=False)) for _ in range(3)]
        await until(lambda: model.waiting == 3)
        with pytest.raises(BusyError, match="3 others wait for the model"):
            await model(lambda: None, urgent=False)
        urgent = [asyncio.ensure_future(model(lambda: None)) for _ in range(3)]
        await until(lambda: model.waiting == 6)
        with pytest.raises(BusyError):
            await model(lambda: None)
        gate.open.set()
        await asyncio.gather(first, *later, *urgent)
        assert await model(lambda: "free again") == "free again"

    asyncio.run(run())


def test_the_work_of_a_caller_who_left_is_not_run_and_takes_no_place(model: ModelThread) -> None:
    done: list[int] = []

    async def run() -> None:
        gate, first = await held(model)
        tasks = [asyncio.ensure_future(model(lambda k=k: done.append(k))) for k in range(3)]
        await until(lambda: model.waiting == 3)
        tasks[1].cancel()
        await until(lambda: model.waiting == 2)
        more = asyncio.ensure_future(model(lambda: done.append(3)))
        await until(lambda: model.waiting == 3)
        gate.open.set()
        await asyncio.gather(first, *tasks, more, return_exceptions=True)

    asyncio.run(run())
    assert done == [0, 2, 3]


def test_errors_are_the_callers_and_the_thread_goes_on(model: ModelThread) -> None:
    async def run() -> int:
        with pytest.raises(ZeroDivisionError):
            await model(lambda: 1 // 0)
        return await model(lambda: 7)

    assert asyncio.run(run()) == 7


def test_nothing_of_what_was_done_is_held(model: ModelThread) -> None:
    """An upload that was dropped must not live on in the thread that looked at it last."""

    class Image:
        def look(self) -> "Image":
            return self

    async def run() -> "weakref.ref[Image]":
        image = Image()
        await model(image.look)
        return weakref.ref(image)

    found = asyncio.run(run())
    gc.collect()
    assert found() is None


def test_an_end_refuses_what_waits_and_what_comes() -> None:
    model = ModelThread()

    async def run() -> None:
        gate, first = await held(model)
        waits = asyncio.ensure_future(model(lambda: None))
        await until(lambda: model.waiting == 1)
        closing = asyncio.ensure_future(asyncio.to_thread(model.close))
        with pytest.raises(BusyError, match="ending"):
            await waits
        gate.open.set()
        await asyncio.gather(first, closing)
        with pytest.raises(BusyError, match="ending"):
            await model(lambda: None)

    asyncio.run(run())
    assert not model._thread.is_alive()
    model.close()
