"""The pages as HTML: what is asked is in the address, every state is said, nothing is inline."""

import datetime
import html
import io
import re
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.web.small_site import small_site
from unimedi.archive.study import ArchivedStudy
from unimedi.web.app import create_app
from unimedi.web.search_params import SearchParams
from unimedi.web.site import Site

HOST = "http://127.0.0.1"
HIT = re.compile(r'<li class="hit" data-image="([^"]+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = small_site(tmp_path_factory.mktemp("pages"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(site: Site) -> TestClient:
    with TestClient(create_app(site), base_url=HOST) as made:
        yield made


def hits(page: str) -> list[str]:
    return [html.unescape(ref).removeprefix("study:") for ref in HIT.findall(page)]


def text(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page)))


def test_the_page_ranks_as_the_archive_does(site: Site, client: TestClient) -> None:
    params = SearchParams(q="left pleural effusion", k=20)
    page = client.get(f"/?{params.query()}")
    assert page.status_code == 200
    expected = [hit.study_id for hit in site.search(params).hits]
    assert hits(page.text) == expected
    assert [hit["study_id"] for hit in client.get(f"/api/search?{params.query()}").json()["hits"]] == expected
    assert "<mark>effusion</mark>" in page.text
    assert 'value="left pleural effusion"' in page.text


def test_filters_hold_and_are_ticked(site: Site, client: TestClient) -> None:
    page = client.get("/?q=effusion&modality=CT&finding=nodule&since=&until=&k=50").text
    found = [site.archive.study(study) for study in hits(page)]
    assert found
    assert all(study.modality == "CT" and "nodule" in study.findings for study in found)
    assert 'value="CT" checked' in page
    assert 'value="DX" checked' not in page


def test_more_and_less_like_a_study_leave_its_patient_out(site: Site, client: TestClient) -> None:
    first = hits(client.get("/?q=effusion").text)[0]
    page = client.get(f"/?{urlencode({'like': f'study:{first}', 'k': 50})}")
    patient = site.archive.study(first).patient_id
    assert hits(page.text)
    assert all(site.archive.study(study).patient_id != patient for study in hits(page.text))
    assert "the patient of the example is left out" in text(page.text)
    moved = client.get(f"/?{urlencode({'q': 'nodule', 'not_like': f'study:{first}'})}")
    assert f"less like {first}" in text(moved.text)
    remove = re.search(rf'href="\./\?([^"]*)" aria-label="Remove less like {first}"', moved.text)
    assert remove
    assert remove[1] == "q=nodule"


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({}, 200, "Ask 76 studies a question"),
        ({"q": "zebra", "by": "text"}, 200, "No study answers"),
        ({"q": "nodule", "modality": "US"}, 200, "No study obeys all filters"),
        ({"like": "study:nobody"}, 404, "expected study 'nobody'"),
        ({"like": "upload:gone"}, 404, "no longer held"),
        ({"like": "/etc/passwd"}, 422, "expected study:ID or upload:ID"),
        ({"not_like": "study:test-000-2d"}, 422, "no direction"),
        ({"q": "nodule", "since": "2024-02-01", "until": "2024-01-01"}, 422, "expected dates since"),
        (
            {"q": "Ein Erguss auf der linken Seite des Patienten."},
            200,
            "the model has read reports in en",
        ),
    ],
)
def test_every_state_of_the_search_is_said_and_the_form_stays(
    client: TestClient, query: dict[str, str], status: int, said: str
) -> None:
    page = client.get(f"/?{urlencode(query)}")
    assert page.status_code == status
    assert said in text(page.text)
    assert 'id="search"' in page.text


def test_a_study_is_opened_with_its_report_slices_findings_and_likes(site: Site, client: TestClient) -> None:
    study = next(hit for hit in hits(client.get("/?q=effusion&modality=CT").text))
    page = client.get(f"/study?{urlencode({'image': f'study:{study}', 'q': 'effusion'})}").text
    held = site.archive.study(study)
    assert held.report in text(page)
    assert held.patient_id in text(page)
    assert page.count('data-go="') == 4  # slabs
    assert page.count('class="chosen"') == 4  # two slabs, in the curve and in the strip
    assert "why it matches" in page
    assert all(site.archive.study(other).patient_id != held.patient_id for other in hits(page))
    assert "why it matches" not in client.get(f"/study?{urlencode({'image': f'study:{study}'})}").text


def test_two_studies_stand_beside_each_other(site: Site, client: TestClient) -> None:
    first, second = hits(client.get("/?q=effusion").text)[:2]
    page = client.get(f"/compare?{urlencode({'image': f'study:{first}', 'other': f'study:{second}'})}")
    assert page.status_code == 200
    assert page.text.count('class="viewer"') == 2
    assert client.get(f"/compare?{urlencode({'image': f'study:{first}', 'other': 'study:x'})}").status_code == 404


def test_an_upload_is_a_study_that_the_archive_does_not_get(site: Site, client: TestClient) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 40)).astype(np.uint8)).save(file, "PNG")
    before = site.archive.stats().studies
    made = client.post("/api/uploads?name=my%20chest.png", content=file.getvalue()).json()
    page = client.get(f"/{made['url']}")
    assert page.status_code == 200
    assert "uploaded: my chest.png" in text(page.text)
    assert "not in the archive" in text(page.text)
    assert len(hits(page.text)) == 6
    like = client.get(f"/?{urlencode({'like': made['image']})}")
    assert "more like your file my chest.png" in text(like.text)
    assert site.archive.stats().studies == before
    assert client.delete(f"/api/uploads/{made['image'].removeprefix('upload:')}").status_code == 204
    assert client.get(f"/{made['url']}").status_code == 404
    assert "(gone)" in text(client.get(f"/?{urlencode({'like': made['image']})}").text)


def test_nothing_that_a_report_or_a_query_says_becomes_markup(site: Site, client: TestClient) -> None:
    vector = site.archive.study(site.archive.columns()["study_id"][0].as_py()).vector
    report = 'Nodule <script>alert(1)</script> "quoted" & more'
    bad = ArchivedStudy('x"><img src=x>', "P-x", "DX", vector, vector, report, datetime.date(2024, 1, 2))
    site.archive.add([bad], site.archive.model)
    site.archive.optimise()
    page = client.get(f"/?{urlencode({'q': 'nodule <b>alert</b>', 'by': 'text', 'k': 100})}").text
    assert 'x"><img src=x>' in hits(page)
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "<b>alert" not in page
    site.archive.forget(study='x"><img src=x>')


def test_no_page_has_inline_code_or_asks_anything_of_elsewhere(client: TestClient) -> None:
    study = hits(client.get("/?q=effusion&modality=CT").text)[0]
    image = urlencode({"image": f"study:{study}", "q": "effusion", "other": f"study:{study}"})
    for address in (
        "/",
        "/?q=effusion",
        f"/study?{image.split('&other')[0]}",
        f"/compare?{image}",
        "/about",
        "/nothing",
    ):
        page = client.get(address).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page), address
        assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", page), address
        assert "Research use, not for diagnosis" in page
    static = Path(__file__).parents[2] / "src/unimedi/web/static"
    for file in [*static.glob("*.js"), *static.glob("*.css")]:
        assert not re.search(r"https?://|@import|url\(", file.read_text(encoding="utf-8")), file.name
