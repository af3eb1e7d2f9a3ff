"""Every error is one answer, JSON or a page, and says neither a path nor a patient."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import Request, Response
from starlette.testclient import TestClient

from tests.web.small_app import FAULTS, SmallSite, small_app
from unimedi.imaging.image import ImagingError
from unimedi.web.errors import ErrorAnswer, Errors, without_folders
from unimedi.web.reading import Reader

EXPECTED = {
    "missing": (404, "missing", "no study 7"),
    "input": (422, "invalid", "expected a date, got doe.csv"),
    "state": (409, "bad_state", "it is locked"),
    "busy": (503, "busy", "later"),
    "other": (400, "bad_request", "hm"),
    "bug": (500, "fault", "The server made a mistake; its log says where."),
    "disk": (507, "disk_full", "The disk of the server is full: nothing was kept."),
}


@pytest.fixture
def client(reader: Reader, tmp_path: Path) -> Iterator[TestClient]:
    site = SmallSite(reader)
    yield TestClient(small_app(site, tmp_path), "http://localhost")
    site.close()


@pytest.mark.parametrize("name", EXPECTED)
def test_every_kind_has_its_status_in_both_forms(client: TestClient, name: str) -> None:
    status, reason, message = EXPECTED[name]
    told = client.get(f"/api/fail/{name}")
    assert told.status_code == status
    assert told.json() == {"error": {"reason": reason, "message": message}}
    assert told.headers.get("retry-after") == ("5" if status == 503 else None)
    page = client.get(f"/fail/{name}")
    assert page.status_code == status
    assert message in page.text
    assert (f"<h1>{status}</h1>" in page.text) == (status != 400)  # whoever is a stranger sees a plain page
    assert page.headers["content-type"].startswith("text/html")


def test_what_no_route_answers(client: TestClient) -> None:
    assert client.get("/api/nothing").json() == {
        "error": {"reason": "missing", "message": "There is nothing at this address."}
    }
    assert client.delete("/api/asked").json()["error"]["reason"] == "bad_method"
    assert client.delete("/api/asked").headers["allow"] == "POST"
    assert "<h1>404</h1>" in client.get("/nothing").text


def test_a_wrong_field_is_named_and_not_repeated(client: TestClient) -> None:
    told = client.post("/api/asked", json={"words": "Doe^John" * 9}).json()
    assert told == {"error": {"reason": "invalid", "message": "words: String should have at most 20 characters"}}
    broken = client.post("/api/asked", content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 422
    assert ErrorAnswer.model_validate(broken.json())


def test_a_bug_is_logged_without_its_words(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    for path in ("/fail/bug", "/api/fail/bug", "/api/late"):
        caplog.clear()
        with caplog.at_level(logging.DEBUG):
            answer = client.get(path)
        assert "Doe" not in answer.text
        assert "Doe" not in caplog.text
        assert "KeyError" in caplog.text
        assert "small_app.py" in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


def test_an_image_keeps_its_reason_and_a_broken_error_page_is_replaced() -> None:
    def broken(request: Request, status: int, message: str) -> Response:
        raise KeyError("template")

    def asked(path: str) -> Request:
        return Request({"type": "http", "path": path, "headers": [], "method": "GET"})

    def run(request: Request, error: Exception) -> Response:
        return asyncio.run(Errors(broken).answer(request, error))

    told = run(asked("/images/x"), ImagingError("not_hu", "x.nii: a mask <b>"))
    assert ErrorAnswer.model_validate_json(bytes(told.body)).error.reason == "not_hu"
    assert told.status_code == 422
    page = run(asked("/study"), ImagingError("not_hu", "x.nii: a mask <b>"))
    assert b"a mask &lt;b&gt;" in bytes(page.body)
    assert page.status_code == 422


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("/srv/data/doe/ct.nii: a mask", "ct.nii: a mask"),
        ("no file '/srv/x/y'", "no file 'y'"),
        ("s3://bucket/archive/x: locked", "s3://bucket/archive/x: locked"),
        ("kg/m2 and/or 3/4 of 512/512/8", "kg/m2 and/or 3/4 of 512/512/8"),
        ("study a/b/c: missing", "study a/b/c: missing"),
    ],
)
def test_folders_are_left_out(message: str, told: str) -> None:
    assert without_folders(message) == told


def test_every_fault_of_the_small_app_is_expected_here() -> None:
    assert set(FAULTS) == set(EXPECTED)
