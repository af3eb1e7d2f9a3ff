"""Who is answered: token, host, origin, size and time of a request; the headers of every answer."""

import asyncio
import hashlib
import hmac
import ipaddress
import re
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from fastapi import FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unimedi.errors import InputError
from unimedi.web.errors import AGAIN, Errors, RenderError, add_errors, is_page, log
from unimedi.web.limits import Limits
from unimedi.web.metrics import Counted, Metrics

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self' data: blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
READING: Final = ("GET", "HEAD", "OPTIONS")
HEALTH: Final = "/health"  # open to all, whatever else is going on
STATIC: Final = "/static/"


def add_guard(app: FastAPI, token: str | None, limits: Limits, metrics: Metrics, render_error: RenderError) -> None:
    """Put the guard in front of all routes of an app, and make one answer of every error behind it.

    Args:
        app: no middleware may be added to it later.
        token: what a visitor must have; None: only a browser on this machine is answered.
        limits: of bodies, time and number of requests.
        metrics: count every answer.
        render_error: draws the page of an error from a request, a status and a sentence.

    Raises:
        InputError: the token will not do.
    """
    check_token(token)
    errors = Errors(render_error)
    add_errors(app, errors)
    app.add_middleware(Guard, token=token, limits=limits, errors=errors)
    app.add_middleware(Counted, metrics=metrics)


class Guard:
    """ASGI middleware that refuses what is not for this server, and bounds what is."""

    def __init__(self, app: ASGIApp, token: str | None, limits: Limits, errors: Errors) -> None:
        self._app, self._limits, self._errors = app, limits, errors
        self._entry = None if token is None else _Entry(token)
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close"})
        exchange = _Exchange(scope, receive, send, self._limits.body_at(scope["path"]))
        self._in_flight += 1
        try:
            async with asyncio.timeout(self._limits.request_seconds) as patience:
                await self._answer(exchange)
        except TimeoutError:
            if not patience.expired():
                raise
            if not exchange.started:
                await self._fail(exchange, HTTPException(503, "This took too long: try again later.", AGAIN))
        finally:
            self._in_flight -= 1

    async def _answer(self, exchange: "_Exchange") -> None:
        try:
            if (entered := self._check(exchange)) is not None:
                await entered(exchange.scope, exchange.receive, exchange.send)
            else:
                await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception as error:
            await self._fail(exchange, error)

    async def _fail(self, exchange: "_Exchange", error: Exception) -> None:
        if exchange.started:  # nothing can be said any more
            log(error)
        else:
            response = await self._errors.answer(Request(exchange.scope), error)
            await response(exchange.scope, exchange.receive, exchange.send)

    def _check(self, exchange: "_Exchange") -> Response | None:
        """An answer that needs no route, HTTPException where the request is refused, else None."""
        request = Request(exchange.scope)
        if exchange.scope["path"] == HEALTH:
            return None
        if self._entry is None:
            if not is_loopback(_host(request)):
                raise HTTPException(400, "This server answers to localhost and 127.0.0.1 alone.")
        elif (entered := self._entry.check(request)) is not None:
            return entered
        if request.method not in READING and _is_foreign(request):
            raise HTTPException(403, "This request comes from another page, which may change nothing here.")
        if exchange.promised > exchange.most:
            raise HTTPException(413, f"The body is larger than {exchange.most} bytes, the most that is taken here.")
        if self._in_flight > self._limits.in_flight:
            raise HTTPException(503, "Too many requests at once: try again in a moment.", AGAIN)
        return None


class _Entry:
    """The token, in a header, a cookie, or once in the address of a page."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._cookie = (
            f"unimedi-{hashlib.sha256(token.encode()).hexdigest()[:8]}"  # ports of a host share their cookies
        )

    def check(self, request: Request) -> Response | None:
        """None where the visitor may enter; the way to a page's address without the token; HTTPException where not."""
        pairs = [pair.partition("=") for pair in request.scope["query_string"].decode("latin-1").split("&")]
        given = [unquote(value) for key, _, value in pairs if key == "token"]
        if given and request.method == "GET" and is_page(request.scope["path"]):
            if not self._is(given[0]):
                raise self._refused()
            rest = "&".join("".join(pair) for pair in pairs if pair[0] != "token")
            return self._enter(request, rest)
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is(word.strip()):
            return None
        if self._is(request.cookies.get(self._cookie, "")):
            return None
        raise self._refused()

    def _enter(self, request: Request, rest: str) -> Response:
        # Relative to the page itself: it cannot lead to another host, and holds behind a proxy.
        place = "./" + quote(request.scope["path"].rpartition("/")[2]) + (f"?{rest}" if rest else "")
        response = Response(status_code=303, headers={"Location": place})
        secure = request.scope["scheme"] == "https"
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/", secure=secure)
        return response

    def _is(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _refused(self) -> HTTPException:
        said = "This server wants its token: open the address that it printed when it started."
        return HTTPException(401, said, {"WWW-Authenticate": "Bearer"})


class _Exchange:
    """A request and its answer: the body is counted, the answer gets its headers."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        self.scope, self.most, self.started = scope, most, False
        self._receive, self._send, self._count = receive, send, 0
        headers = Request(scope).headers
        told = headers.get("content-length", "0")
        self.promised = float(told) if told.isascii() and told.isdigit() else 0.0
        self._unread = self.promised > 0 or "transfer-encoding" in headers

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._count += len(message.get("body", b""))
            self._unread = bool(message.get("more_body", False))
            if self._count > self.most:
                raise HTTPException(413, f"The body is larger than {self.most} bytes, the most that is taken here.")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            del headers["Server"]
            headers["Cache-Control"] = "no-cache" if self.scope["path"].startswith(STATIC) else "no-store"
            if self._unread:  # what is still on its way is not waited for
                headers["Connection"] = "close"
        await self._send(message)


def check_token(token: str | None) -> None:
    """InputError where a token could be guessed, or cannot stand in an address and a cookie."""
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_-]{12,200}", token):
        raise InputError("expected a token of 12 letters, digits, - or _ at least, got another")


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own, which no other machine reaches."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host(request: Request) -> str:
    """The host that the browser thinks it talks to, without the port; empty where that is not said well."""
    told = request.headers.get("host", "")
    host, _, port = told.rpartition(":") if not told.endswith("]") and ":" in told else (told, "", "")
    return host if port.isdigit() or not port else ""


def _is_foreign(request: Request) -> bool:
    """Whether a page of another origin sent this; browsers say so, other programs say nothing."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return True
    return origin is not None and site is None and urlsplit(origin).netloc != request.headers.get("host")
