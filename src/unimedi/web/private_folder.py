"""Folders for files that pass through: private, gone when done with, swept when a server was killed.

Each is held with the operating system's lock, which ends with its process. What lies there unlocked belongs to nobody.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "unimedi-page-"
NEW: Final = 60.0  # s: a folder younger than this may be between being made and being locked


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that only this user may open, among the system's temporary ones; removed with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(held)


def sweep() -> int:
    """Remove what killed servers of this user left behind; returns how many folders these were."""
    swept = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # gone by now, a link, or another user's
            continue
        try:
            status = os.fstat(held)
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > NEW:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                swept += 1
        except BlockingIOError:  # its process is alive
            continue
        finally:
            os.close(held)
    return swept
