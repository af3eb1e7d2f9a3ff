"""The cache of remote stores: what was used last stays, the limit holds, without a folder to write nothing is lost."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from unimedi.inputs.study_cache import KEPT, StudyCache


def total(root: Path) -> int:
    found = 0
    for path in root.rglob("*"):
        with suppress(FileNotFoundError):  # another thread has just removed it
            found += path.stat().st_size if path.is_file() else 0
    return found


def test_what_was_used_least_recently_goes(tmp_path: Path) -> None:
    cache = StudyCache(tmp_path / "cache", 1000, "f")
    for number in range(7):
        cache.put(f"pixels/0/{number}", bytes(100))
        os.utime(tmp_path / "cache" / "f" / "pixels" / "0" / str(number), (number, number))
    assert cache.get("pixels/0/0") == bytes(100)  # which makes it the newest
    cache.put("pixels/0/7", bytes(100))
    there = [number for number in range(8) if cache.get(f"pixels/0/{number}")]
    assert there == [0, 2, 3, 4, 5, 6, 7]
    assert total(tmp_path) <= 1000 * KEPT


def test_several_that_write_at_once_keep_within_the_limit_over_all_stores(tmp_path: Path) -> None:
    caches = [StudyCache(tmp_path, 20_000, name) for name in ("one", "other")]

    def fill(cache: StudyCache) -> int:
        most = 0
        for number in range(150):
            cache.put(f"pixels/0/{number}", bytes([number]) * 500)
            most = max(most, total(tmp_path))
        return most

    with ThreadPoolExecutor(2) as pool:
        assert max(pool.map(fill, caches)) <= 20_000
    assert total(tmp_path) > 10_000
    for cache in caches:
        for number in range(150):
            assert cache.get(f"pixels/0/{number}") in (None, bytes([number]) * 500)


def test_what_does_not_fit_is_not_kept(tmp_path: Path) -> None:
    cache = StudyCache(tmp_path, 1000, "f")
    cache.put("small", bytes(700))
    cache.put("large", bytes(900))
    assert cache.get("small") is not None
    assert cache.get("large") is None


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = StudyCache(tmp_path / "file" / "cache", 1000, "f")
    for number in range(3):
        cache.put(str(number), b"x")
    assert cache.get("0") is None
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / 'file' / 'cache'}: the cache cannot be written, and is done without: Not a directory"
    ]


def test_the_cache_is_for_its_user_alone(tmp_path: Path) -> None:
    StudyCache(tmp_path / "a" / "b", 1000, "f").put("x", b"x")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
