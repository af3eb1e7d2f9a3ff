"""What chosen planes are worth (lesions covered, distance in millimetres), and what the scores within a volume are."""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.transfer.slices.lesions import Lesions


def precision(chosen: Int[ndarray, "volumes k"], planes: Bool[ndarray, "volumes depth"]) -> Float[ndarray, "volumes"]:
    """Share of a volume's chosen planes that show a lesion."""
    return np.asarray(np.take_along_axis(planes, chosen, axis=1).mean(axis=1))


def coverage(chosen: Int[ndarray, "volumes k"], lesions: Lesions) -> Float[ndarray, "lesions"]:
    """1 for each lesion that any chosen plane of its volume passes through, else 0."""
    return np.asarray(_gaps(chosen, lesions).min(axis=1) == 0, dtype=np.float64)


def depth_error(chosen: Int[ndarray, "volumes k"], lesions: Lesions) -> Float[ndarray, "lesions"]:
    """mm from each lesion's nearest plane to the nearest chosen plane of its volume, centre to centre; 0 inside."""
    return np.asarray(_gaps(chosen, lesions).min(axis=1) * lesions.plane_mm)


def centre_error(chosen: Int[ndarray, "volumes k"], lesions: Lesions) -> Float[ndarray, "lesions"]:
    """mm along the depth axis from the middle of each lesion's extent to the nearest chosen plane of its volume."""
    middle = (lesions.first + lesions.last) / 2
    planes = np.abs(chosen[lesions.volume] - middle[:, None])
    return np.asarray(planes.min(axis=1) * lesions.plane_mm)


def within_volume_auroc(
    scores: Float[ndarray, "volumes slabs"], lesion: Bool[ndarray, "volumes slabs"]
) -> Float[ndarray, "volumes"]:
    """Chance that a slab with the lesion outscores one without, inside each volume; NaN where all slabs are alike."""
    higher = scores[:, :, None] - scores[:, None, :]
    wins = (higher > 0) + 0.5 * (higher == 0)
    pairs = lesion[:, :, None] & ~lesion[:, None, :]
    count = pairs.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, (wins * pairs).sum(axis=(1, 2)) / np.maximum(count, 1), np.nan)


def within_volume_ap(
    scores: Float[ndarray, "volumes slabs"], lesion: Bool[ndarray, "volumes slabs"]
) -> Float[ndarray, "volumes"]:
    """Average precision of the slabs with a lesion inside each volume; NaN where none has one, or all have.

    The mean, over the slabs with a lesion, of the share with a lesion among all that score at least as high: equal to
    ``sklearn.metrics.average_precision_score``, ties included, for all volumes at once.
    """
    at_least = scores[:, None, :] >= scores[:, :, None]
    found = (at_least & lesion[:, None, :]).sum(axis=2) / at_least.sum(axis=2)
    count = lesion.sum(axis=1)
    defined = (count > 0) & (count < lesion.shape[1])
    return np.where(defined, (found * lesion).sum(axis=1) / np.maximum(count, 1), np.nan)


def _gaps(chosen: Int[ndarray, "volumes k"], lesions: Lesions) -> Int[ndarray, "lesions k"]:
    """Planes between each chosen plane and the lesion's extent; 0 inside it, 1 beside it."""
    planes = chosen[lesions.volume]
    return np.asarray(np.maximum(np.maximum(lesions.first[:, None] - planes, planes - lesions.last[:, None]), 0))
