"""How masks are measured, study by study: Dice, and the 95th percentile of the Hausdorff distance by MONAI.

Dice of an empty mask predicted empty is 1, so over all studies a predictor that never finds anything scores the share
of healthy studies. So that is measured too (:func:`trivial`), and Dice is also given over the positives alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, average_estimates, mean_estimate
from unimedi.metrics.checks import known_and_positive
from unimedi.metrics.measurement import Measurements, with_findings

PERCENTILE = 95


@dataclass(frozen=True)
class Overlap:
    """A row a study, a column a class. ``dice`` is NaN where the true mask is not known; ``hd95``, in mm, also where a
    mask is empty or the spacing is not known."""

    classes: tuple[str, ...]
    present: Bool[ndarray, "studies classes"]  # the true mask has a pixel
    found: Float[ndarray, "studies classes"]  # the predicted mask has one; a share over seeds
    dice: Float[ndarray, "studies classes"]
    hd95: Float[ndarray, "studies classes"]


def study_overlap(
    predicted: Bool[ndarray, "classes *size"], true: Bool[ndarray, "classes *size"], spacing: Sequence[float]
) -> tuple[Float[ndarray, "classes"], Float[ndarray, "classes"]]:
    """(Dice, HD95 in mm) of every class of one study; ``spacing`` in mm an axis, empty where it is not known."""
    from monai.metrics import compute_hausdorff_distance

    ours, truth = (torch.from_numpy(masks)[None] for masks in (predicted, true))
    axes = tuple(range(1, true.ndim))
    both, pixels = (predicted & true).sum(axis=axes), predicted.sum(axis=axes) + true.sum(axis=axes)
    dice = np.where(pixels > 0, 2 * both / np.maximum(pixels, 1), 1.0)  # of whole numbers; MONAI: single precision
    distance = np.full(len(true), np.nan)
    if len(spacing) == true.ndim - 1:
        for number in np.flatnonzero(predicted.any(axis=axes) & true.any(axis=axes)):
            one = slice(number, number + 1)
            distance[number] = compute_hausdorff_distance(
                ours[:, one], truth[:, one], include_background=True, percentile=PERCENTILE, spacing=list(spacing)
            ).item()
    return dice, distance


def mean_overlap(runs: Sequence[Overlap]) -> Overlap:
    """The mean over seeds of one experiment, study by study."""
    distances = np.stack([run.hd95 for run in runs])
    known = (~np.isnan(distances)).sum(axis=0)
    total = np.nansum(distances, axis=0)
    return Overlap(
        runs[0].classes,
        runs[0].present,
        np.mean([run.found for run in runs], axis=0),
        np.mean([run.dice for run in runs], axis=0),
        np.where(known > 0, total / np.maximum(known, 1), np.nan),
    )


def class_mean(columns: Float[ndarray, "studies classes"], bootstrap: PatientBootstrap) -> Estimate:
    """The unweighted mean over classes of the mean over studies; NaN entries and columns do not count."""
    each = [mean_estimate(column, bootstrap) for column in columns.T if not np.isnan(column).all()]
    return average_estimates(each, n=int((~np.isnan(columns)).any(axis=1).sum()))


def overlap_measurements(result: Overlap, bootstrap: PatientBootstrap) -> Measurements:
    """``dice_positive``, ``dice_all``, ``found`` and ``hd95_mm`` (mm): the mean over classes, and each class.

    ``found`` is the share of positives of which anything at all was marked; ``hd95_mm`` counts those only. What no
    study has a value of is left out.
    """
    positive = np.where(result.present, 1.0, np.nan)
    columns = {
        "dice_positive": result.dice * positive,
        "dice_all": result.dice,
        "found": result.found * positive,
        "hd95_mm": result.hd95 * positive,
    }
    found = Measurements()
    for metric, values in columns.items():
        if not np.isnan(values).all():
            known = [number for number in range(len(result.classes)) if not np.isnan(values[:, number]).all()]
            by_class = {result.classes[number]: mean_estimate(values[:, number], bootstrap) for number in known}
            found |= with_findings(metric, class_mean(values, bootstrap), by_class)
    return found


def trivial(labels: Float[ndarray, "studies classes"], classes: tuple[str, ...]) -> Overlap:
    """The predictor that marks nothing: Dice 1 where the class is absent (label 0), 0 where it is present, else NaN."""
    for number, name in enumerate(classes):
        known_and_positive(labels[:, number], name)
    nothing = np.zeros(labels.shape)
    return Overlap(classes, labels == 1, nothing, 1 - labels, nothing * np.nan)


def gain(ours: Overlap, other: Overlap, bootstrap: PatientBootstrap) -> Estimate:
    """Dice on the positives, ours minus the other's, on the same resamples."""
    return class_mean((ours.dice - other.dice) * np.where(ours.present, 1.0, np.nan), bootstrap)
