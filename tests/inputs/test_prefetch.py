"""Reading ahead: in order, within the limit of bytes, each item as often as it was announced."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from unimedi.inputs.prefetch import Prefetch


class Source:
    """Items that come when a test lets them."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.open = threading.Event()

    def fetch(self, number: int) -> int:
        self.begun.append(number)
        assert self.open.wait(20)
        return number


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def pool(source: Source) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads
        source.open.set()


def test_no_more_than_the_limit_is_held(source: Source, pool: ThreadPoolExecutor) -> None:
    coming = Prefetch(source.fetch, lambda number: 10, 35, pool, 8)
    coming.ahead(range(6))
    assert coming.bytes == 30
    assert coming.take(5) is None  # not begun: it is the caller's
    source.open.set()
    taken = [coming.take(number) for number in range(5)]
    assert [future.result() for future in taken if future] == list(range(5))
    assert sorted(source.begun) == list(range(5))
    assert (coming.bytes, coming.most) == (0, 30)


def test_one_item_is_held_however_large(source: Source, pool: ThreadPoolExecutor) -> None:
    coming = Prefetch(source.fetch, lambda number: 100, 35, pool, 8)
    coming.ahead(range(2))
    source.open.set()
    first, second = coming.take(0), coming.take(1)
    assert first is not None
    assert second is not None
    assert (first.result(), second.result()) == (0, 1)


def test_no_more_threads_than_said_are_busy(source: Source, pool: ThreadPoolExecutor) -> None:
    coming = Prefetch(source.fetch, lambda number: 1, 100, pool, 2)
    coming.ahead(range(5))
    assert coming.bytes == 2
    source.open.set()
    assert [future.result() for number in range(5) if (future := coming.take(number))]


def test_an_item_that_is_announced_twice_is_fetched_once(source: Source, pool: ThreadPoolExecutor) -> None:
    coming = Prefetch(source.fetch, lambda number: 10, 100, pool, 8)
    coming.ahead([1, 2, 1])
    source.open.set()
    assert coming.take(1) is not None
    assert coming.bytes == 20
    assert coming.take(1) is not None
    assert coming.take(1) is None
    assert sorted(source.begun) == [1, 2]


def test_what_is_not_wanted_any_more_is_forgotten(source: Source, pool: ThreadPoolExecutor) -> None:
    coming = Prefetch(source.fetch, lambda number: 10, 20, pool, 8)
    coming.ahead(range(5))
    coming.clear()
    source.open.set()
    assert coming.bytes == 0
    assert all(coming.take(number) is None for number in range(5))


def test_what_fails_fails_where_it_is_taken(pool: ThreadPoolExecutor) -> None:
    def fetch(number: int) -> int:
        raise OSError(f"item {number}")

    coming = Prefetch(fetch, lambda number: 1, 10, pool, 8)
    coming.ahead([7])
    future = coming.take(7)
    assert future is not None
    with pytest.raises(OSError, match="item 7"):
        future.result()
