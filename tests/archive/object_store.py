"""An S3-compatible server on loopback whose buckets are folders, so that a test sees every byte that it holds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import localbucket
import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": "us-east-1"}


@contextmanager
def bucket_server(root: Path) -> Iterator[str]:
    """Serve the folders in ``root`` as buckets; gives the address. Any key will do; it deletes one object a request."""

    class Handler(localbucket.S3Handler):  # type: ignore[misc]
        data_root = root

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def environment(url: str) -> dict[str, str]:
    """What a client of the server finds in its environment."""
    return {**KEYS, "AWS_ENDPOINT": url, "AWS_ALLOW_HTTP": "true", "AWS_DISABLE_BULK_DELETE": "true"}


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the bucket ``hospital``, which the environment leads to."""
    (tmp_path / "buckets" / "hospital").mkdir(parents=True)
    with bucket_server(tmp_path / "buckets") as url:
        for name, value in environment(url).items():
            monkeypatch.setenv(name, value)
        yield tmp_path / "buckets" / "hospital"
