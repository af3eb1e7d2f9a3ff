"""Hits, expectations of blind selectors and within-volume AUROC by hand and by loops."""

from pathlib import Path

import numpy as np
import pytest

from tests.transfer.hospital import FINDINGS, write_hospital
from unimedi.transfer.metrics import NotComputable, PatientBootstrap
from unimedi.transfer.references import intensity_scores, prior_scores
from unimedi.transfer.slice_eval import (
    LesionExtent,
    blind_outcomes,
    hits,
    lesion_extent,
    slab_hits,
    slabs_by_score,
    slice_figures,
    within_volume_auroc,
)


def one_lesion(depth: int, *lesions: tuple[int, int]) -> LesionExtent:
    planes = np.zeros((len(lesions), depth), dtype=bool)
    for row, (start, stop) in enumerate(lesions):
        planes[row, start:stop] = True
    return LesionExtent(planes, {"nodule": planes})


def test_a_plane_hits_only_where_the_middle_of_the_slab_shows_the_lesion() -> None:
    extent = one_lesion(16, (4, 7), (4, 6))  # slabs of 4 planes; the middle of slab 1 is plane 6
    chosen = np.array([[1], [1]])
    assert hits(chosen, extent.planes, 4).tolist() == [1, 0]
    assert slab_hits(chosen, extent.slabs(4)).tolist() == [1, 1]
    assert extent.slabs(4).tolist() == [[False, True, False, False]] * 2


def test_slabs_of_an_uneven_depth_cover_every_plane() -> None:
    extent = one_lesion(10, *((z, z + 1) for z in range(10)))
    assert (extent.slabs(3).sum(axis=1) == 1).all()


def test_random_is_the_expectation() -> None:
    extent = one_lesion(32, (0, 4), (0, 8))  # 8 slabs of 4: the middle plane of slab 0; of slabs 0 and 1
    plane, slab = blind_outcomes("random", extent, 8, 1)
    np.testing.assert_allclose(plane, [1 / 8, 2 / 8], atol=0.08)  # 256 draws: SD about .025
    np.testing.assert_allclose(slab, plane)
    four, _ = blind_outcomes("random", extent, 8, 4)
    np.testing.assert_allclose(four, [4 / 8, 1 - (6 * 5 * 4 * 3) / (8 * 7 * 6 * 5)], atol=0.12)


def test_within_volume_auroc_equals_counting_pairs() -> None:
    draws = np.random.default_rng(0)
    scores = draws.integers(0, 4, (20, 6)).astype(np.float64)
    lesion = draws.random((20, 6)) < 0.4
    lesion[0], lesion[1] = True, False
    for row, value in enumerate(within_volume_auroc(scores, lesion)):
        pairs = [
            1.0 if a > b else 0.5 if a == b else 0.0
            for a, here in zip(scores[row], lesion[row], strict=True)
            if here
            for b, there in zip(scores[row], lesion[row], strict=True)
            if not there
        ]
        assert value == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)


def test_perfect_scores_hit_always_and_stand_above_the_rest() -> None:
    lesions = [(2 * i % 14, 2 * i % 14 + 3) for i in range(30)]
    extent = one_lesion(16, *lesions)
    perfect = extent.slabs(8).astype(np.float64)
    bootstrap = PatientBootstrap([str(i) for i in range(30)], 200, 0)
    figures = slice_figures({"attentive": perfect, "untrained": -perfect}, extent, bootstrap)
    assert figures["slice_selection/attentive/slab_hit@1"].value == 1
    assert figures["slice_selection/oracle/hit@1"].value == 1
    assert figures["slice_selection/attentive/auroc"].value == 1
    assert figures["slice_selection/untrained/auroc"].value == 0
    assert figures["slice_selection/attentive/minus_random/hit@1"].low > 0
    ratio = figures["slice_selection/attentive/hit@1"].value / figures["slice_selection/random/hit@1"].value
    assert figures["slice_selection/attentive/times_random/hit@1"].value == pytest.approx(ratio)


def test_best_slab_comes_from_the_models_rule() -> None:
    scores = np.array([[0.1, 0.9, 0.3, 0.8]])
    assert slabs_by_score(scores, 1).tolist() == [[1]]
    assert slabs_by_score(scores, 2).tolist() == [[1, 3]]


def test_extents_priors_and_outliers_of_a_store(tmp_path: Path) -> None:
    store = write_hospital(tmp_path)
    test = store.select(split="test", ndim=3)
    extent = lesion_extent(store, test, ("nodule", "cardiomegaly", "unheard_of"))
    assert set(extent.by_finding) == {"nodule", "cardiomegaly"}
    for row, index in enumerate(test):
        mask = store.mask(index)
        assert mask is not None
        for name, planes in extent.by_finding.items():
            slow = [bool(((mask[z] >> FINDINGS.index(name)) & 1).any()) for z in range(16)]
            assert planes[row].tolist() == slow
    train = store.select(split="train", ndim=3)
    prior = prior_scores(store, train, 4, 3, FINDINGS)
    there = lesion_extent(store, train, FINDINGS)
    expected = there.slabs(4)[there.planes.any(axis=1)].mean(axis=0)
    np.testing.assert_allclose(prior, np.tile(expected, (3, 1)))
    with pytest.raises(NotComputable, match="no training or validation volume"):
        prior_scores(store, store.select(ndim=2), 4, 3, FINDINGS)
    # In this hospital a lesion is the only bright thing: the score without a network finds it.
    scores = intensity_scores(store, train, test, (4, 2, 2))
    whole = lesion_extent(store, test, FINDINGS)
    rows = whole.planes.any(axis=1)
    found = slab_hits(slabs_by_score(scores[rows], 1), whole.slabs(4)[rows])
    assert found.mean() > 0.9
