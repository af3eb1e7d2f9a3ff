"""Hits, coverage, distances in mm, blind selectors, AUROC and AP: by hand, by loops, by scikit-learn."""

from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy import ndarray
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.hospital import FINDINGS, SIZES, write_hospital
from unimedi.evaluation.slices.baselines import baseline_scores, intensity_scores, prior_scores
from unimedi.evaluation.slices.choices import choices, oracle_scores, plane_scores, slabs_by_score, touched_slabs
from unimedi.evaluation.slices.lesions import Lesions, affected_volumes, connected_lesions
from unimedi.evaluation.slices.measurements import (
    enrichment,
    group_measurements,
    score_measurements,
    slice_measurements,
)
from unimedi.evaluation.slices.measures import (
    PER_LESION,
    aggregate,
    chance_ap,
    slab_values,
    values_of_choices,
    within_volume_ap,
    within_volume_auroc,
)
from unimedi.evaluation.slices.tasks import SPEC
from unimedi.inputs.store_writer import Record, write_store
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurements


def one_lesion(depth: int, *lesions: tuple[int, int]) -> ndarray:
    planes = np.zeros((len(lesions), depth), dtype=bool)
    for row, (start, stop) in enumerate(lesions):
        planes[row, start:stop] = True
    return planes


def lesions_of(marked: ndarray, plane_mm: float = 2.0) -> Lesions:
    """Every run of marked planes as a lesion."""
    rows = []
    for volume, planes in enumerate(marked):
        starts = [z for z in range(len(planes)) if planes[z] and (z == 0 or not planes[z - 1])]
        stops = [z for z in range(len(planes)) if planes[z] and (z + 1 == len(planes) or not planes[z + 1])]
        rows += [(volume, first, last) for first, last in zip(starts, stops, strict=True)]
    volume, first, last = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Lesions(*marked.shape, volume, ("nodule",) * len(rows), first, last, np.full(len(rows), plane_mm))


def test_a_plane_hits_only_where_the_middle_of_the_slab_shows_the_lesion() -> None:
    planes = one_lesion(16, (4, 7), (4, 6))  # slabs of 4 planes; the middle of slab 1 is plane 6
    found = values_of_choices({"one": np.array([[1], [1]])}, slab_values(lesions_of(planes), 4), lesions_of(planes), 1)[
        "one"
    ]
    assert found["hit"].tolist() == [1, 0]
    assert found["slab_hit"].tolist() == [1, 1]
    assert touched_slabs(planes, 4).tolist() == [[False, True, False, False]] * 2


def test_slabs_of_an_uneven_depth_cover_every_plane() -> None:
    planes = one_lesion(10, *((z, z + 1) for z in range(10)))
    assert (touched_slabs(planes, 3).sum(axis=1) == 1).all()


@given(st.integers(0, 10_000))
def test_within_volume_auroc_equals_scikit_learn(seed: int) -> None:
    draws = np.random.default_rng(seed)
    scores = draws.integers(0, 4, (9, 6)).astype(np.float64)  # few values: many ties
    lesion = draws.random((9, 6)) < 0.4
    lesion[0], lesion[1] = True, False
    for row, value in enumerate(within_volume_auroc(scores, lesion)):
        expected = roc_auc_score(lesion[row], scores[row]) if 0 < lesion[row].sum() < 6 else np.nan
        assert value == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_perfect_scores_hit_always_and_stand_above_the_rest() -> None:
    lesions = [(2 * i % 14, 2 * i % 14 + 3) for i in range(30)]
    planes = one_lesion(16, *lesions)
    perfect = touched_slabs(planes, 8).astype(np.float64)
    bootstrap = PatientBootstrap([str(i) for i in range(30)], 200, 0)
    figures = slice_measurements({"attentive": perfect, "untrained": -perfect}, lesions_of(planes), bootstrap, SPEC)
    assert figures["slice_selection/attentive/slab_hit@1"].value == 1
    assert figures["slice_selection/oracle/hit@1"].value == 1
    assert figures["slice_selection/attentive/auroc"].value == 1
    assert figures["slice_selection/untrained/auroc"].value == 0
    assert figures["slice_selection/attentive/minus_random/hit@1"].low > 0
    ratio = figures["slice_selection/attentive/hit@1"].value / figures["slice_selection/random/hit@1"].value
    assert figures["slice_selection/attentive/enrichment@1"].value == pytest.approx(ratio)
    assert figures["slice_selection/attentive/ap"].value == 1
    chance = chance_ap(touched_slabs(planes, 8).astype(int))
    assert figures["slice_selection/random/ap"].value == pytest.approx(chance.mean())
    assert figures["slice_selection/attentive/minus_random/ap"].value == pytest.approx(1 - chance.mean())


