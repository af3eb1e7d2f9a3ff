"""A thousand addresses that try to leave their place: no answer has a byte of a file outside, none is a fault."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tests.web.small_app import SmallSite, running, small_app
from unimedi.web.app import create_app
from unimedi.web.reading import Reader
from unimedi.web.site import Site

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
def connection(whole: Site) -> Iterator[http.client.HTTPConnection]:
    """To a real server: a client of the library would put the address in order first."""
    with (
        running(create_app(whole), whole.limits) as port,
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=600)) as connection,
    ):
        yield connection


def answered(connection: http.client.HTTPConnection, method: str, address: str) -> tuple[int, str]:
    connection.request(method, address)
    answer = connection.getresponse()
    return answer.status, answer.read().decode("latin-1")


def test_no_address_leads_out(connection: http.client.HTTPConnection, whole: Site, tmp_path: Path) -> None:
    canary, secret = tmp_path / "canary.txt", Path(str(whole.archive.place))
    canary.write_text(CANARY)
    assert answered(connection, "GET", "/static/page.css")[0] == 200
    places = [
        ("GET", "/static/{}"), ("GET", "/{}"), ("GET", "/api/uploads/{}"), ("DELETE", "/api/uploads/{}"),
        ("GET", "/images/thumbnail?image={}"), ("GET", "/images/plane?image=study:{}"),
        ("GET", "/images/volume.nii?image=upload:{}"), ("GET", "/api/search?like=study:{}"),
        ("GET", "/?q=x&not_like=study:{}"), ("GET", "/study?image=study:{}"), ("GET", "/compare?image={}&other={}"),
        ("GET", "/api/seen?image=study:{}"), ("POST", "/api/uploads?name={}"),
    ]  # fmt: skip
    every = list(dict.fromkeys(attempts(canary)))
    tried = [(place, attempt) for number, place in enumerate(places) for attempt in every[number % 2 :: 2]]
    assert len(tried) >= 1000
    for (method, place), attempt in tried:
        address = place.replace("{}", attempt)
        status, text = answered(connection, method, address)
        assert status < 500, address
        assert CANARY not in text, address
        said = text.replace(str(canary), "")  # what was asked may be repeated
        assert str(tmp_path) not in said, address
        assert str(secret.parent) not in said, address
    assert canary.read_text() == CANARY


def test_a_link_in_the_folder_of_static_files_leads_nowhere(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "canary.txt").write_text(CANARY)
    (tmp_path / "static" / "link.css").symlink_to(tmp_path / "canary.txt")
    site = SmallSite(reader)
    assert (
        TestClient(small_app(site, tmp_path / "static"), "http://localhost").get("/static/link.css").status_code == 404
    )
    site.close()


def test_no_answer_says_where_anything_lies(connection: http.client.HTTPConnection, whole: Site) -> None:
    folder = str(Path(str(whole.archive.place)).parent)
    found = json.loads(answered(connection, "GET", "/api/search?q=effusion&k=20")[1])["hits"]
    ids = {hit["modality"]: hit["study_id"] for hit in found}
    assert len(ids) == 2
    addresses = ["/", "/?q=effusion", "/about", "/metrics", "/openapi.json", "/api/search?q=effusion"]
    for id in (*ids.values(), "nobody"):
        image = f"study:{id}"
        addresses += [f"/{page}?image={image}" for page in ("study", "api/seen", "images/plane", "images/overlay")]
        addresses += [f"/compare?image={image}&other={image}", f"/?like={image}", f"/api/match?image={image}&q=x"]
        addresses += [f"/api/search?not_like={image}", f"/images/volume.nii?image={image}"]
    for address in addresses:
        status, text = answered(connection, "GET", address)
        assert status < 500
        assert folder not in text, address
