"""Dice and HD95 against slow obvious formulas, with empty masks; the row that finds nothing stands where it must."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from unimedi.transfer.metrics import PatientBootstrap
from unimedi.transfer.segmentation.overlap import (
    Overlap,
    class_mean,
    gain,
    mean_overlap,
    overlap_figures,
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
    for n in range(3):
        assert dice[n] == pytest.approx(dice_of(ours[n], true[n]), abs=1e-6)  # MONAI counts in single precision
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
    figures = overlap_figures("s/xray", one, bootstrap)
    per_class = [one.dice[one.present[:, n], n].mean() for n in range(2)]
    for n, name in enumerate(one.classes):
        assert figures[f"s/xray/dice_positive/{name}"].value == pytest.approx(per_class[n], abs=1e-12)
        assert figures[f"s/xray/dice_positive/{name}"].n == one.present[:, n].sum()
        assert figures[f"s/xray/dice_all/{name}"].value == pytest.approx(one.dice[:, n].mean(), abs=1e-12)
    macro = figures["s/xray/dice_positive"]
    assert macro.value == pytest.approx(np.mean(per_class), abs=1e-12)
    assert macro.low < macro.value < macro.high
    assert macro.resampled is not None  # what a paired difference to another run is made of
    assert figures["s/xray/hd95_mm"].value > 0
    assert 0 < figures["s/xray/found"].value < 1


def test_the_predictor_that_marks_nothing_scores_the_healthy_share() -> None:
    present = world(1).present
    bootstrap = PatientBootstrap([str(i) for i in range(30)], 50)
    labels = present.astype(float)
    figures = overlap_figures("t", trivial(labels, ("nodule", "effusion")), bootstrap)
    assert figures["t/dice_all/nodule"].value == pytest.approx(1 - present[:, 0].mean())
    assert figures["t/dice_positive/nodule"].value == 0
    assert "t/hd95_mm" not in figures
    labels[:10, 0] = np.nan  # not known: neither healthy nor ill
    some = overlap_figures("t", trivial(labels, ("nodule", "effusion")), bootstrap)["t/dice_all/nodule"]
    assert (some.n, some.value) == (20, pytest.approx(1 - present[10:, 0].mean()))


def test_seeds_are_averaged_study_by_study() -> None:
    runs = [world(seed) for seed in (1, 2, 3)]
    mean = mean_overlap(runs)
    assert mean.dice[4, 1] == pytest.approx(np.mean([run.dice[4, 1] for run in runs]))
    known = [run.hd95 for run in runs]
    np.testing.assert_allclose(mean.hd95, np.nanmean(known, axis=0) if not np.isnan(known).all(0).any() else mean.hd95)
    bootstrap = PatientBootstrap([str(i) for i in range(30)], 50)
    same = gain(runs[0], runs[0], bootstrap)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_a_class_that_a_resample_lacks_is_left_out_of_it() -> None:
    columns = np.full((5, 2), 0.5)
    columns[1:, 0] = np.nan
    bootstrap = PatientBootstrap([str(i) for i in range(5)], 100)
    figure = class_mean(columns, bootstrap)
    assert (figure.value, figure.low, figure.high, figure.n) == (0.5, 0.5, 0.5, 5)
    assert math.isnan(class_mean(columns * np.nan, bootstrap).value)
