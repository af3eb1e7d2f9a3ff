"""Image files, each read in a process of its own under limits, which may not name the server's folders."""

import os
import tempfile
import threading
from pathlib import Path
from typing import Final

from unimedi.errors import UnimediError
from unimedi.imaging.image import ImagingError, Radiograph, Reason, Volume
from unimedi.inputs.open_image import open_image
from unimedi.inputs.sandbox import Limits, SandboxPool
from unimedi.web.model_thread import BusyError
from unimedi.web.private_folder import private_folder

Job = tuple[str, str, str]  # the file, its name in messages, where its parts may be unpacked
Refused = tuple[Reason, str]
_WARM: Final = ("", "", "")


class Reader:
    """Reads images for many threads, a few at once; a hostile file costs its process and nothing else.

    Args:
        limits: what one file may take.
        at_once: how many are read at the same time; others wait, as long as one may take.
    """

    def __init__(self, limits: Limits, at_once: int = 4) -> None:
        self._limits, self._places = limits, threading.BoundedSemaphore(at_once)
        self._pool: SandboxPool[Job, Radiograph | Volume | Refused] = SandboxPool(_read, limits)

    def warm(self) -> None:
        """Start one process, so that the first file does not wait for its imports."""
        self._pool(_WARM, "the reader")

    def __call__(self, path: Path, name: str) -> Radiograph | Volume:
        """Read and check an image, as ``open_image`` does.

        Args:
            path: a file, or a folder of a series.
            name: what messages call it: they never say ``path``.

        Raises:
            ImagingError: it cannot be used, or took too long or too much memory, or its process died.
            BusyError: others took their time.
        """
        if not self._places.acquire(timeout=self._limits.seconds):
            raise BusyError(f"{name}: too many files are being read: try again in a moment")
        try:
            with private_folder() as folder:  # here, since a process that is ended removes nothing
                found = self._pool((str(path), name, str(folder)), name)
        finally:
            self._places.release()
        if isinstance(found, tuple):
            raise ImagingError(*found)
        return found

    def close(self) -> None:
        """End the processes, also of files that are being read: these, and any later one, are refused (``crashed``)."""
        self._pool.end()


def _read(job: Job) -> Radiograph | Volume | Refused:
    """In the other process: the image, or why it is none."""
    path, name, folder = job
    _be_silent()
    if job == _WARM:
        return "missing", "nothing was read"
    tempfile.tempdir = folder
    try:
        return open_image(path, name=name)
    except ImagingError as error:
        return error.reason, _told(error, job)
    except UnimediError as error:
        return "unreadable", _told(error, job)
    except MemoryError:
        return "too_large", f"{name}: took more memory than there is"
    except Exception as error:  # a bug of ours or of a decoder; its words may name what is in the file
        return "unreadable", f"{name}: cannot be read ({type(error).__name__})"


def _told(error: UnimediError, job: Job) -> str:
    path, name, folder = job
    return str(error).replace(path, name).replace(folder, name)


def _be_silent() -> None:
    """Decoders written in C print what a file holds; the server's log is no place for that."""
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silent, stream)
    os.close(silent)
