"""Uploads: received, read, held for a while, dropped; nothing on disk, whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.web.dropped_files import SHADE
from unimedi.imaging.image import ImagingError
from unimedi.web.limits import Limits
from unimedi.web.model_thread import BusyError
from unimedi.web.reading import Reader
from unimedi.web.uploads import LONGEST, TooLargeError, TooSlowError, Upload, UploadGoneError, Uploads, clean_name

LIMITS = Limits(body=100_000)
Make = Callable[..., Uploads]


async def pieces(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
        await asyncio.sleep(0)


@pytest.fixture
def make(reader: Reader, temporary: Path) -> Iterator[Make]:
    made: list[Uploads] = []

    def uploads(clock: Callable[[], float] | None = None, **changes: object) -> Uploads:
        limits = replace(LIMITS, **changes)
        made.append(Uploads(reader, limits, clock) if clock else Uploads(reader, limits))
        return made[-1]

    yield uploads
    for one in made:
        one.close()


def sent(uploads: Uploads, content: bytes, name: str = "x.png") -> Upload:
    return asyncio.run(uploads.receive(pieces(content), name))


def test_an_image_is_held_under_an_id_that_nobody_guesses(make: Make, good: dict[str, bytes], temporary: Path) -> None:
    uploads, ids = make(), set()
    for name, content in good.items():
        upload = sent(uploads, content, f"/srv/me/{name}")
        assert upload.name == name
        assert upload.size == upload.image.array.nbytes
        assert uploads.get(upload.id) is upload
        assert not list(temporary.iterdir())
        ids.add(upload.id)
    assert len(ids) == len(good)
    assert all(len(id) >= 22 and id.replace("-", "").replace("_", "").isalnum() for id in ids)
    assert uploads.held[0] == len(good)
    np.testing.assert_array_equal(sent(uploads, good["x.png"]).image.array, SHADE)


def test_what_cannot_be_used_is_refused_and_not_held(
    make: Make, bad: dict[str, tuple[bytes, str, str]], temporary: Path
) -> None:
    uploads = make()
    for name, (content, reason, words) in bad.items():
        with pytest.raises(ImagingError, match=words) as caught:
            sent(uploads, content, name)
        assert caught.value.reason == reason
        assert not list(temporary.iterdir())
    assert uploads.held == (0, 0)


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(10_000)


async def slow() -> AsyncIterator[bytes]:
    while True:
        yield b"x"
        await asyncio.sleep(0.01)


class GoneError(Exception):
    """The client went away."""


async def broken() -> AsyncIterator[bytes]:
    yield bytes(50_000)
    raise GoneError("gone")


@pytest.mark.parametrize(
    ("body", "seconds", "error", "words"),
    [
        (endless, 600.0, TooLargeError, "x.png: larger than 100000 bytes"),
        (slow, 0.2, TooSlowError, "x.png: took longer than 0.2 s to arrive"),
        (broken, 600.0, GoneError, "gone"),
    ],
)
def test_a_body_that_does_not_end_well_leaves_nothing(
    make: Make,
    temporary: Path,
    body: Callable[[], AsyncIterator[bytes]],
    seconds: float,
    error: type[Exception],
    words: str,
) -> None:
    uploads = make(receive_seconds=seconds)
    for _ in range(5):  # more than are received at a time: each gives its place back
        with pytest.raises(error, match=words):
            asyncio.run(uploads.receive(body(), "x.png"))
        assert not list(temporary.iterdir())
    assert uploads.held == (0, 0)


def test_a_caller_who_is_cancelled_leaves_nothing(make: Make, temporary: Path) -> None:
    uploads = make()

    async def run() -> None:
        tasks = [asyncio.ensure_future(uploads.receive(slow(), "x.png")) for _ in range(4)]
        while len(list(temporary.iterdir())) < 4:
            await asyncio.sleep(0.001)
        with pytest.raises(BusyError, match="4 files are being received"):
            await uploads.receive(slow(), "x.png")
        for task in tasks:
            task.cancel()
        assert all(isinstance(done, BaseException) for done in await asyncio.gather(*tasks, return_exceptions=True))

    asyncio.run(run())
    assert not list(temporary.iterdir())


def test_the_file_is_private_while_it_is_there(make: Make, temporary: Path) -> None:
    async def run() -> None:
        task = asyncio.ensure_future(make().receive(slow(), "../../../etc/passwd.dcm"))
        while not (files := list(temporary.rglob("image.dcm"))):
            await asyncio.sleep(0.001)
        assert files[0].parent.stat().st_mode & 0o777 == 0o700
        assert files[0].parent.parent == temporary
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_the_one_that_was_not_used_for_longest_makes_room(make: Make, good: dict[str, bytes]) -> None:
    uploads, gone = make(kept=3), list[str]()
    uploads.on_drop.append(gone.append)
    ids = [sent(uploads, good["x.png"]).id for _ in range(3)]
    uploads.get(ids[0])
    ids.append(sent(uploads, good["x.png"]).id)
    assert gone == [ids[1]]
    with pytest.raises(UploadGoneError, match="no longer held"):
        uploads.get(ids[1])
    assert [uploads.get(id).id for id in (ids[0], ids[2], ids[3])] == [ids[0], ids[2], ids[3]]
    uploads.drop(ids[2])
    uploads.drop(ids[2])
    uploads.drop("../../etc/passwd")
    uploads.close()
    assert gone == [ids[1], ids[2], ids[0], ids[3]]
    assert uploads.held == (0, 0)


def test_bytes_are_bounded_as_well(make: Make, good: dict[str, bytes]) -> None:
    one = SHADE.size * 4  # float32
    uploads = make(kept_bytes=2 * one + 1)
    ids = [sent(uploads, good["x.png"]).id for _ in range(4)]
    assert uploads.held == (2, 2 * one)
    assert [uploads.get(id).id for id in ids[2:]] == ids[2:]
    with pytest.raises(TooLargeError, match=f"an image of {one} bytes; at most 100 are held"):
        sent(make(kept_bytes=100), good["x.png"])


def test_time_is_bounded_from_the_last_use(make: Make, good: dict[str, bytes]) -> None:
    now, gone = [0.0], list[str]()
    uploads = make(lambda: now[0], kept_seconds=100.0)
    uploads.on_drop.append(gone.append)
    first, second = sent(uploads, good["x.png"]).id, sent(uploads, good["x.png"]).id
    now[0] = 99.0
    uploads.get(first)
    now[0] = 100.0
    with pytest.raises(UploadGoneError):
        uploads.get(second)
    assert uploads.get(first).id == first


def test_what_nobody_uses_goes_by_itself(make: Make, good: dict[str, bytes]) -> None:
    uploads, gone = make(kept_seconds=0.05), list[str]()
    uploads.on_drop.append(gone.append)

    async def run() -> list[str]:
        ids = [(await uploads.receive(pieces(good["x.png"]), "x.png")).id for _ in range(3)]
        while uploads.held[0]:
            await asyncio.sleep(0.01)
        return ids

    assert asyncio.run(run()) == gone


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("chest.dcm", "chest.dcm"),
        ("/srv/me/chest.dcm", "chest.dcm"),
        ("C:\\scans\\chest.dcm", "chest.dcm"),
        ("a/b/", "b"),
        ("..", "image"),
        (" . ", "image"),
        ("", "image"),
        ("\0\n\u202e", "image"),
        ("che\u202est\0.d\ncm", "chest.dcm"),
        ("\ud800x", "x"),
        ("Thorax  gro\u0308ß.nii.gz", "Thorax größ.nii.gz"),
        ("胸部.nii", "胸部.nii"),
    ],
)
def test_names_are_cleaned(given: str, shown: str) -> None:
    assert clean_name(given) == shown


def test_a_long_name_keeps_its_end() -> None:
    assert clean_name("a" * 300 + ".nii.gz") == "a" * (LONGEST - 8) + "….nii.gz"
    assert len(clean_name("/".join(["b" * 3000] * 3))) == LONGEST
