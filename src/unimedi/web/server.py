"""The server: one process that listens, with limits on connections, and leaves nothing behind when it ends."""

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NoReturn

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from unimedi.errors import StateError
from unimedi.web.limits import Limits
from unimedi.web.private_folder import sweep

KEEP_ALIVE: Final = 5  # s that a connection may wait for another request
GRACE: Final = 3  # s for answers that are under way when the server ends
HEAD: Final = 128 << 10  # bytes of a request's first lines: a query of 10,000 letters that take nine bytes each
ANY: Final = ("0.0.0.0", "::", "")


def serve(app: FastAPI, host: str, port: int, limits: Limits, ready: Callable[[str], None]) -> None:
    """Listen until Ctrl-C or SIGTERM, then close the app's site.

    Args:
        app: with its site in ``app.state.site``.
        host: an address of this machine, or a name of one.
        port: 0 takes a free one.
        limits: of connections.
        ready: called once with the address, when browsers may come.

    Raises:
        StateError: nobody may listen there.
        KeyboardInterrupt: Ctrl-C, after all was closed.
        SystemExit: SIGTERM, after all was closed.
    """
    sweep()
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        app.state.site.reader.warm()
        with _listener(host, port) as listener:
            server = _Server(configured(app, limits))
            ready(_address(host, listener))
            server.run(sockets=[listener])
            if server.asked == signal.SIGINT:  # a shell's background job ignores the signal that uvicorn raises again
                raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGTERM, before)
        app.state.site.close()


def configured(app: FastAPI, limits: Limits) -> uvicorn.Config:
    """How uvicorn runs the app: no log of who asked what, no name of the server, no web sockets."""

    class Patient(_Patient):
        seconds = limits.head_seconds

    return uvicorn.Config(
        app, http=Patient, ws="none", log_config=None, log_level="critical", access_log=False, server_header=False,
        timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=GRACE, h11_max_incomplete_event_size=HEAD,
    )  # fmt: skip


class _Server(uvicorn.Server):
    """Closes the site when the time of grace is over: a thread that waits for a file ends with the file's process."""

    asked = 0  # the first signal that asked it to end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.asked = self.asked or sig
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await asyncio.to_thread(self.config.app.state.site.close)  # type: ignore[union-attr]


class _Patient(H11Protocol):
    """A connection that is closed where no request arrives in time, however slowly its bytes drip."""

    seconds: float
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Time runs while no request is being answered; its first byte does not start it anew."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        told = f"expected an address and a port to listen at, got {host}:{port}: {error.strerror or error}"
        raise StateError(f"{told}; --port chooses another") from None


def _address(host: str, listener: socket.socket) -> str:
    name = socket.gethostname() if host in ANY else host
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}/"


def _leave(*_: Any) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