def test_best_slab_comes_from_the_models_rule() -> None:
    scores = np.array([[0.1, 0.9, 0.3, 0.8]])
    assert slabs_by_score(scores, 1).tolist() == [[1]]
    assert slabs_by_score(scores, 2).tolist() == [[1, 3]]


def test_extents_priors_and_outliers_of_a_store(tmp_path: Path) -> None:
    store = write_hospital(tmp_path)
    test = store.select(split="test", image_kind="ct")
    lesions = connected_lesions(store, test, ("nodule", "cardiomegaly", "unheard_of"))
    groups = lesions.groups()
    assert {"nodule", "cardiomegaly"} < set(groups)
    either = [FINDINGS.index(name) for name in ("nodule", "cardiomegaly")]
    for row, index in enumerate(test):
        mask = store.mask(index)
        assert mask is not None
        slow = {bit: [bool(((mask[z] >> bit) & 1).any()) for z in range(16)] for bit in either}
        assert [groups[FINDINGS[bit]][row].tolist() for bit in either] == list(slow.values())
        assert lesions.planes()[row].tolist() == [any(both) for both in zip(*slow.values(), strict=True)]
    rows, kept = affected_volumes(lesions, ("nodule", "cardiomegaly"))
    assert rows == np.flatnonzero(lesions.planes().any(axis=1)).tolist()
    assert (kept.planes() == lesions.planes()[rows]).all()
    train = store.select(split="train", image_kind="ct")
    prior = prior_scores(store, train, 4, 3, FINDINGS)
    there = connected_lesions(store, train, FINDINGS).planes()
    expected = touched_slabs(there, 4)[there.any(axis=1)].mean(axis=0)
    np.testing.assert_allclose(prior, np.tile(expected, (3, 1)))
    with pytest.raises(NotComputable, match="no volume to learn from"):
        prior_scores(store, store.select(image_kind="xray"), 4, 3, FINDINGS)
    # In this hospital a lesion is the only bright thing: the score without a network finds it.
    scores = intensity_scores(store, train, test, (4, 2, 2))
    whole = connected_lesions(store, test, FINDINGS).planes()
    rows = np.flatnonzero(whole.any(axis=1)).tolist()
    found = aggregate(touched_slabs(whole[rows], 4).astype(np.float64), slabs_by_score(scores[rows], 1))
    assert found.mean() > 0.9


def test_the_prior_is_not_learnt_on_what_is_tested(tmp_path: Path) -> None:
    whole = write_hospital(tmp_path / "whole")
    unmasked = [
        Record(replace(study, has_mask=False), whole.pixels(i), None)
        if study.split == "train"
        else Record(study, whole.pixels(i), whole.mask(i))
        for i, study in enumerate(whole.studies)
    ]
    store = write_store(tmp_path / "store", unmasked, whole.preprocess, whole.findings)
    validation = store.select(split="validation", image_kind="ct")
    learnt, notes = baseline_scores(store, store.select(split="test", image_kind="ct"), (4, 2, 2), FINDINGS, seed=0)
    np.testing.assert_allclose(learnt["prior"], prior_scores(store, validation, 4, SIZES["test"], FINDINGS))
    assert "from the validation split" in " ".join(notes)
    part, _ = baseline_scores(store, validation[:5], (4, 2, 2), FINDINGS, seed=0)
    np.testing.assert_allclose(part["prior"], prior_scores(store, validation[5:], 4, 5, FINDINGS))
    without, notes = baseline_scores(store, validation, (4, 2, 2), FINDINGS, seed=0)
    assert "prior" not in without
    assert "no validation volume that is not tested" in " ".join(notes)


def slabs_and_lesions(slabs: int = 5, each: int = 3) -> st.SearchStrategy[tuple[ndarray, ndarray]]:
    """Scores (with ties) of four volumes and the planes of their lesions, one plane at least."""
    planes = arrays(bool, (4, slabs * each)).filter(lambda marked: bool(marked.any(axis=1).all()))
    return st.tuples(arrays(np.float64, (4, slabs), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])), planes)


