"""What the tests of the server share: one reader, a place for temporary files that must be empty afterwards."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.dropped_files import bad_files, good_files
from unimedi.inputs.sandbox import Limits
from unimedi.web.reading import Reader


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    """Its processes start once."""
    reader = Reader(Limits(seconds=600.0, memory=3 << 30))
    yield reader
    reader.close()


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return good_files(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, str, str]]:
    return bad_files(tmp_path_factory.mktemp("bad"))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this process makes temporary folders; nothing may be left in it when the test ends."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert not list(place.iterdir())
