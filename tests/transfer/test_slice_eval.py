"""Hits, coverage, distances in mm, blind selectors, AUROC and AP: by hand, by loops, by scikit-learn."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy import ndarray
from scipy import ndimage
from sklearn.metrics import average_precision_score

from tests.transfer.hospital import FINDINGS, SIZES, write_hospital
from unimedi.inputs.store import Record, write_store
from unimedi.transfer.metrics import NotComputable, PatientBootstrap
from unimedi.transfer.references import intensity_scores, prior_scores
from unimedi.transfer.slices.figures import chance_ap, group_figures, score_figures, slice_figures, times_chance
from unimedi.transfer.slices.lesions import Lesions, connected_lesions
from unimedi.transfer.slices.measures import centre_error, coverage, depth_error, within_volume_ap, within_volume_auroc
from unimedi.transfer.slices.outcome import (
    LesionExtent,
    choices,
    hits,
    lesion_extent,
    oracle_scores,
    outcomes,
    plane_scores,
    slab_hits,
    slabs_by_score,
)
from unimedi.transfer.slices.tasks import modelless_scores
from unimedi.transfer.task import EvaluationOptions


def one_lesion(depth: int, *lesions: tuple[int, int]) -> LesionExtent:
    planes = np.zeros((len(lesions), depth), dtype=bool)
    for row, (start, stop) in enumerate(lesions):
        planes[row, start:stop] = True
    return LesionExtent(planes, {"nodule": planes})


def lesions_of(extent: LesionExtent, plane_mm: float = 2.0) -> Lesions:
    """Every run of marked planes as a lesion."""
    rows = []
    for volume, planes in enumerate(extent.planes):
        starts = [z for z in range(len(planes)) if planes[z] and (z == 0 or not planes[z - 1])]
        stops = [z for z in range(len(planes)) if planes[z] and (z + 1 == len(planes) or not planes[z + 1])]
        rows += [(volume, first, last) for first, last in zip(starts, stops, strict=True)]
    volume, first, last = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Lesions(volume, ("nodule",) * len(rows), first, last, np.full(len(rows), plane_mm))


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
    blank = {"attentive": np.zeros((2, 8))}
    one, four = (outcomes(choices(blank, k), extent, lesions_of(extent), 8)["random"] for k in (1, 4))
    np.testing.assert_allclose(one["hit"], [1 / 8, 2 / 8], atol=0.08)  # 256 draws: SD about .025
    np.testing.assert_allclose(one["slab_hit"], one["hit"])
    np.testing.assert_allclose(one["precision"], one["hit"])
    np.testing.assert_allclose(four["hit"], [4 / 8, 1 - (6 * 5 * 4 * 3) / (8 * 7 * 6 * 5)], atol=0.12)


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
    figures = slice_figures({"attentive": perfect, "untrained": -perfect}, extent, lesions_of(extent), bootstrap)
    assert figures["slice_selection/attentive/slab_hit@1"].value == 1
    assert figures["slice_selection/oracle/hit@1"].value == 1
    assert figures["slice_selection/attentive/auroc"].value == 1
    assert figures["slice_selection/untrained/auroc"].value == 0
    assert figures["slice_selection/attentive/minus_random/hit@1"].low > 0
    ratio = figures["slice_selection/attentive/hit@1"].value / figures["slice_selection/random/hit@1"].value
    assert figures["slice_selection/attentive/times_random/hit@1"].value == pytest.approx(ratio)
    assert figures["slice_selection/attentive/ap"].value == 1


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
    with pytest.raises(NotComputable, match="no volume to learn from"):
        prior_scores(store, store.select(ndim=2), 4, 3, FINDINGS)
    # In this hospital a lesion is the only bright thing: the score without a network finds it.
    scores = intensity_scores(store, train, test, (4, 2, 2))
    whole = lesion_extent(store, test, FINDINGS)
    rows = whole.planes.any(axis=1)
    found = slab_hits(slabs_by_score(scores[rows], 1), whole.slabs(4)[rows])
    assert found.mean() > 0.9


def test_the_prior_is_not_learnt_on_what_is_tested(tmp_path: Path) -> None:
    whole, options = write_hospital(tmp_path / "whole"), EvaluationOptions(focal=FINDINGS)
    unmasked = [
        Record(replace(study, has_mask=False), whole.pixels(i), None)
        if study.split == "train"
        else Record(study, whole.pixels(i), whole.mask(i))
        for i, study in enumerate(whole.studies)
    ]
    store = write_store(tmp_path / "store", unmasked, whole.preprocess, whole.findings)
    validation = store.select(split="validation", ndim=3)
    notes: list[str] = []
    learnt = modelless_scores(store, store.select(split="test", ndim=3), (4, 2, 2), options, notes)
    np.testing.assert_allclose(learnt["prior"], prior_scores(store, validation, 4, SIZES["test"], FINDINGS))
    assert "from the validation split" in " ".join(notes)
    part = modelless_scores(store, validation[:5], (4, 2, 2), options, [])
    np.testing.assert_allclose(part["prior"], prior_scores(store, validation[5:], 4, 5, FINDINGS))
    notes = []
    assert "prior" not in modelless_scores(store, validation, (4, 2, 2), options, notes)
    assert "no validation volume that is not tested" in " ".join(notes)


def slabs_and_lesions(slabs: int = 5, each: int = 3) -> st.SearchStrategy[tuple[ndarray, ndarray]]:
    """Scores (with ties) of four volumes and the planes of their lesions, one plane at least."""
    planes = arrays(bool, (4, slabs * each)).filter(lambda marked: bool(marked.any(axis=1).all()))
    return st.tuples(arrays(np.float64, (4, slabs), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])), planes)


@given(slabs_and_lesions())
def test_average_precision_equals_scikit_learn(drawn: tuple[ndarray, ndarray]) -> None:
    scores, planes = drawn
    lesion = LesionExtent(planes, {}).slabs(5)
    for row, value in enumerate(within_volume_ap(scores, lesion)):
        expected = np.nan if lesion[row].all() else average_precision_score(lesion[row], scores[row])
        assert value == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert np.isnan(within_volume_ap(scores, np.zeros_like(lesion))).all()


@given(slabs_and_lesions(), st.integers(1, 5))
def test_what_holds_for_every_choice(drawn: tuple[ndarray, ndarray], k: int) -> None:
    scores, planes = drawn
    extent = LesionExtent(planes, {})
    lesions, oracle = lesions_of(extent), oracle_scores(extent, 5)
    chosen = choices({"attentive": scores, "oracle": oracle}, k)
    chosen["random"] = chosen["random"][:3]
    found = outcomes(chosen, extent, lesions, 5)
    for name, values in found.items():
        assert (found["oracle"]["hit"] >= values["hit"] - 1e-12).all(), name
        assert (found["oracle"]["precision"] >= values["precision"] - 1e-12).all(), name
        assert (values["precision"] <= values["hit"] + 1e-12).all(), name
        assert (values["hit"] <= values["slab_hit"] + 1e-12).all(), name
        assert ((values["depth_error_mm"] == 0) == (values["coverage"] == 1)).all(), name
        assert (values["centre_error_mm"] >= values["depth_error_mm"] - 1e-12).all(), name
        if k == 5:
            np.testing.assert_allclose(values["hit"], oracle.max(axis=1), err_msg=name)


@given(slabs_and_lesions(), st.integers(1, 5))
def test_coverage_and_distances_by_loops(drawn: tuple[ndarray, ndarray], k: int) -> None:
    scores, planes = drawn
    lesions = lesions_of(LesionExtent(planes, {}), plane_mm=2.5)
    chosen = 3 * slabs_by_score(scores, k) + 1
    covered, nearest, centre = (measure(chosen, lesions) for measure in (coverage, depth_error, centre_error))
    for i, (volume, first, last) in enumerate(zip(lesions.volume, lesions.first, lesions.last, strict=True)):
        inside = range(first, last + 1)
        assert covered[i] == any(plane in inside for plane in chosen[volume])
        assert nearest[i] == min(abs(plane - z) * 2.5 for plane in chosen[volume] for z in inside)
        assert centre[i] == min(abs(plane - np.mean(inside)) * 2.5 for plane in chosen[volume])


def test_distances_of_two_lesions_by_hand() -> None:
    extent = one_lesion(16, (1, 4))
    extent.planes[0, 12:14] = True
    lesions, chosen = lesions_of(extent, plane_mm=3.0), np.array([[1]])  # slabs of 4; the middle of slab 1 is plane 6
    values = outcomes({"attentive": [chosen]}, extent, lesions, 4)["attentive"]
    assert values["coverage"].tolist() == [0, 0]
    assert values["depth_error_mm"].tolist() == [9.0, 18.0]  # from plane 3, from plane 12
    assert values["centre_error_mm"].tolist() == [12.0, 19.5]
    assert lesions.extent_mm.tolist() == [9.0, 6.0]


def test_single_lesions_of_a_store(tmp_path: Path) -> None:
    store = write_hospital(tmp_path)
    test = store.select(split="test", ndim=3)
    lesions = connected_lesions(store, test, ("nodule", "cardiomegaly", "unheard_of"))
    found = sorted(zip(lesions.volume, lesions.finding, lesions.first, lesions.last, lesions.plane_mm, strict=True))
    expected = []
    for row, index in enumerate(test):
        mask = store.mask(index)
        assert mask is not None
        for name in ("nodule", "cardiomegaly"):
            pieces, count = ndimage.label((mask >> FINDINGS.index(name)) & 1, np.ones((3, 3, 3)))
            for piece in range(1, count + 1):
                planes = np.flatnonzero((pieces == piece).any(axis=(1, 2)))
                expected.append((row, name, planes[0], planes[-1], 1.0))
    assert found == sorted(expected)
    extent = lesion_extent(store, test, ("nodule", "cardiomegaly"))
    everything = np.ones(len(lesions), dtype=bool)
    assert (lesions.planes(everything, len(test), 16) == extent.planes).all()
    assert set(lesions.by_size(len(test), 16)) == {"under_10mm"}  # 4 planes of 1 mm
    assert len(connected_lesions(store, test, ("unheard_of",))) == 0


def test_an_unknown_spacing_leaves_no_distance_and_all_else() -> None:
    extent = one_lesion(16, (4, 7), (4, 6))
    lesions, bootstrap = lesions_of(extent, plane_mm=np.nan), PatientBootstrap(["a", "b"], 50, 0)
    figures = slice_figures({"attentive": np.eye(4)[[1, 2]]}, extent, lesions, bootstrap)
    assert np.isnan(figures["slice_selection/attentive/depth_error_mm@1"].value)
    assert figures["slice_selection/attentive/coverage@1"].value == 0.5
    assert lesions.by_size(2, 16) == {}


def test_a_group_counts_its_own_lesions_only() -> None:
    extent = one_lesion(16, (4, 7), (4, 7), (12, 16))
    groups = {"low": extent.planes & (np.arange(16) < 8), "none": np.zeros_like(extent.planes)}
    bootstrap = PatientBootstrap(["a", "b", "c"], 50, 0)
    figures = group_figures({"attentive": [np.array([[1], [3], [3]])]}, groups, 4, 1, bootstrap)
    figure = figures["slice_selection/attentive/hit@1/low"]
    assert (figure.value, figure.n) == (0.5, 2)
    assert len(figures) == 2  # and the oracle's


@given(arrays(bool, (4, 15)), arrays(bool, (4, 15)), st.integers(1, 5))
def test_no_choice_beats_the_oracle_in_any_group(one: ndarray, other: ndarray, k: int) -> None:
    bootstrap = PatientBootstrap(["a", "b", "c", "d"], 10, 0)
    every = {str(slabs): [np.array([slabs] * 4)] for slabs in combinations(range(5), k)}
    figures = group_figures(every, {"one": one, "other": other}, 5, k, bootstrap)
    for group, planes in (("one", one), ("other", other)):
        there = planes.any(axis=1)
        if not there.any():
            continue
        oracle = figures[f"slice_selection/oracle/hit@{k}/{group}"].value
        for name in every:
            assert figures[f"slice_selection/{name}/hit@{k}/{group}"].value <= oracle
        assert oracle == planes[there][:, [1, 4, 7, 10, 13]].any(axis=1).mean()  # some slab's middle shows it, or none


def test_the_oracle_has_only_figures_that_it_is_the_ceiling_of() -> None:
    extent = one_lesion(16, (4, 7))
    extent.planes[0, 9:14] = True
    bootstrap, scores = PatientBootstrap(["a"], 10, 0), np.array([[0.0, 0, 1, 2]])
    figures = slice_figures({"attentive": scores}, extent, lesions_of(extent), bootstrap)
    shown = {key.split("/")[2].split("@")[0] for key in figures if key.startswith("slice_selection/oracle/")}
    assert shown == {"hit"}
    assert "slice_selection/attentive/minus_oracle/hit@1" in figures


def test_chance_is_one_time_chance() -> None:
    bootstrap = PatientBootstrap([str(i) for i in range(6)], 50, 0)
    hit = np.array([0.5, 0, 1, 0.25, 0, 1])
    figure = times_chance(hit, hit, bootstrap)
    assert (figure.value, figure.low, figure.high) == (1, 1, 1)
    assert np.isnan(times_chance(hit, np.zeros(6), bootstrap).value)


def test_ap_by_chance_is_that_of_random_orders() -> None:
    lesion = np.array([[True, False, False, False]])
    expected = np.mean([1, 1 / 2, 1 / 3, 1 / 4])
    assert chance_ap(lesion, PatientBootstrap(["a"], 10, 0)).value == pytest.approx(expected, abs=0.06)


def test_planes_have_their_slabs_score() -> None:
    assert plane_scores(np.array([[1.0, 2.0, 3.0]]), 6).tolist() == [[1, 1, 2, 2, 3, 3]]
    uneven = plane_scores(np.array([[1.0, 2.0, 3.0]]), 10)[0]
    for slab in range(3):  # the same borders as the slabs of the lesions
        marked = LesionExtent((uneven == slab + 1)[None], {}).slabs(3)
        assert marked.tolist() == [[number == slab for number in range(3)]]


def test_differences_of_scores_are_paired() -> None:
    scored = {"attentive": np.array([[0.0, 1], [1, 0]]), "other": np.array([[1.0, 0], [1, 0]])}
    lesion = np.array([[False, True], [True, False]])
    figures = score_figures(scored, lesion, PatientBootstrap(["a", "b"], 50, 0))
    assert figures["slice_selection/attentive/minus_other/auroc"].value == 0.5
    assert figures["slice_selection/other/auroc"].value == 0.5
