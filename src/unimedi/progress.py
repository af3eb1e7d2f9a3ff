"""How far a long command is, with the time left: a bar on a terminal, one line at the end elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(label: str, total: int, done: int = 0, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Show on standard error that ``done`` of ``total`` are done; gives a function that says how many more are.

    Args:
        label: what is being done, a word or two.
        total: how many there are.
        done: how many an earlier run has done.
        shown: whether anything is shown.
    """
    from rich.console import Console  # 0.1 s: not at the import of this module
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task(label, total=total, completed=done)
        yield lambda count: bar.advance(task, count)