@given(slabs_and_lesions())
def test_average_precision_equals_scikit_learn(drawn: tuple[ndarray, ndarray]) -> None:
    scores, planes = drawn
    lesion = touched_slabs(planes, 5)
    for row, value in enumerate(within_volume_ap(scores, lesion)):
        expected = np.nan if lesion[row].all() else average_precision_score(lesion[row], scores[row])
        assert value == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert np.isnan(within_volume_ap(scores, np.zeros_like(lesion))).all()


@given(slabs_and_lesions())
def test_ap_by_chance_is_the_mean_over_all_orders(drawn: tuple[ndarray, ndarray]) -> None:
    planes = drawn[1]
    orders = [np.array([order] * 4, dtype=np.float64) for order in permutations(range(5))]
    slabs = touched_slabs(planes, 5)
    slow = np.mean([within_volume_ap(order, slabs) for order in orders], axis=0)
    np.testing.assert_allclose(chance_ap(slabs.astype(int)), slow)
    slow = np.mean([within_volume_ap(plane_scores(order, 15), planes) for order in orders], axis=0)
    np.testing.assert_allclose(chance_ap(planes.reshape(4, 5, 3).sum(axis=2), thickness=3), slow)


@given(slabs_and_lesions(), st.integers(1, 5))
def test_random_is_the_mean_over_all_choices(drawn: tuple[ndarray, ndarray], k: int) -> None:
    lesions = lesions_of(drawn[1])
    every = {str(slabs): np.array([slabs] * 4) for slabs in combinations(range(5), k)}
    found = values_of_choices(every, slab_values(lesions, 5), lesions, k)
    for measure, value in found["random"].items():
        slow = np.mean([found[name][measure] for name in every], axis=0)
        np.testing.assert_allclose(value, slow, atol=1e-12, err_msg=measure)


@given(slabs_and_lesions(), st.integers(1, 5))
def test_what_holds_for_every_choice(drawn: tuple[ndarray, ndarray], k: int) -> None:
    scores, planes = drawn
    lesions, oracle = lesions_of(planes), oracle_scores(planes, 5)
    chosen = choices({"attentive": scores, "oracle": oracle}, k)
    found = values_of_choices(chosen, slab_values(lesions, 5), lesions, k)
    assert set(found) == {"random", "uniform", "centre", "attentive", "oracle"}
    for name, values in found.items():
        assert (found["oracle"]["hit"] >= values["hit"] - 1e-12).all(), name
        assert (found["oracle"]["precision"] >= values["precision"] - 1e-12).all(), name
        assert (values["precision"] <= values["hit"] + 1e-12).all(), name
        assert (values["hit"] <= values["slab_hit"] + 1e-12).all(), name
        assert (values["centre_error_mm"] >= values["depth_error_mm"] - 1e-12).all(), name
        if name != "random":
            assert ((values["depth_error_mm"] == 0) == (values["coverage"] == 1)).all(), name
        if k == 5:
            np.testing.assert_allclose(values["hit"], oracle.max(axis=1), err_msg=name)


@given(slabs_and_lesions(), st.integers(1, 5))
def test_coverage_and_distances_by_loops(drawn: tuple[ndarray, ndarray], k: int) -> None:
    scores, planes = drawn
    lesions, slabs = lesions_of(planes, plane_mm=2.5), slabs_by_score(scores, k)
    found = values_of_choices({"one": slabs}, slab_values(lesions, 5), lesions, k)["one"]
    covered, nearest, centre = (found[measure] for measure in PER_LESION)
    chosen = 3 * slabs + 1
    for row in range(4):
        shown = [bool(planes[row, plane]) for plane in chosen[row]]
        assert (found["hit"][row], found["precision"][row]) == (any(shown), pytest.approx(sum(shown) / k, abs=1e-9))
        assert found["slab_hit"][row] == any(planes[row, 3 * slab : 3 * slab + 3].any() for slab in slabs[row])
    for i, (volume, first, last) in enumerate(zip(lesions.volume, lesions.first, lesions.last, strict=True)):
        inside = range(first, last + 1)
        assert covered[i] == any(plane in inside for plane in chosen[volume])
        assert nearest[i] == min(abs(plane - z) * 2.5 for plane in chosen[volume] for z in inside)
        assert centre[i] == min(abs(plane - np.mean(inside)) * 2.5 for plane in chosen[volume])


