"""Compressed arrays of remote stores in a local folder of limited size: what was used least recently goes first.

Several processes may share the folder: a file is written whole or not at all, and one that is gone is fetched again.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from unimedi.files.atomic import atomic_file

log = logging.getLogger(__name__)
LOOK: Final = 1 / 32  # of the limit: what a process writes between two looks at the folder
KEPT: Final = 3 / 4  # of the limit: what such a look leaves, so that eight processes together stay within it


class StudyCache:
    """The cache of one store.

    Args:
        root: the folder of all stores' caches, made where it is missing, for this user alone: it holds images.
        limit: bytes of all files below ``root``.
        fingerprint: the store's; another content has another folder.
    """

    def __init__(self, root: Path, limit: int, fingerprint: str) -> None:
        self.root, self.limit, self.folder = root, limit, root / fingerprint
        self._since_look = limit  # bytes written since the last look; the first write is followed by one
        self._lock, self._usable = threading.Lock(), True

    def get(self, name: str) -> bytes | None:
        """What lies under ``name``, unchecked; None where there is nothing."""
        file = self.folder / name
        try:
            data = file.read_bytes()
            os.utime(file)  # this is when it was used last
        except OSError:
            return None
        return data

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Keep ``data``. A cache that cannot be written is said once, and done without."""
        if not self._usable or len(data) > self.limit * KEPT:
            return
        file = self.folder / name
        try:
            if not file.parent.is_dir():
                self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
                file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(file) as temporary:
                temporary.write_bytes(data)
            self._written(len(data))
        except OSError as error:
            self._usable = False
            log.warning("%s: the cache cannot be written, and is done without: %s", self.root, error.strerror)

    def drop(self, name: str) -> None:
        """Forget what lies under ``name``."""
        with suppress(OSError):
            (self.folder / name).unlink()

    def _written(self, size: int) -> None:
        with self._lock:
            self._since_look += size
            if self._since_look <= self.limit * LOOK:
                return
            with suppress(Timeout), FileLock(self.root / ".lock", timeout=0):  # else another process looks just now
                self._evict()
                self._since_look = 0

    def _evict(self) -> None:
        """Remove the files that were used least recently, until the others fit."""
        found = sorted(_files(self.root))
        total = sum(size for _, size, _ in found)
        for _, size, path in found:
            if total <= self.limit * KEPT:
                return
            with suppress(FileNotFoundError):
                path.unlink()
            total -= size


def _files(root: Path) -> Iterator[tuple[int, int, Path]]:
    """Time of the last use (ns), bytes and path of every file that is kept."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            with suppress(FileNotFoundError):  # another process has just removed it
                status = path.stat()
                if name != ".lock":
                    yield status.st_mtime_ns, status.st_size, path
