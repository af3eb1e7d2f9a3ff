"""Uploads over HTTP: every kind of file in, every refusal with its sentence, nothing left."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.web.small_app import SmallSite, small_app
from unimedi.web.limits import Limits
from unimedi.web.reading import Reader


@pytest.fixture
def site(reader: Reader, temporary: Path) -> Iterator[SmallSite]:
    site = SmallSite(reader, replace(Limits(), body=100_000))
    yield site
    site.close()


@pytest.fixture
def client(site: SmallSite, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(small_app(site, tmp_path), "http://localhost") as client:
        yield client


def test_every_kind_of_file_is_taken_shown_and_dropped(
    client: TestClient, site: SmallSite, good: dict[str, bytes], temporary: Path
) -> None:
    for name, content in good.items():
        made = client.post("/api/uploads", params={"name": f"/srv/me/{name}"}, content=content)
        assert made.status_code == 201
        told = made.json()
        id = told["image"].removeprefix("upload:")
        kind = "xray" if name in ("chest.dcm", "x.png") else "ct"
        assert told == {"image": f"upload:{id}", "name": name, "kind": kind, "url": f"study?image=upload:{id}"}
        assert client.get(f"/api/uploads/{id}").json() == told
        assert client.delete(f"/api/uploads/{id}").status_code == 204
        for method in ("GET", "DELETE"):
            gone = client.request(method, f"/api/uploads/{id}")
            assert gone.status_code == 404
            assert gone.json()["error"]["reason"] == "missing"
        assert not list(temporary.iterdir())
    assert site.uploads.held == (0, 0)


def test_every_refusal_says_why(
    client: TestClient, site: SmallSite, bad: dict[str, tuple[bytes, str, str]], temporary: Path
) -> None:
    for name, (content, reason, words) in bad.items():
        refused = client.post("/api/uploads", params={"name": name}, content=content)
        assert refused.status_code == 422
        error = refused.json()["error"]
        assert error["reason"] == reason
        assert words in error["message"]
        assert error["message"].startswith(name)
        assert str(temporary) not in refused.text
        assert not list(temporary.iterdir())
    assert site.uploads.held == (0, 0)


def test_names_without_sense(client: TestClient, good: dict[str, bytes]) -> None:
    for query, name in (
        ("", "image"),
        ("?name=", "image"),
        ("?name=%00%ff%2e%2e/x.png", "..x.png"),
        ("?name=../..", "image"),
    ):
        told = client.post(f"/api/uploads{query}", content=good["x.png"]).json()
        assert told["name"].replace("\ufffd", "") in (name, "x.png")
    assert client.post("/api/uploads", params={"name": "x" * 2000}, content=b"x").status_code == 422
