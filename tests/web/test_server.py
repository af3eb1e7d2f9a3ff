"""The server behind real sockets: what is slow, huge, broken off or too much, and a quiet end."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.web.small_app import SmallSite, running, small_app
from unimedi.errors import StateError
from unimedi.inputs import sandbox
from unimedi.web.limits import Limits
from unimedi.web.reading import Reader
from unimedi.web.server import serve

PATIENCE = 600.0  # s: only what never ends reaches it
HEAD = b"POST /api/uploads?name=x.png HTTP/1.1\r\nHost: localhost\r\n"


@contextmanager
def served(reader: Reader, tmp_path: Path, **changes: object) -> Iterator[tuple[int, SmallSite]]:
    site = SmallSite(reader, replace(Limits(), **changes))  # type: ignore[arg-type]
    try:
        with running(small_app(site, tmp_path), site.limits) as port:
            yield port, site
    finally:
        site.close()


def open_to(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def get(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def all_of(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_four_gigabytes_are_refused_before_a_byte_of_them_comes(reader: Reader, tmp_path: Path) -> None:
    with served(reader, tmp_path) as (port, _):
        for path in (b"/api/uploads", b"/api/asked", b"/", b"/nothing"):
            with open_to(port) as connection:
                connection.sendall(
                    b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4294967296\r\n\r\n"
                )
                answer = all_of(connection)  # and the connection ends
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b"connection: close" in answer.lower()
        with open_to(port) as connection:
            connection.sendall(HEAD + b"Content-Length: 4294967296\r\nExpect: 100-continue\r\n\r\n")
            assert all_of(connection).startswith(b"HTTP/1.1 413 ")


def test_chunks_are_counted(reader: Reader, tmp_path: Path, temporary: Path) -> None:
    with served(reader, tmp_path, body=1 << 20) as (port, _), open_to(port) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"

        def send() -> None:
            try:
                for _ in range(1000):
                    connection.sendall(chunk)
            except OSError:  # it was closed, as it must be
                return

        sender = threading.Thread(target=send)
        sender.start()
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413 ")
        until(lambda: not list(temporary.iterdir()))
        with suppress(OSError):  # the server may have been quicker
            connection.shutdown(socket.SHUT_RDWR)
        sender.join(PATIENCE)


def test_health_answers_beside_fifty_slow_connections(reader: Reader, tmp_path: Path, temporary: Path) -> None:
    with ExitStack() as stack:
        port, site = stack.enter_context(served(reader, tmp_path))
        slow = [stack.enter_context(open_to(port)) for _ in range(50)]
        for number, connection in enumerate(slow):
            connection.sendall(HEAD + (b"Content-Length: 1000000\r\n\r\nx" if number % 2 else b"X-Half: "))
        until(lambda: site.uploads._receiving == 4)
        for _ in range(5):
            for number, connection in enumerate(slow):
                try:
                    connection.sendall(b"x")
                except OSError:  # those that found no place were told so, and closed
                    assert number % 2
            assert get(port, "/health") == 200
            assert get(port, "/") == 200
        refused = slow[-1].recv(65536)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in refused
        assert len(list(temporary.iterdir())) == 4


def test_a_request_that_does_not_come_is_not_waited_for(reader: Reader, tmp_path: Path) -> None:
    """However its bytes drip: a byte does not buy more time."""
    with served(reader, tmp_path, head_seconds=0.3) as (port, _):
        for start in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n"):
            with open_to(port) as connection:
                connection.sendall(start)
                connection.settimeout(0.05)
                while True:
                    try:
                        if connection.recv(1) == b"":
                            break
                        raise AssertionError("half a request was answered")
                    except TimeoutError:
                        if start:
                            connection.sendall(b"X")
                    except ConnectionError:
                        break
        assert get(port, "/health") == 200


def test_a_slow_body_is_given_up(reader: Reader, tmp_path: Path, temporary: Path) -> None:
    with served(reader, tmp_path, receive_seconds=0.2) as (port, _), open_to(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nx")
        answer = all_of(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"took longer than 0.2 s to arrive" in answer
        assert not list(temporary.iterdir())


def test_a_hundred_uploads_broken_off_or_whole_leave_nothing(
    reader: Reader, tmp_path: Path, temporary: Path, good: dict[str, bytes]
) -> None:
    content = good["x.png"]
    head = HEAD + f"Content-Length: {len(content)}\r\n\r\n".encode()

    def post(port: int) -> bytes:
        with open_to(port) as connection:
            connection.sendall(head + content)
            return connection.recv(12)

    with served(reader, tmp_path) as (port, site):
        for number in range(100):
            if number % 2 and number % 10 < 8:  # the client goes away in the middle, or when it has sent all
                with open_to(port) as connection:
                    connection.sendall(head + content[: len(content) // (1 + number % 3)])
            else:
                until(lambda: post(port) == b"HTTP/1.1 201")  # 503 while four others are read
        until(lambda: not list(temporary.iterdir()) and not site.uploads._receiving)
        assert site.uploads.held[0] == site.limits.kept
        gone = list(site.uploads._held)
        for id in gone:
            site.uploads.drop(id)
        assert site.uploads.held == (0, 0)
        assert get(port, "/health") == 200


def test_too_many_at_once_are_told_so_and_health_is_not(reader: Reader, tmp_path: Path, temporary: Path) -> None:
    with served(reader, tmp_path, in_flight=1) as (port, site), open_to(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nx")
        until(lambda: site.uploads._receiving == 1)
        assert get(port, "/") == 503
        assert get(port, "/health") == 200


def test_a_request_ends_after_its_time(reader: Reader, tmp_path: Path, temporary: Path) -> None:
    with served(reader, tmp_path, request_seconds=0.2) as (port, _), open_to(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nx")
        answer = all_of(connection)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"This took too long" in answer
        assert not list(temporary.iterdir())


def test_nothing_names_the_server_or_logs_who_asked(
    reader: Reader, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", "uvicorn"), served(reader, tmp_path) as (port, _), open_to(port) as connection:
        connection.sendall(b"GET /?q=Doe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"\r\nserver:" not in all_of(connection).lower()
        with open_to(port) as broken:
            broken.sendall(b"Doe\r\n\r\n")
            assert all_of(broken).startswith(b"HTTP/1.1 400 ")
    assert "Doe" not in caplog.text + "".join(capfd.readouterr())


PROGRAM = """
import sys
from pathlib import Path
from tests.web.small_app import SmallSite, small_app
from unimedi.inputs.sandbox import Limits as ReadLimits
from unimedi.web.limits import Limits
from unimedi.web.reading import Reader
from unimedi.web.server import serve

