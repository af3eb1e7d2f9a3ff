"""What the model sees: equal to the embedder and to explain; the plane of a query; kept and dropped."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from unimedi.explanation.explain import explain
from unimedi.explanation.relevance import text_relevance
from unimedi.imaging.image import Volume
from unimedi.representation.load import LoadedModel
from unimedi.web.reference import ImageRef
from unimedi.web.site import Site

SENTENCE = "There is a nodule."


@pytest.fixture
def site(whole: Site) -> Site:
    return whole


def a_study(site: Site, modality: str) -> ImageRef:
    columns = site.archive.columns()
    pairs = zip(columns["study_id"].to_pylist(), columns["modality"].to_pylist(), strict=True)
    return ImageRef("study", next(study for study, own in pairs if own == modality))


def test_an_encoding_of_a_ct_is_the_archives_and_what_explain_finds(site: Site) -> None:
    ref = a_study(site, "CT")
    seen = site.encodings.of(ref)
    np.testing.assert_allclose(seen.vector, site.archive.study(ref.id).vector, atol=1e-5)
    image = site.images.get(ref).image
    found = explain(site.embedder, image, SENTENCE)
    np.testing.assert_allclose(seen.attention, found.attention, rtol=1e-4)
    query = site.embedder.texts([SENTENCE])[0]
    np.testing.assert_allclose(site.encodings.relevance(ref, query), found.relevance[0], atol=1e-5)
    assert seen.slab_scores is not None
    np.testing.assert_allclose(seen.slab_scores, found.slab_scores, rtol=1e-4)
    assert [int(height * len(image.array)) for height in seen.relative_planes()] == found.own_planes
    assert len(seen.chosen_slabs()) == 2


def test_a_radiograph_of_a_store_is_encoded_as_it_lies_there(site: Site) -> None:
    """Not stretched to its percentiles a second time: its vector would be another than the archive's."""
    ref = a_study(site, "DX")
    seen = site.encodings.of(ref)
    np.testing.assert_allclose(seen.vector, site.archive.study(ref.id).vector, atol=1e-5)
    query = torch.from_numpy(site.embedder.texts([SENTENCE]))
    expected = text_relevance(site.embedder.model, torch.from_numpy(seen.stored), None, query)[0]
    np.testing.assert_allclose(site.encodings.relevance(ref, query[0].numpy()), expected, atol=1e-6)
    assert (seen.slab_scores, seen.planes, seen.relative_planes(), seen.chosen_slabs()) == (None, None, [], [])


def test_the_plane_that_matches_is_in_the_slab_of_the_most_relevant_place(site: Site) -> None:
    ref = a_study(site, "CT")
    query = site.embedder.texts(["There is a left pleural effusion."])[0]
    fast = site.encodings.relevance(ref, query, exact=False)
    assert site.encodings.best_plane(ref, query) == (np.unravel_index(fast.argmax(), fast.shape)[0] + 0.5) / len(fast)
    assert isinstance(site.images.get(ref).image, Volume)


def test_what_was_computed_is_kept_until_it_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = a_study(site, "DX")
    first = site.encodings.of(ref)
    assert site.encodings.of(ref) is first
    site.encodings.forget(ref)
    assert site.encodings.of(ref) is not first
    monkeypatch.setattr("unimedi.web.encodings.KEPT", 1)
    site.encodings.of(a_study(site, "CT"))
    assert site.encodings.of(ref) is not first


def test_a_dropped_file_has_the_vector_that_python_gives(site: Site, asker: TestClient, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    Image.fromarray(draws.integers(0, 255, (50, 40)).astype(np.uint8)).save(tmp_path / "chest.png")
    voxels = draws.integers(-1000, 500, (20, 24, 18)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, -1.0, 2.0, 1.0])), tmp_path / "ct.nii.gz")
    model = LoadedModel(site.embedder, site.embedder.processor.preprocess)
    for path in (tmp_path / "chest.png", tmp_path / "ct.nii.gz"):
        made = asker.post(f"/api/uploads?name={path.name}", content=path.read_bytes()).json()
        vector = site.encodings.of(ImageRef.parse(made["image"])).vector
        np.testing.assert_allclose(vector, model.images(str(path))[0], atol=1e-5)
