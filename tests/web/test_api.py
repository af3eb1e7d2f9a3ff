"""The page's answers for programs: pictures in one grid, planes, findings by the formula, NIfTI that reads back."""

import io
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from fastapi.routing import APIRoute
from PIL import Image
from scipy.special import expit
from starlette.testclient import TestClient

from unimedi.imaging.read import read_image
from unimedi.web.api_routes import router as api_router
from unimedi.web.image_routes import router as image_router
from unimedi.web.reference import ImageRef
from unimedi.web.site import Site


@pytest.fixture
def site(whole: Site) -> Site:
    return whole


@pytest.fixture
def client(asker: TestClient) -> TestClient:
    return asker


def a_study(client: TestClient, modality: str) -> str:
    return f"study:{client.get(f'/api/search?q=effusion&modality={modality}').json()['hits'][0]['study_id']}"


def picture(client: TestClient, address: str, **values: object) -> np.ndarray:
    answer = client.get(f"{address}?{urlencode(values)}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    return np.asarray(Image.open(io.BytesIO(answer.content)))


@pytest.mark.parametrize("modality", ["CT", "DX"])
def test_planes_and_what_lies_over_them_have_one_grid(client: TestClient, modality: str) -> None:
    image = a_study(client, modality)
    plane = picture(client, "/images/plane", image=image)
    assert plane.shape == (32, 32)
    assert picture(client, "/images/overlay", image=image, kind="attention").shape == (32, 32, 4)
    assert picture(client, "/images/overlay", image=image, kind="query", q="effusion").shape == (32, 32, 4)
    np.testing.assert_array_equal(picture(client, "/images/plane", image=image, invert=True), 255 - plane)
    assert max(picture(client, "/images/thumbnail", image=image).shape) == 192


@pytest.mark.parametrize(
    ("address", "values"),
    [
        ("/images/plane", {"plane": 16}),
        ("/images/plane", {"plane": -1}),
        ("/images/plane", {"width": 0}),
        ("/images/plane", {"width": "nan"}),
        ("/images/plane", {"level": "inf"}),
        ("/images/overlay", {"kind": "query"}),
        ("/images/overlay", {"kind": "magic"}),
        ("/api/match", {}),
        ("/api/match", {"q": "x" * 10_001}),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(client: TestClient, address: str, values: dict[str, object]) -> None:
    answer = client.get(f"{address}?{urlencode({'image': a_study(client, 'CT')} | values)}")
    assert answer.status_code == 422
    assert answer.json()["error"]["message"]


def test_a_match_is_a_plane_of_the_volume_and_of_a_radiograph_the_whole(site: Site, client: TestClient) -> None:
    image = a_study(client, "CT")
    found = client.get(f"/api/match?{urlencode({'image': image, 'q': 'effusion'})}").json()
    height = site.encodings.best_plane(ImageRef.parse(image), site.embedder.texts(["effusion"])[0])
    assert (found["plane"], found["planes"]) == (int(height * 16), 16)
    assert client.get(f"/{found['thumbnail']}").status_code == 200
    xray = client.get(f"/api/match?{urlencode({'image': a_study(client, 'DX'), 'q': 'effusion'})}").json()
    assert (xray["plane"], xray["planes"]) == (0, 1)


def test_what_is_seen_of_a_volume_is_told(site: Site, client: TestClient) -> None:
    image = a_study(client, "CT")
    found = client.get(f"/api/seen?{urlencode({'image': image})}").json()
    assert (found["planes"], found["unit"], len(found["slabs"])) == (16, "HU", 4)
    assert sum(slab["chosen"] for slab in found["slabs"]) == 2
    np.testing.assert_allclose(np.mean([slab["score"] for slab in found["slabs"]]), 1, rtol=1e-5)
    assert client.get(f"/api/seen?{urlencode({'image': a_study(client, 'DX')})}").json()["slabs"] == []


def test_findings_follow_the_formula_and_the_readers_sentences(site: Site, client: TestClient) -> None:
    image = a_study(client, "CT")
    usual = client.post("/api/findings", json={"image": image}).json()["answers"]
    assert [one["value"] for one in usual] == sorted((one["value"] for one in usual), reverse=True)
    own = {"name": "mine", "present": ["A nodule.", "Nodules."], "absent": ["No nodule."]}
    found = client.post("/api/findings", json={"image": image, "findings": [own]}).json()["answers"]
    vector = site.encodings.of(ImageRef.parse(image)).vector.astype(np.float64)
    there, gone = (site.embedder.texts(own[side]).mean(axis=0).astype(np.float64) for side in ("present", "absent"))
    odds = site.embedder.scale * (vector @ there / np.linalg.norm(there) - vector @ gone / np.linalg.norm(gone))
    assert [one["name"] for one in found] == ["mine"]
    assert found[0]["value"] == pytest.approx(expit(odds), abs=1e-4)


@pytest.mark.parametrize(
    "findings",
    [
        [{"name": "mine", "present": [], "absent": ["x"]}],
        [{"name": "mine", "present": [""], "absent": ["x"]}],
        [{"name": "", "present": ["x"], "absent": ["x"]}],
        [{"name": "mine", "present": ["x"] * 201, "absent": ["x"]}],
        [{"name": "mine", "present": ["x"], "absent": ["x"]}] * 61,
    ],
)
def test_sentences_without_bounds_or_words_are_refused(client: TestClient, findings: list[dict[str, object]]) -> None:
    answer = client.post("/api/findings", json={"image": a_study(client, "CT"), "findings": findings})
    assert answer.status_code == 422


def test_the_volume_reads_back_as_it_was(site: Site, client: TestClient, tmp_path: Path) -> None:
    image = a_study(client, "CT")
    answer = client.get(f"/images/volume.nii?{urlencode({'image': image})}")
    (tmp_path / "volume.nii").write_bytes(answer.content)
    back, held = read_image(tmp_path / "volume.nii"), site.images.get(ImageRef.parse(image)).image
    np.testing.assert_array_equal(back.array, held.array)
    np.testing.assert_allclose(back.spacing, held.spacing)
    assert client.get(f"/images/volume.nii?{urlencode({'image': a_study(client, 'DX')})}").status_code == 422


OF_AN_IMAGE = [
    (method, route.path)
    for router in (api_router, image_router)
    for route in router.routes
    if isinstance(route, APIRoute) and route.path != "/api/search"
    for method in sorted(route.methods)
]


@pytest.mark.parametrize(("method", "path"), OF_AN_IMAGE)
@pytest.mark.parametrize(
    ("image", "status"),
    [("study:nobody", 404), ("upload:0000", 404), ("nobody", 422), ("study:", 422), ("file:/etc/passwd", 422)],
)
def test_every_route_says_which_image_is_not_there(
    client: TestClient, method: str, path: str, image: str, status: int
) -> None:
    given = {"json": {"image": image}} if method == "POST" else {"params": {"image": image, "q": "effusion"}}
    answer = client.request(method, path, **given)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_routes_of_an_image_are_all_of_them() -> None:
    assert len(OF_AN_IMAGE) == 7
