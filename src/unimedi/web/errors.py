"""Every error as one answer: JSON for programs, a page for people; never a path, never a traceback."""

import errno
import html
import logging
import re
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response

from unimedi.errors import InputError, MissingError, StateError, UnimediError
from unimedi.imaging.image import ImagingError
from unimedi.web.model_thread import BusyError
from unimedi.web.uploads import TooLargeError, TooSlowError

RenderError = Callable[[Request, int, str], Response]
LOG: Final = logging.getLogger("unimedi.web")
AGAIN: Final = {"Retry-After": "5"}  # s
FOR_PROGRAMS: Final = ("/api/", "/images/", "/static/", "/metrics", "/health", "/openapi.json")
STRANGERS: Final = (400, 401)  # told to whoever may be nobody of ours: a page that shows nothing of the archive
STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (  # the first that fits
    (BusyError, 503),
    (TooLargeError, 413),
    (TooSlowError, 408),
    (MissingError, 404),
    (InputError, 422),
    (StateError, 409),
    (UnimediError, 400),
    (ClientDisconnect, 400),
)
REASONS: Final = {
    400: "bad_request", 401: "no_token", 403: "other_origin", 404: "missing", 405: "bad_method", 408: "too_slow",
    409: "bad_state", 413: "too_large", 422: "invalid", 503: "busy", 507: "disk_full",
}  # fmt: skip
SENTENCES: Final = {
    404: "There is nothing at this address.",
    405: "This address does not answer such a request.",
    500: "The server made a mistake; its log says where.",
    507: "The disk of the server is full: nothing was kept.",
}
_FOLDERS: Final = re.compile(r"(?<![\w:./])/(?:[^/\s'\"]+/)+")


class Told(BaseModel):
    """What went wrong: a code to count by, a sentence to read."""

    reason: str
    message: str


class ErrorAnswer(BaseModel):
    """The body of every error of ``/api`` and ``/images``."""

    error: Told


class Errors:
    """Turns exceptions into answers.

    Args:
        render: draws a page from a request, a status and a sentence; called in a thread, as it may read.
    """

    def __init__(self, render: RenderError) -> None:
        self._render = render

    async def answer(self, request: Request, error: Exception) -> Response:
        """The answer to a request that failed; what nobody explains is logged."""
        if isinstance(error, HTTPException):
            return await self._draw(request, error.status_code, _detail(error), headers=error.headers)
        if isinstance(error, RequestValidationError):
            return await self._draw(request, 422, _first(error))
        status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
        if status != 500:
            reason = error.reason if isinstance(error, ImagingError) else ""
            told = without_folders(str(error))
            return await self._draw(request, status, told, reason, AGAIN if status == 503 else None)
        log(error)
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        return await self._draw(request, 507 if full else 500, SENTENCES[507 if full else 500])

    async def _draw(
        self,
        request: Request,
        status: int,
        message: str,
        reason: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        if not is_page(request.scope["path"]):
            told = Told(reason=reason or REASONS.get(status, "fault"), message=message)
            response: Response = JSONResponse(ErrorAnswer(error=told).model_dump(), status)
        elif status in STRANGERS:
            response = _plain(status, message)
        else:
            try:
                response = await to_thread.run_sync(self._render, request, status, message)
            except Exception as error:
                log(error)
                response = _plain(status, message)
        response.headers.update(headers or {})
        return response


def add_errors(app: FastAPI, errors: Errors) -> None:
    """Every error that a route raises, a bug too, becomes its answer where it was raised."""
    for kind in (HTTPException, RequestValidationError, UnimediError, ClientDisconnect):
        app.add_exception_handler(kind, errors.answer)


def is_page(path: str) -> bool:
    """Whether a person looks at what is there, rather than a program."""
    return not path.startswith(FOR_PROGRAMS)


def without_folders(message: str) -> str:
    """The message with the last part alone of every absolute path."""
    return _FOLDERS.sub("", message)


def log(error: BaseException) -> None:
    """Log where it was raised, and what kind it is, without its words: they may name a patient."""
    lines: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        lines[:0] = [*traceback.format_tb(cause.__traceback__), f"{type(cause).__name__}\n"]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    LOG.error("a request failed\n%s", "".join(lines).rstrip())


def _plain(status: int, message: str) -> Response:
    words = f"<!doctype html><html lang=en><meta charset=utf-8><title>unimedi</title><p>{html.escape(message)}</p>"
    return HTMLResponse(words, status)


def _detail(error: HTTPException) -> str:
    usual = error.detail == HTTPStatus(error.status_code).phrase
    return SENTENCES.get(error.status_code, error.detail) if usual else error.detail


def _first(error: RequestValidationError) -> str:
    """The first fault of a request's fields, which is named; what came is not repeated."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"][1:]) or "the request"
    return f"{place[:100]}: {fault['msg'][:200]}"