def test_distances_of_two_lesions_by_hand() -> None:
    planes = one_lesion(16, (1, 4))
    planes[0, 12:14] = True
    lesions, chosen = lesions_of(planes, plane_mm=3.0), np.array([[1]])  # slabs of 4; the middle of slab 1 is plane 6
    values = values_of_choices({"attentive": chosen}, slab_values(lesions, 4), lesions, 1)["attentive"]
    assert values["coverage"].tolist() == [0, 0]
    assert values["depth_error_mm"].tolist() == [9.0, 18.0]  # from plane 3, from plane 12
    assert values["centre_error_mm"].tolist() == [12.0, 19.5]
    assert lesions.extent_mm.tolist() == [9.0, 6.0]
    both = values_of_choices({"one": np.array([[0, 1]])}, slab_values(lesions, 4), lesions, 2)["one"]  # planes 2 and 6
    assert (both["hit"].tolist(), both["precision"].tolist(), both["coverage"].tolist()) == ([1], [0.5], [1, 0])


def test_single_lesions_of_a_store(tmp_path: Path) -> None:
    store = write_hospital(tmp_path)
    test = store.select(split="test", image_kind="ct")
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
    assert set(lesions.groups()) == {"nodule", "cardiomegaly", "under_10mm"}  # 4 planes of 1 mm
    assert (lesions.groups()["under_10mm"] == lesions.planes()).all()
    nothing = connected_lesions(store, test, ("unheard_of",))
    assert (len(nothing), nothing.groups(), nothing.planes().any()) == (0, {}, False)
    with pytest.raises(NotComputable, match="no volume of this split has a mask of unheard_of"):
        affected_volumes(nothing, ("unheard_of",))


def test_what_touches_by_a_corner_is_one_lesion_and_what_lies_apart_is_another(tmp_path: Path) -> None:
    whole = write_hospital(tmp_path / "whole")
    index = whole.select(split="test", image_kind="ct")[0]
    mask = np.zeros(whole.preprocess.hires_shape, np.uint16)
    for z, y, x in ((2, 4, 4), (3, 5, 5), (4, 6, 6), (9, 20, 20), (10, 20, 20), (9, 4, 4)):
        mask[z, y, x] = 1 << FINDINGS.index("nodule")
    study = replace(whole.studies[index], has_mask=True)
    store = write_store(tmp_path / "store", [Record(study, whole.pixels(index), mask)], whole.preprocess, FINDINGS)
    lesions = connected_lesions(store, [0], ("nodule",))
    assert sorted(zip(lesions.first.tolist(), lesions.last.tolist(), strict=True)) == [(2, 4), (9, 9), (9, 10)]


def test_a_band_of_sizes_begins_with_its_lower_bound() -> None:
    """Lesions of 5, 10, 28 and 30 mm in a volume each: 2 mm a plane, the first and the last plane included."""
    lesions = lesions_of(one_lesion(16, (0, 2), (0, 5), (0, 14), (0, 15)), plane_mm=2.0)
    groups = {name: planes.any(axis=1).tolist() for name, planes in lesions.groups().items()}
    assert groups["under_10mm"] == [True, False, False, False]
    assert groups["10_to_30mm"] == [False, True, True, False]
    assert groups["from_30mm"] == [False, False, False, True]


def test_an_unknown_spacing_leaves_no_distance_and_all_else() -> None:
    lesions = lesions_of(one_lesion(16, (4, 7), (4, 6)), plane_mm=np.nan)
    bootstrap = PatientBootstrap(["a", "b"], 50, 0)
    figures = slice_measurements({"attentive": np.eye(4)[[1, 2]]}, lesions, bootstrap, SPEC)
    assert np.isnan(figures["slice_selection/attentive/depth_error_mm@1"].value)
    assert np.isnan(figures["slice_selection/random/depth_error_mm@1"].value)
    assert figures["slice_selection/attentive/coverage@1"].value == 0.5
    assert set(lesions.groups()) == {"nodule"}


