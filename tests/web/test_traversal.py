"""A thousand addresses that try to leave their place: no answer has a byte of a file outside, none is a fault."""

import http.client
import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.web.small_app import SmallSite, running, small_app
from unimedi.web.reading import Reader

CANARY = "canary-5f1d"
UP = (
    "../", "..\\", "%2e%2e/", "%2e%2e%2f", "..%2f", "%2e%2e\\", "..%5c", "%252e%252e%252f", "%252e%252e/", "..%252f",
    "..%c0%af", "%c0%ae%c0%ae/", "..%ef%bc%8f", "%ef%bc%8e%ef%bc%8e/", "%e2%80%a5/", "..;/", "....//", ".%00./",
    "..%00/", "%2e./", "./../", "//../", "..%u2215", "%uff0e%uff0e/",
)  # fmt: skip


def attempts(canary: Path) -> list[str]:
    """Ways to write a path to the canary, from below and from the root; each is raw, as it stands in an address."""
    inside, absolute = f"{canary.parent.name}/{canary.name}", str(canary)
    relative = [up * depth + end for up in UP for depth in (1, 2, 3, 8) for end in (canary.name, inside)]
    roots = [absolute, quote(absolute, safe=""), quote(quote(absolute, safe=""), safe=""), f"file://{absolute}"]
    roots += [absolute.replace("/", "\\"), f"//{absolute}", f"{absolute}%00", f"{absolute}%00.png", f"~{absolute}"]
    return relative + roots


@pytest.fixture
def connection(reader: Reader, tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    """To a real server: a client of the library would put the address in order first."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page.css").write_text("body {}")
    (tmp_path / "static" / "link.css").symlink_to(tmp_path / "canary.txt")
    site = SmallSite(reader)
    with running(small_app(site, tmp_path / "static"), site.limits) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        yield connection
        connection.close()
    site.close()


def answered(connection: http.client.HTTPConnection, method: str, address: str) -> tuple[int, str]:
    connection.request(method, address)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_no_address_leads_out(connection: http.client.HTTPConnection, tmp_path: Path) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY)
    assert answered(connection, "GET", "/static/page.css") == (200, "body {}")
    places = [
        ("GET", "/static/{}"), ("GET", "/{}"), ("GET", "/api/uploads/{}"), ("DELETE", "/api/uploads/{}"),
        ("POST", "/api/uploads?name={}"), ("GET", "/deep/page?image={}&like=study:{}"),
    ]  # fmt: skip
    tried = list(itertools.product(places, dict.fromkeys(attempts(canary))))
    assert len(tried) >= 1000
    for (method, place), attempt in tried:
        address = place.replace("{}", attempt)
        status, text = answered(connection, method, address)
        assert status < 500, address
        assert CANARY not in text, address
        assert str(tmp_path) not in text.replace(str(canary), ""), address
    assert canary.read_text() == CANARY
    assert answered(connection, "GET", "/static/link.css")[0] == 404
