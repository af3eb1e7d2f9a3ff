"""Files dropped on the page: in memory for a while, never in the archive, on disk only while they are read."""

import asyncio
import secrets
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from unimedi.errors import InputError, MissingError
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.read import NAMES
from unimedi.web.limits import Limits
from unimedi.web.model_thread import BusyError
from unimedi.web.private_folder import private_folder
from unimedi.web.reading import Reader

LONGEST: Final = 100  # characters of a name
BLOCK: Final = 1 << 20  # bytes written at a time
SUFFIXES: Final = (*NAMES, ".dcm", ".zip")  # kept: old DICOM is known by its name


class UploadGoneError(MissingError):
    """No such upload is held, or no longer."""


class TooLargeError(InputError):
    """More bytes than are taken."""


class TooSlowError(InputError):
    """A body that takes too long to arrive."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An image that somebody dropped on the page.

    Attributes:
        id: nobody can guess it.
        name: of its file, as it was given, without folders and unprintable letters.
        image: as read.
        size: bytes that it holds.
    """

    id: str
    name: str
    image: Radiograph | Volume
    size: int


class Uploads:
    """Receives files and holds their images. ``get`` and ``drop`` may be called by any thread.

    Args:
        reader: reads them.
        limits: of their size, number and time.
        clock: seconds that pass.

    Attributes:
        on_drop: called with the id of an upload that is no longer held.
    """

    def __init__(self, reader: Reader, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.on_drop: list[Callable[[str], None]] = []
        self._reader, self._limits, self._clock = reader, limits, clock
        self._held: OrderedDict[str, tuple[Upload, float]] = (
            OrderedDict()
        )  # with the time of its last use; oldest first
        self._lock = threading.Lock()
        self._receiving = 0  # read and changed by the event loop alone
        self._threads = ThreadPoolExecutor(limits.receiving, "upload")
        self._timer: asyncio.TimerHandle | None = None

    async def receive(self, body: AsyncIterator[bytes], name: str) -> Upload:
        """Write the body to a private file, read it as an image, delete the file, hold the image.

        Args:
            body: the bytes of the file as they come.
            name: of the file, as the visitor says.

        Raises:
            BusyError: as many files as may are being received.
            TooLargeError: the body, or the image in it, is larger than may be held.
            TooSlowError: the body took too long.
            ImagingError: it cannot be used.
        """
        name = clean_name(name)
        if self._receiving >= self._limits.receiving:
            raise BusyError(f"{self._receiving} files are being received: try again in a moment")
        self._receiving += 1
        try:
            image = await self._image(body, name)
        finally:
            self._receiving -= 1
        upload = Upload(secrets.token_urlsafe(16), name, image, image.array.nbytes)
        if upload.size > self._limits.kept_bytes:
            raise TooLargeError(f"{name}: an image of {upload.size} bytes; at most {self._limits.kept_bytes} are held")
        self._keep(upload)
        return upload

    def get(self, id: str) -> Upload:
        """The upload; its time begins anew.

        Raises:
            UploadGoneError: it is not held.
        """
        with self._lock:
            if id not in self._held or self._is_old(self._held[id][1]):
                raise UploadGoneError("this upload is no longer held: drop the file again")
            upload = self._held[id][0]
            self._held[id] = upload, self._clock()
            self._held.move_to_end(id)
        return upload

    def drop(self, id: str) -> None:
        """Forget an upload; nothing where it is not held."""
        with self._lock:
            gone = [id] if self._held.pop(id, None) else []
        self._tell(gone)

    @property
    def held(self) -> tuple[int, int]:
        """How many uploads are held, and their bytes."""
        with self._lock:
            return len(self._held), self._bytes()

    def close(self) -> None:
        """Forget all uploads."""
        with self._lock:
            gone = list(self._held)
            self._held.clear()
        self._tell(gone)
        if self._timer is not None:
            self._timer.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _image(self, body: AsyncIterator[bytes], name: str) -> Radiograph | Volume:
        with private_folder() as folder:
            path = folder / f"image{_suffix(name)}"
            try:
                async with asyncio.timeout(self._limits.receive_seconds):
                    await self._write(body, path, name)
            except TimeoutError:
                raise TooSlowError(f"{name}: took longer than {self._limits.receive_seconds:g} s to arrive") from None
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._reader, path, name)

    async def _write(self, body: AsyncIterator[bytes], path: Path, name: str) -> None:
        loop, most, count, block = asyncio.get_running_loop(), self._limits.body, 0, bytearray()
        with path.open("wb") as file:
            async for piece in body:
                count += len(piece)
                if count > most:
                    raise TooLargeError(f"{name}: larger than {most} bytes, the most that is taken")
                block += piece
                if len(block) >= BLOCK:
                    full, block = block, bytearray()
                    await loop.run_in_executor(self._threads, file.write, full)
            await loop.run_in_executor(self._threads, file.write, block)

    def _keep(self, upload: Upload) -> None:
        gone = []
        with self._lock:
            self._held[upload.id] = upload, self._clock()
            while len(self._held) > self._limits.kept or self._bytes() > self._limits.kept_bytes:
                gone.append(self._held.popitem(last=False)[0])
        self._tell(gone)
        self._look_again()

    def _look_again(self) -> None:
        """When the oldest may have become too old."""
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            oldest = next((used for _, used in self._held.values()), None)
        if oldest is not None:
            wait = max(oldest + self._limits.kept_seconds - self._clock(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(wait, self._drop_old)

    def _drop_old(self) -> None:
        with self._lock:
            gone = [id for id, (_, used) in self._held.items() if self._is_old(used)]
            for id in gone:
                del self._held[id]
        self._tell(gone)
        self._look_again()

    def _is_old(self, used: float) -> bool:
        return self._clock() - used >= self._limits.kept_seconds

    def _bytes(self) -> int:
        return sum(upload.size for upload, _ in self._held.values())

    def _tell(self, gone: list[str]) -> None:
        for id in gone:
            for call in self.on_drop:
                call(id)


def clean_name(given: str) -> str:
    """The last part of a file's name, in one form of each letter, printable, of at most ``LONGEST`` characters."""
    last = unicodedata.normalize("NFC", given).replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = " ".join("".join(letter for letter in last if letter.isprintable()).split())
    if len(shown) > LONGEST:
        suffix = _suffix(shown)
        shown = shown[: LONGEST - 1 - len(suffix)] + "…" + suffix
    return shown if shown.strip(". ") else "image"


def _suffix(name: str) -> str:
    return next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