class Site(SmallSite):
    def close(self):
        super().close()
        print(f"closed, {self.uploads.held[0]} uploads", flush=True)

site = Site(Reader(ReadLimits()))
serve(small_app(site, Path(sys.argv[1])), "127.0.0.1", 0, Limits(), lambda address: print(address, flush=True))
"""


def test_it_ends_when_told_and_leaves_nothing(tmp_path: Path, temporary: Path, good: dict[str, bytes]) -> None:
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, f"{root}/src", os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": paths},
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    port = int(address.removesuffix("/").rpartition(":")[2])
    assert address == f"http://127.0.0.1:{port}/"
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("POST", "/api/uploads?name=x.png", good["x.png"])
        assert json.loads(connection.getresponse().read())["kind"] == "xray"
    with open_to(port) as half:
        half.sendall(HEAD + b"Content-Length: 1000\r\n\r\nx")
        until(lambda: bool(list(temporary.iterdir())))
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    assert set(out.splitlines()) == {"closed, 0 uploads"}
    assert err == ""


def test_a_port_in_use_is_a_sentence(reader: Reader, tmp_path: Path) -> None:
    site = SmallSite(reader)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StateError, match=f"got 127.0.0.1:{port}: .*; --port chooses another"):
            serve(small_app(site, tmp_path), "127.0.0.1", port, site.limits, print)
    assert not site.model._thread.is_alive()
    with pytest.raises(StateError, match=r"got no\.such\.host\.invalid:1"):
        serve(small_app(site, tmp_path), "no.such.host.invalid", 1, site.limits, print)


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="expected a positive limit, got kept=0"):
        Limits(kept=0)
    assert Limits(read=sandbox.Limits()).body_at("/api/uploads") > Limits().body_at("/api/uploads/x")
