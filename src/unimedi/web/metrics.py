"""What the server counts, for Prometheus: requests, their time, searches, uploads, what waits; and its health."""

import time
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # s
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")

router = APIRouter(include_in_schema=False)


class Metrics:
    """The counters of one server. They say nothing of what was asked, or by whom."""

    def __init__(self) -> None:
        self._collected = CollectorRegistry()
        into: dict[str, Any] = {"registry": self._collected}
        self._requests = Counter(
            "unimedi_requests", "Requests that were answered", ("route", "method", "status"), **into
        )
        self._seconds = Histogram(
            "unimedi_request_seconds", "Time to the end of an answer", ("route",), buckets=BUCKETS, **into
        )
        self._searches = Counter("unimedi_searches", "Searches by what was compared", ("by",), **into)
        self._uploads = Gauge("unimedi_uploads_held", "Uploads in memory", **into)
        self._bytes = Gauge("unimedi_upload_bytes", "Bytes of the uploads in memory", **into)
        self._waiting = Gauge("unimedi_model_waiting", "Pieces of work that wait for the model", **into)

    def searched(self, by: str) -> None:
        """Count a search; ``by`` is one of the page's few ways (image, report, text, both ...)."""
        self._searches.labels(by).inc()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is a template, never an address."""
        self._requests.labels(route, method if method in METHODS else "other", status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self, uploads: int, upload_bytes: int, waiting: int) -> bytes:
        """All of it as Prometheus reads it, with what is held and what waits at this moment."""
        self._uploads.set(uploads)
        self._bytes.set(upload_bytes)
        self._waiting.set(waiting)
        return generate_latest(self._collected)


class Counted:
    """Middleware that counts every answer under the template of its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start, status = time.perf_counter(), 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:  # status 0: nobody took the answer
            template = getattr(scope.get("route"), "path", "") or scope.get("root_path") or "none"
            self._metrics.answered(template, scope["method"], status, time.perf_counter() - start)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The counters."""
    site = request.app.state.site
    return Response(site.metrics.text(*site.uploads.held, site.model.waiting), media_type=CONTENT_TYPE_LATEST)


@router.get("/health")
async def health() -> dict[str, str]:
    """Whether the server answers; nothing is looked at."""
    return {"status": "ok"}
