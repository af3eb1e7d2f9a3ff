"""What the tests of the server share: one reader, a place for temporary files that must be empty afterwards."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.web.dropped_files import bad_files, good_files
from tests.web.small_site import small_site
from unimedi.inputs.sandbox import Limits
from unimedi.web.app import create_app
from unimedi.web.reading import Reader
from unimedi.web.site import Site


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


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The whole page's site, which tests may ask whatever they like and leave as it is."""
    site = small_site(tmp_path_factory.mktemp("whole"))
    yield site
    site.close()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this process makes temporary folders; nothing may be left in it when the test ends."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert not list(place.iterdir())


@pytest.fixture(scope="session")
def asker(whole: Site) -> Iterator[TestClient]:
    """Asks the whole page."""
    with TestClient(create_app(whole), base_url="http://127.0.0.1") as client:
        yield client
