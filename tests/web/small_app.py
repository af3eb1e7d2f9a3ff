"""The smallest app behind the guard: uploads, health, metrics, a page, routes that fail in every way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.staticfiles import StaticFiles

from unimedi.errors import InputError, MissingError, StateError, UnimediError
from unimedi.web import metrics, upload_routes
from unimedi.web.guard import add_guard
from unimedi.web.limits import Limits
from unimedi.web.metrics import Metrics
from unimedi.web.model_thread import BusyError, ModelThread
from unimedi.web.reading import Reader
from unimedi.web.server import configured
from unimedi.web.uploads import Uploads

FAULTS: dict[str, Exception] = {
    "missing": MissingError("no study 7"),
    "input": InputError("expected a date, got /srv/data/patients/doe.csv"),
    "state": StateError("it is locked"),
    "busy": BusyError("later"),
    "other": UnimediError("hm"),
    "bug": KeyError("Doe^John"),
    "disk": OSError(28, "No space left on device", "/srv/data/doe"),
}


@dataclass
class SmallSite:
    """What routes find in ``app.state.site``."""

    reader: Reader
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.metrics, self.model = Metrics(), ModelThread()
        self.uploads = Uploads(self.reader, self.limits)

    def close(self) -> None:
        self.model.close()
        self.uploads.close()


class Asked(BaseModel):
    """A body of JSON."""

    words: str = Field(max_length=20)


def error_page(request: Request, status: int, message: str) -> Response:
    return HTMLResponse(f"<h1>{status}</h1><p>{message}</p>", status)


def small_app(site: SmallSite, static: Path, token: str | None = None) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    app.state.site = site
    app.include_router(upload_routes.router)
    app.include_router(metrics.router)
    app.mount("/static", StaticFiles(directory=static), name="static")

    @app.get("/", include_in_schema=False)
    async def first(q: str = "") -> Response:
        return HTMLResponse("<h1>first page</h1>", headers={"Server": "x", "Cache-Control": "public"})

    @app.get("/deep/page", include_in_schema=False)
    async def deep() -> Response:
        return HTMLResponse("<h1>a page below</h1>")

    @app.post("/api/asked")
    async def asked(body: Asked) -> dict[str, int]:
        return {"letters": len(body.words)}

    @app.get("/fail/{name}", include_in_schema=False)
    async def fail(name: str) -> None:
        raise FAULTS[name]

    @app.get("/api/fail/{name}", include_in_schema=False)
    def fail_in_a_thread(name: str) -> None:
        raise FAULTS[name]

    @app.get("/api/late", include_in_schema=False)
    async def late() -> Response:
        async def pieces() -> Iterator[bytes]:  # type: ignore[misc]
            yield b"begun"
            raise FAULTS["bug"]

        return StreamingResponse(pieces())  # type: ignore[arg-type]

    add_guard(app, token, site.limits, site.metrics, error_page)
    return app


@contextmanager
def running(app: FastAPI, limits: Limits) -> Iterator[int]:
    """The app behind real sockets, in a thread; gives its port."""
    server = uvicorn.Server(configured(app, limits))
    server.config.port = 0
    started = threading.Event()

    async def note() -> None:
        started.set()

    server.config.callback_notify = note
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(600)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(600)
        assert not thread.is_alive()
