"""One writer for a folder or a file: a second one gets an error that says who is writing.

The lock is the operating system's (``flock``): it ends with its process, however that ended, and a lock file that is
left over means nothing. On NFS it holds between machines where the export and the mount support locks (not ``nolock``).
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOSYS
from pathlib import Path

from filelock import FileLock, Timeout

from unimedi.errors import StateError
from unimedi.files.destination import folder_to_write

LOCK = ".lock"
PATIENCE = 2.0  # s to wait for a process that is about to end


class LockedError(StateError):
    """Another process writes there; the sentence says which, on which machine, since when."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder while the block runs.

    Args:
        folder: where the block writes; made if it is not there.

    Raises:
        DestinationError: it cannot be written into.
        LockedError: another process is; nothing was changed.
    """
    folder_to_write(folder)
    with _held(folder / LOCK, folder):
        yield


@contextmanager
def alone_at(path: Path) -> Iterator[None]:
    """Hold the lock of one file, or one folder, whose parent others may write into as well."""
    folder_to_write(path.parent)
    with _held(path.with_name(f".{path.name}{LOCK}"), path):
        yield


@contextmanager
def turn_at(file: Path) -> Iterator[None]:
    """Wait for the lock ``file`` as long as it takes, and hold it while the block runs; no wait where there are no
    locks."""
    lock = _lock(file)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno != ENOSYS:
            raise
        yield
        return
    try:
        yield
    finally:
        lock.release()


def writer_in(folder: Path) -> str:
    """Which other process holds :func:`alone_in` on ``folder`` now; '' where none does, or it cannot be known."""
    file = folder / LOCK
    if not file.exists():
        return ""
    lock = _lock(file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return "" if _read(file).items() >= _ourselves().items() else _holder(file)
    except OSError:  # a folder that cannot be written into, or no locks there
        return ""
    lock.release()
    return ""


@contextmanager
def _held(file: Path, place: Path) -> Iterator[None]:
    lock = _lock(file)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        told = f"{place} is being written by {_holder(file)}: wait until it ends, or choose another place"
        raise LockedError(told) from None
    except OSError as error:
        if error.errno != ENOSYS:
            raise
        yield  # a file system without locks: nothing can be held there
        return
    try:
        since = {"since": time.strftime("%Y-%m-%d %H:%M:%S")}
        file.write_text(json.dumps(_ourselves() | since), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # where an open file cannot go, it stays
            file.unlink()  # still held: whoever waits for this very file is told by the lock that it is gone
        lock.release()


def _lock(file: Path) -> FileLock:
    return FileLock(file, fallback_to_soft=False)


def _ourselves() -> dict[str, str | int]:
    return {"process": os.getpid(), "machine": socket.gethostname()}


def _holder(file: Path) -> str:
    held = _read(file)
    return "process {process} on {machine} since {since}".format(**held) if held else "another process"


def _read(file: Path) -> dict[str, str | int]:
    """What a holder wrote into its lock; nothing where it has only just come."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
