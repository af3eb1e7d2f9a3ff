"""An S3-compatible server on loopback whose buckets are folders, so that a test sees every byte that it holds.

It can fail as networks do: by a draw that depends on the request and on how often it came, not on the order of threads.
"""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import localbucket
import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": "us-east-1"}
HEAD = 600  # bytes of an answer before its body, more or less


@dataclass
class Faults:
    """How reading fails: each request ``most`` times at the most, each time with the probability ``share``."""

    share: float = 0.0
    kinds: tuple[str, ...] = ("500", "503", "cut", "drop", "delay")
    most: int = 2
    delay: float = 0.02  # s, of delay; stall takes 20 of them
    latency: float = 0.0  # s, of every answer
    keys: str = "tests"  # the key that may read
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)  # (path, range) -> times
    made: Counter[str] = field(default_factory=Counter)  # kind of fault -> times
    damage: bool = False  # one bit of each body is wrong
    lock: threading.Lock = field(default_factory=threading.Lock)

    def drawn(self, path: str, span: str) -> str:
        with self.lock:
            times = self.asked[path, span]
            self.asked[path, span] += 1
            draw = random.Random(f"{path} {span} {times}")
            fault = draw.choice(self.kinds) if times < self.most and draw.random() < self.share else ""
            self.made[fault] += 1
        return fault

    @property
    def requests(self) -> int:
        return self.asked.total()


class _Body:
    """What a handler writes to, which cuts an answer off, or changes one of its bits."""

    def __init__(self, under: Any, connection: socket.socket, cut: bool) -> None:
        self.under, self.connection, self.cut, self.left = under, connection, cut, HEAD

    def write(self, data: bytes) -> int:
        if len(data) > self.left:
            if self.cut:
                self.under.write(data[: self.left])
                self.connection.shutdown(socket.SHUT_RDWR)
                raise ConnectionError
            data = bytes([*data[: self.left], data[self.left] ^ 1, *data[self.left + 1 :]])
            self.left = 1 << 62
        self.left -= len(data)
        return int(self.under.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.under, name)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are cut off are the purpose here."""


@contextmanager
def bucket_server(root: Path, faults: Faults | None = None) -> Iterator[str]:
    """Serve the folders in ``root`` as buckets; gives the address. It deletes one object a request.

    Without ``faults`` any key will do.
    """

    class Handler(localbucket.S3Handler):  # type: ignore[misc]
        data_root = root

        def log_message(self, format: str, *args: object) -> None:
            return

        def do_GET(self) -> None:  # noqa: N802
            if faults is None:
                return super().do_GET()
            if f"Credential={faults.keys}/" not in self.headers.get("Authorization", ""):
                return self.send_error(403)
            fault = faults.drawn(self.path, self.headers.get("Range", ""))
            time.sleep(faults.latency + {"delay": faults.delay, "stall": 20 * faults.delay}.get(fault, 0))
            if fault in ("500", "503"):
                return self.send_error(int(fault))
            if fault == "drop":
                return self.connection.shutdown(socket.SHUT_RDWR)
            if fault == "cut" or faults.damage:
                self.wfile = _Body(self.wfile, self.connection, fault == "cut")
            return super().do_GET()

    with _Server(("127.0.0.1", 0), Handler) as server:
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


@pytest.fixture
def faults() -> Faults:
    """How ``faulty_bucket`` fails: not at all, unless a test says so."""
    return Faults()


@pytest.fixture
def faulty_bucket(tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """As ``bucket``, on a server that fails as ``faults`` says."""
    (tmp_path / "buckets" / "hospital").mkdir(parents=True)
    with bucket_server(tmp_path / "buckets", faults) as url:
        for name, value in environment(url).items():
            monkeypatch.setenv(name, value)
        yield tmp_path / "buckets" / "hospital"
