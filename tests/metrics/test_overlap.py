"""Dice and HD95 against slow obvious formulas, with empty masks; the row that finds nothing stands where it must."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_dice
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.overlap import (
    Overlap,
    class_mean,
    gain,
    mean_overlap,
    overlap_measurements,
    study_overlap,
    trivial,
)


def dice_of(ours: np.ndarray, true: np.ndarray) -> float:
    pixels = ours.sum() + true.sum()
    return 1.0 if pixels == 0 else 2 * (ours & true).sum() / pixels


def hd95_of(ours: np.ndarray, true: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Every border pixel to every border pixel of the other, in mm; the 95th percentile each way, the larger."""
    borders = [np.argwhere(mask & ~binary_erosion(mask)) * np.array(spacing) for mask in (ours, true)]
    between = cdist(*borders)
    return float(max(np.percentile(between.min(axis=1), 95), np.percentile(between.min(axis=0), 95)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(9, 7), (5, 6, 7)]), st.floats(0.02, 0.7))
def test_dice_and_distance_by_hand(seed: int, shape: tuple[int, ...], share: float) -> None:
    draws = np.random.default_rng(seed)
    ours, true = (draws.random((3, *shape)) < share for _ in range(2))
    ours[0], true[1] = False, False
    spacing = tuple(draws.uniform(0.5, 5, len(shape)).tolist())
    dice, distance = study_overlap(ours, true, spacing)
    exact = [torch.from_numpy(masks)[None].double() for masks in (ours, true)]
    np.testing.assert_allclose(dice, compute_dice(*exact, ignore_empty=False)[0], rtol=0, atol=1e-9)
    for n in range(3):
        assert dice[n] == pytest.approx(dice_of(ours[n], true[n]), abs=1e-9)
        if ours[n].any() and true[n].any():
            assert distance[n] == pytest.approx(hd95_of(ours[n], true[n], spacing), rel=1e-5)
        else:
            assert math.isnan(distance[n])


def test_two_empty_masks_agree_and_unknown_spacing_has_no_distance() -> None:
    empty, full = np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), bool)
    assert study_overlap(empty, empty, (1.0, 1.0))[0] == [1]
    assert study_overlap(full, empty, (1.0, 1.0))[0] == [0]
    dice, distance = study_overlap(full, full, ())
    assert dice == [1]
    assert np.isnan(distance).all()


def world(seed: int, studies: int = 30) -> Overlap:
    draws = np.random.default_rng(seed)
    present = np.random.default_rng(0).random((studies, 2)) < (0.2, 0.6)
    found = (draws.random((studies, 2)) < 0.7) * 1.0
    dice = np.where(present | (found > 0), draws.random((studies, 2)), 1.0)
    return Overlap(("nodule", "effusion"), present, found, dice, np.where(present & (found > 0), 9.0 * dice, np.nan))


def test_figures_by_hand() -> None:
    one = world(1)
    bootstrap = PatientBootstrap([str(i // 2) for i in range(30)], 200)
    figures = overlap_measurements(one, bootstrap)
    per_class = [one.dice[one.present[:, n], n].mean() for n in range(2)]
    for n, name in enumerate(one.classes):
        assert figures[f"dice_positive/{name}"].value == pytest.approx(per_class[n], abs=1e-12)
        assert figures[f"dice_positive/{name}"].n == one.present[:, n].sum()
        assert figures[f"dice_all/{name}"].value == pytest.approx(one.dice[:, n].mean(), abs=1e-12)
    macro = figures["dice_positive"]
    assert macro.value == pytest.approx(np.mean(per_class), abs=1e-12)
    assert macro.low < macro.value < macro.high
    assert macro.resampled is not None  # what a paired difference to another run is made of
    assert figures["hd95_mm"].value > 0
    assert 0 < figures["found"].value < 1


def test_the_predictor_that_marks_nothing_scores_the_healthy_share() -> None:
    present = world(1).present
    bootstrap = PatientBootstrap([str(i) for i in range(30)], 50)
    labels = present.astype(float)
    figures = overlap_measurements(trivial(labels, ("nodule", "effusion")), bootstrap)
    assert figures["dice_all/nodule"].value == pytest.approx(1 - present[:, 0].mean())
    assert figures["dice_positive/nodule"].value == 0
    assert "hd95_mm" not in figures
    labels[:10, 0] = np.nan  # not known: neither healthy nor ill
    some = overlap_measurements(trivial(labels, ("nodule", "effusion")), bootstrap)["dice_all/nodule"]
    assert (some.n, some.value) == (20, pytest.approx(1 - present[10:, 0].mean()))


def test_seeds_are_averaged_study_by_study() -> None:
    runs = [world(seed) for seed in (1, 2, 3)]
    mean = mean_overlap(runs)
    for place in np.ndindex(30, 2):
        known = [run.hd95[place] for run in runs if not np.isnan(run.hd95[place])]
        assert mean.dice[place] == pytest.approx(np.mean([run.dice[place] for run in runs]), abs=1e-9)
        assert mean.found[place] == pytest.approx(np.mean([run.found[place] for run in runs]), abs=1e-9)
        expected = np.mean(known) if known else math.nan
        assert mean.hd95[place] == pytest.approx(expected, abs=1e-9, nan_ok=True)
    bootstrap = PatientBootstrap([str(i) for i in range(30)], 50)
    same = gain(runs[0], runs[0], bootstrap)
    assert (same.value, same.low, same.high) == (0, 0, 0)


@given(st.integers(0, 1000))
def test_a_gain_on_every_resample_is_that_of_repeated_studies(seed: int) -> None:
    ours, other = world(seed, 8), world(seed + 1, 8)
    bootstrap = PatientBootstrap([str(i // 2) for i in range(8)], 6, seed)
    figure = gain(ours, other, bootstrap)
    assert figure.resampled is not None
    for weights, value in zip([np.ones(8), *bootstrap.weights], [figure.value, *figure.resampled], strict=True):
        per_class = []
        for number in range(2):
            rows = [i for i in range(8) if ours.present[i, number] for _ in range(int(weights[i]))]
            if rows:
                per_class.append(np.mean([ours.dice[i, number] - other.dice[i, number] for i in rows]))
        assert value == pytest.approx(np.mean(per_class) if per_class else math.nan, abs=1e-9, nan_ok=True)


def test_a_class_that_a_resample_lacks_is_left_out_of_it() -> None:
    columns = np.full((5, 2), 0.5)
    columns[1:, 0] = np.nan
    bootstrap = PatientBootstrap([str(i) for i in range(5)], 100)
    figure = class_mean(columns, bootstrap)
    assert (figure.value, figure.low, figure.high, figure.n) == (0.5, 0.5, 0.5, 5)
    assert math.isnan(class_mean(columns * np.nan, bootstrap).value)