def test_a_group_counts_its_own_lesions_only() -> None:
    planes = one_lesion(16, (4, 7), (4, 7), (12, 16))
    groups = {"low": planes & (np.arange(16) < 8), "none": np.zeros_like(planes)}
    bootstrap = PatientBootstrap(["a", "b", "c"], 50, 0)
    figures = Measurements(group_measurements({"attentive": np.array([[1], [3], [3]])}, groups, 4, 1, bootstrap))
    figure = figures["attentive/hit@1/low"]
    assert (figure.value, figure.n) == (0.5, 2)
    assert figures["random/hit@1/low"].value == pytest.approx(1 / 4)
    assert len(figures) == 3  # and the oracle's


@given(arrays(bool, (4, 15)), arrays(bool, (4, 15)), st.integers(1, 5))
def test_no_choice_beats_the_oracle_in_any_group(one: ndarray, other: ndarray, k: int) -> None:
    bootstrap = PatientBootstrap(["a", "b", "c", "d"], 10, 0)
    every = {str(slabs): np.array([slabs] * 4) for slabs in combinations(range(5), k)}
    figures = Measurements(group_measurements(every, {"one": one, "other": other}, 5, k, bootstrap))
    for group, planes in (("one", one), ("other", other)):
        there = planes.any(axis=1)
        if not there.any():
            continue
        oracle = figures[f"oracle/hit@{k}/{group}"].value
        for name in every:
            assert figures[f"{name}/hit@{k}/{group}"].value <= oracle
        assert oracle == planes[there][:, [1, 4, 7, 10, 13]].any(axis=1).mean()  # some slab's middle shows it, or none


def test_the_oracle_has_only_figures_that_it_is_the_ceiling_of() -> None:
    planes = one_lesion(16, (4, 7))
    planes[0, 9:14] = True
    bootstrap, scores = PatientBootstrap(["a"], 10, 0), np.array([[0.0, 0, 1, 2]])
    figures = slice_measurements({"attentive": scores}, lesions_of(planes), bootstrap, SPEC)
    shown = {key.split("/")[2].split("@")[0] for key in figures if key.startswith("slice_selection/oracle/")}
    assert shown == {"hit", "enrichment"}
    assert "slice_selection/attentive/minus_oracle/hit@1" in figures


def test_chance_is_one_time_chance() -> None:
    bootstrap = PatientBootstrap([str(i) for i in range(6)], 50, 0)
    hit = np.array([0.5, 0, 1, 0.25, 0, 1])
    figure = enrichment(hit, hit, bootstrap)
    assert (figure.value, figure.low, figure.high) == (1, 1, 1)
    assert np.isnan(enrichment(hit, np.zeros(6), bootstrap).value)


@given(st.integers(0, 1000))
def test_enrichment_and_its_interval_equal_a_loop(seed: int) -> None:
    draws = np.random.default_rng(seed)
    hit, chance = draws.integers(0, 2, 8) * 1.0, draws.integers(0, 3, 8) / 4
    bootstrap = PatientBootstrap([str(i // 2) for i in range(8)], 20, seed)
    figure = enrichment(hit, chance, bootstrap)
    rows = [np.repeat(np.arange(8), weights) for weights in [np.ones(8, int), *bootstrap.weights.astype(int)]]
    slow = [hit[row].mean() / chance[row].mean() if chance[row].any() else np.nan for row in rows]
    assert figure.value == pytest.approx(slow[0], abs=1e-9, nan_ok=True)
    known = [value for value in slow[1:] if not np.isnan(value)]
    expected = np.percentile(known, [2.5, 97.5]) if known else [np.nan] * 2
    assert [figure.low, figure.high] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_planes_have_their_slabs_score() -> None:
    assert plane_scores(np.array([[1.0, 2.0, 3.0]]), 6).tolist() == [[1, 1, 2, 2, 3, 3]]
    uneven = plane_scores(np.array([[1.0, 2.0, 3.0]]), 10)[0]
    for slab in range(3):  # the same borders as the slabs of the lesions
        marked = touched_slabs((uneven == slab + 1)[None], 3)
        assert marked.tolist() == [[number == slab for number in range(3)]]


def test_differences_of_scores_are_paired() -> None:
    scored = {"attentive": np.array([[0.0, 1], [1, 0]]), "other": np.array([[1.0, 0], [1, 0]])}
    lesion = np.array([[False, True], [True, False]])
    figures = Measurements(score_measurements(scored, lesion, PatientBootstrap(["a", "b"], 50, 0)))
    assert figures["attentive/minus_other/auroc"].value == 0.5
    assert figures["other/auroc"].value == 0.5
