"""Files and folders that are written whole or not at all: a reader sees the old one or the new one, never half of one.

Each is written beside its target under a hidden name and then renamed. A process that is killed leaves a hidden file
(:func:`leftovers` lists them) or a hidden folder ``.NAME.partial``, which the next writer of that folder replaces.
"""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_file(path: Path, durable: bool = False) -> Iterator[Path]:
    """A path beside ``path`` to write to. When the block ends it takes the place of ``path``; when it fails it is gone.

    Args:
        path: the target; its folder must be there.
        durable: wait until the bytes are on the disk, so that a power failure leaves the old file or the new one.
    """
    temporary = temporary_name(path)
    try:
        yield temporary
        if durable:
            flush(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path, durable: bool = False) -> Iterator[Path]:
    """The same for a folder: a new and empty one to fill, which takes the place of ``path`` and of all that is in it.

    Args:
        path: the target; the folders above it are made.
        durable: wait until the names are on the disk; what is in the files is for their writer to :func:`flush`.
    """
    partial, old = path.with_name(f".{path.name}.partial"), path.with_name(f".{path.name}.old")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if durable:
            flush(partial)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        partial.rename(path)
        if durable:
            flush(path.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file of these bytes."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str, durable: bool = False) -> None:
    """Write a file in UTF-8, its line ends as they are in ``text``."""
    with atomic_file(path, durable) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, value: Any, durable: bool = False) -> None:
    """Write ``value`` as JSON for people to read, too.

    Raises:
        ValueError: a number is not finite; JSON has none for it.
    """
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n", durable)


def temporary_name(path: Path) -> Path:
    """Where ``path`` is written first: hidden, of this process, and with the same ending, which some writers go by.

    With the machine's name: in containers most processes have the same few numbers.
    """
    return path.with_name(f".{socket.gethostname()}-{os.getpid()}.tmp.{path.name}")


def leftovers(folder: Path) -> list[Path]:
    """Files in ``folder`` that a writer was killed over."""
    return sorted(folder.glob(".*.tmp.*"))


def flush(path: Path) -> None:
    """A file or folder down to the disk, not only to the kernel: a rename must not overtake the bytes it points to."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
