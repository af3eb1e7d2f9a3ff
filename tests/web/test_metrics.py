"""What is counted: requests by their route's template, never by address; uploads, what waits, searches."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.web.small_app import SmallSite, small_app
from unimedi.web.reading import Reader


@pytest.fixture
def site(reader: Reader) -> Iterator[SmallSite]:
    site = SmallSite(reader)
    yield site
    site.close()


LABELS = ("route", "method", "status", "by", "le")


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    """Every figure by its name and the values of its labels, in the order of ``LABELS``."""
    found = [one for family in text_string_to_metric_families(client.get("/metrics").text) for one in family.samples]
    return {(one.name, *(one.labels[label] for label in LABELS if label in one.labels)): one.value for one in found}


def test_requests_are_counted_by_route_and_status(site: SmallSite, tmp_path: Path) -> None:
    client = TestClient(small_app(site, tmp_path), "http://localhost")
    for path in ("/", "/?q=Doe", "/api/uploads/Doe", "/fail/bug", "/nothing/Doe", "/static/Doe.css"):
        client.get(path)
    client.request("DOE", "/")
    client.get("/", headers={"Host": "evil.example"})
    text, found = client.get("/metrics").text, samples(client)
    assert "Doe" not in text
    assert "DOE" not in text
    for route, method, status, count in (
        ("/", "GET", "200", 2),
        ("/", "other", "405", 1),
        ("/api/uploads/{id}", "GET", "404", 1),
        ("/fail/{name}", "GET", "500", 1),
        ("none", "GET", "404", 1),
        ("none", "GET", "400", 1),
        ("/static", "GET", "404", 1),
    ):
        assert found["unimedi_requests_total", route, method, status] == count, route
    assert found["unimedi_request_seconds_count", "/"] == 3


def test_uploads_what_waits_and_searches_are_shown(site: SmallSite, tmp_path: Path, good: dict[str, bytes]) -> None:
    with TestClient(small_app(site, tmp_path), "http://localhost") as client:
        before = samples(client)
        assert before["unimedi_uploads_held",] == before["unimedi_upload_bytes",] == 0
        assert before["unimedi_model_waiting",] == 0
        made = client.post("/api/uploads", params={"name": "x.png"}, content=good["x.png"]).json()
        site.metrics.searched("both")
        site.metrics.searched("both")
        after = samples(client)
        assert after["unimedi_uploads_held",] == 1
        assert after["unimedi_upload_bytes",] == site.uploads.held[1] > 0
        assert after["unimedi_searches_total", "both"] == 2
        client.delete(f"/api/uploads/{made['image'].removeprefix('upload:')}")
        assert samples(client)["unimedi_uploads_held",] == 0


def test_servers_count_for_themselves(reader: Reader, site: SmallSite, tmp_path: Path) -> None:
    other = SmallSite(reader)
    TestClient(small_app(site, tmp_path), "http://localhost").get("/")
    assert not [key for key in samples(TestClient(small_app(other, tmp_path), "http://localhost")) if "/" in key]
    other.close()
