"""Who is answered, and how: hosts, tokens, other origins, bodies, headers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.web.small_app import SmallSite, small_app
from unimedi.errors import InputError
from unimedi.web.app import create_app
from unimedi.web.guard import HEADERS, is_loopback
from unimedi.web.limits import Limits
from unimedi.web.reading import Reader
from unimedi.web.site import Site

TOKEN = "a-token_that-nobody-guesses"
HOME = "http://127.0.0.1:8765"


@pytest.fixture
def site(reader: Reader) -> Iterator[SmallSite]:
    site = SmallSite(reader, replace(Limits(), body=100_000, small_body=1000))
    yield site
    site.close()


@pytest.fixture
def static(tmp_path: Path) -> Path:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page.css").write_text("body {}")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "static"


@pytest.fixture
def local(site: SmallSite, static: Path) -> TestClient:
    return TestClient(small_app(site, static), HOME)


@pytest.fixture
def guarded(site: SmallSite, static: Path) -> TestClient:
    return TestClient(small_app(site, static, TOKEN), "http://reading-room:8765", follow_redirects=False)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("127.0.0.1", 200),
        ("localhost:1", 200),
        ("LocalHost", 200),
        ("[::1]:8765", 200),
        ("[::1]", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost.evil.example:8765", 400),
        ("evil.example:127.0.0.1", 400),
        ("evil.example/health?", 400),
        ("127.0.0.1@evil.example", 400),
        ("10.0.0.1:8765", 400),
        ("[fe80::1]:8765", 400),
        ("", 400),
    ],
)
def test_without_a_token_only_names_of_this_machine_are_answered(local: TestClient, host: str, status: int) -> None:
    for path in ("/", "/api/uploads/x", "/static/page.css", "/nothing"):
        found = local.get(path, headers={"Host": host}).status_code
        assert found == status if status == 400 else found != 400
    assert local.get("/health", headers={"Host": host}).json() == {"status": "ok"}


def test_what_is_this_machine() -> None:
    own = ["localhost", "127.0.0.1", "127.3.2.1", "::1", "[::1]"]
    others = ["", "0.0.0.0", "::", "192.168.0.1", "reading-room", "127.0.0.1.example"]
    assert [host for host in own + others if is_loopback(host)] == own


def test_with_a_token_nothing_is_open_but_health(guarded: TestClient) -> None:
    for path in ("/", "/metrics", "/static/page.css", "/openapi.json", "/api/uploads/x", "/nothing"):
        refused = guarded.get(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "token" in refused.text
        assert TOKEN not in refused.text
    assert guarded.get("/").headers["content-type"].startswith("text/html")
    assert guarded.get("/api/uploads/x").json()["error"]["reason"] == "no_token"
    assert guarded.post("/api/uploads", content=b"x").status_code == 401
    assert guarded.get("/health").status_code == 200
    assert guarded.get("/x", headers={"Host": "reading-room/health?"}).status_code == 401


def test_a_token_in_the_header(guarded: TestClient) -> None:
    assert guarded.get("/", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    for wrong in ("Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer ü"):
        assert guarded.get("/", headers={"Authorization": wrong.encode()}).status_code == 401


def test_a_token_in_a_pages_address_becomes_a_cookie(guarded: TestClient) -> None:
    entered = guarded.get(f"/deep/page?q=a%20b&token={TOKEN}&k=3&q=%C3%A9")
    assert entered.status_code == 303
    assert entered.headers["location"] == "./page?q=a%20b&k=3&q=%C3%A9"
    cookie = entered.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert str(entered.next_request.url) == "http://reading-room:8765/deep/page?q=a%20b&k=3&q=%C3%A9"  # type: ignore[union-attr]
    assert guarded.get("/deep/page").status_code == 200
    assert guarded.get("/api/uploads/x").status_code == 404
    guarded.cookies.clear()
    assert guarded.get("/deep/page").status_code == 401


@pytest.mark.parametrize("path", ["/", "//evil.example/", "//evil.example", "/\\evil.example/", "/%2f%2fevil.example"])
def test_the_way_without_the_token_leads_to_no_other_host(guarded: TestClient, path: str) -> None:
    entered = guarded.get(f"http://reading-room:8765{path}?token={TOKEN}")
    assert entered.status_code == 303
    assert entered.headers["location"].startswith("./")
    assert entered.next_request is not None
    assert entered.next_request.url.host == "reading-room"


def test_a_token_in_an_address_serves_pages_alone(guarded: TestClient) -> None:
    assert guarded.get(f"/api/uploads/x?token={TOKEN}").status_code == 401
    assert guarded.post(f"/?token={TOKEN}").status_code == 401
    assert guarded.get("/?token=wrong").status_code == 401
    assert guarded.get("/?token=").status_code == 401
    assert guarded.get("/?tok%65n=" + TOKEN).status_code == 401


@pytest.mark.parametrize(
    "token", ["", "short", "a token with spaces", "semicolon;in-it-here", "ümlaut-ümlaut-ü", "x" * 201]
)
def test_a_token_that_is_none_is_refused(site: SmallSite, static: Path, token: str) -> None:
    with pytest.raises(InputError, match="expected a token of 12 letters"):
        small_app(site, static, token)


def test_the_cookie_is_kept_to_https_where_that_is_spoken(site: SmallSite, static: Path) -> None:
    client = TestClient(small_app(site, static, TOKEN), "https://reading-room", follow_redirects=False)
    assert "Secure" in client.get(f"/?token={TOKEN}").headers["set-cookie"]


def test_two_servers_of_one_host_have_cookies_of_their_own(site: SmallSite, static: Path) -> None:
    clients = [
        TestClient(small_app(site, static, token), HOME, follow_redirects=False) for token in (TOKEN, TOKEN + "2")
    ]
    names = [
        client.get("/", params={"token": TOKEN + end}).headers["set-cookie"].split("=")[0]
        for client, end in zip(clients, ("", "2"), strict=True)
    ]
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"Origin": HOME}, False),
        ({"Origin": HOME, "Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "http://127.0.0.1:3000"}, True),
        ({"Origin": "http://localhost:8765"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://127.0.0.1:8765.evil.example"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Origin": HOME, "Sec-Fetch-Site": "cross-site"}, True),
    ],
)
def test_other_pages_change_nothing(local: TestClient, headers: dict[str, str], refused: bool) -> None:
    for method, path in (("POST", "/api/asked"), ("DELETE", "/api/uploads/x"), ("PUT", "/api/asked")):
        status = local.request(method, path, headers=headers, json={"words": "x"}).status_code
        assert (status == 403) == refused
    assert local.get("/", headers=headers).status_code == 200


def test_every_answer_has_the_headers(local: TestClient, guarded: TestClient) -> None:
    answers = [
        local.get("/"), local.get("/nothing"), local.get("/api/nothing"), local.get("/fail/bug"), local.put("/"),
        local.get("/api/fail/bug"), local.get("/", headers={"Host": "evil.example"}), local.get("/health"),
        local.get("/metrics"), local.post("/api/uploads", content=bytes(200_000)), local.post("/api/asked", json={}),
        local.get("/openapi.json"), guarded.get("/"), guarded.get(f"/?token={TOKEN}"), local.get("/static/no.css"),
    ]  # fmt: skip
    statuses = [200, 404, 404, 500, 405, 500, 400, 200, 200, 413, 422, 200, 401, 303, 404]
    assert [one.status_code for one in answers] == statuses
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        static = answer.url.path.startswith("/static/")
        assert answer.headers["cache-control"] == ("no-cache" if static else "no-store")
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_every_page_and_route_of_the_whole_has_them_too(whole: Site) -> None:
    client = TestClient(create_app(whole), HOME)
    routes = [route for route in client.get("/openapi.json").json()["paths"] if "{" not in route]
    for path in ("/", "/about", "/study", "/compare", "/static/page.js", "/health", "/metrics", *routes):
        answer = client.get(path)
        assert answer.status_code < 500
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    closed = TestClient(create_app(whole, TOKEN), "http://reading-room")
    for path in ("/", "/about", "/study", "/static/page.js", "/metrics", *routes):
        answer = closed.get(path)
        assert answer.status_code == 401
        assert whole.name not in answer.text


def test_static_files_may_be_kept_and_asked_for_again(local: TestClient) -> None:
    first = local.get("/static/page.css")
    assert (first.text, first.headers["cache-control"]) == ("body {}", "no-cache")
    again = local.get("/static/page.css", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(local: TestClient, chunked: bool) -> None:
    def body(size: int) -> object:
        return iter([bytes(100)] * (size // 100)) if chunked else bytes(size)

    for path, size in (("/api/asked", 1100), ("/api/uploads", 100_100)):
        refused = local.post(path, content=body(size))  # type: ignore[arg-type]
        assert refused.status_code == 413
        assert refused.json()["error"]["reason"] == "too_large"
    assert local.post("/api/asked", content=body(900)).status_code == 422  # type: ignore[arg-type]
    assert local.get("/", headers={"Content-Length": "9" * 5000}).status_code == 413
    assert local.post("/api/asked", json={"words": "four"}).json() == {"letters": 4}


def test_a_body_that_was_not_read_ends_the_connection(local: TestClient) -> None:
    assert local.post("/nothing", content=b"x").headers["connection"] == "close"
    assert "connection" not in local.post("/api/asked", json={"words": "four"}).headers
    assert "connection" not in local.get("/nothing").headers


def test_websockets_are_closed(local: TestClient) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), local.websocket_connect("/"):
        raise AssertionError("it was answered")
