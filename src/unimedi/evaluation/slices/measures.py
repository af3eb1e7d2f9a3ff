"""What looking at a slab is worth (a lesion shown, millimetres to it), and what the scores within a volume are."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.evaluation.slices.choices import middle_planes, touched_slabs
from unimedi.evaluation.slices.lesions import Lesions
from unimedi.metrics.checks import refuse_not_finite

OF_LESIONS = ("coverage", "depth_error_mm", "centre_error_mm")  # a row a lesion; of the others a row a volume

Worths = Mapping[str, Float[ndarray, "rows slabs"]]


def worths(lesions: Lesions, slab_count: int) -> Worths:
    """Measure → what a slab's middle plane alone would bring: a row a volume or, of ``OF_LESIONS``, a lesion.

    ``hit`` and ``precision``: 1 where the plane shows a lesion. ``slab_hit``: 1 where a lesion touches the slab at all
    (kinder: the slab is thicker). ``coverage``: 1 where the plane passes through the lesion. ``depth_error_mm``: from
    the plane to the lesion's nearest one, centre to centre, 0 inside. ``centre_error_mm``: to the middle of its extent.
    """
    centres, planes = middle_planes(slab_count, lesions.depth), lesions.planes()
    first, last, plane_mm = lesions.first[:, None], lesions.last[:, None], lesions.plane_mm[:, None]
    beside = np.maximum(np.maximum(first - centres, centres - last), 0)
    shown = planes[:, centres].astype(np.float64)
    return {
        "hit": shown,
        "slab_hit": touched_slabs(planes, slab_count).astype(np.float64),
        "precision": shown,
        "coverage": (beside == 0).astype(np.float64),
        "depth_error_mm": beside * plane_mm,
        "centre_error_mm": np.abs(centres - (first + last) / 2) * plane_mm,
    }


def within_volume_auroc(
    scores: Float[ndarray, "volumes slabs"], lesion: Bool[ndarray, "volumes slabs"]
) -> Float[ndarray, "volumes"]:
    """Chance that a slab with the lesion outscores one without, inside each volume; NaN where all slabs are alike.

    Raises ValueError on a score that is not finite.
    """
    refuse_not_finite(scores, "scores", "volume number {}".format)
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
    ``sklearn.metrics.average_precision_score``, ties included, for all volumes at once. Raises ValueError on a score
    that is not finite.
    """
    refuse_not_finite(scores, "scores", "volume number {}".format)
    at_least = scores[:, None, :] >= scores[:, :, None]
    found = (at_least & lesion[:, None, :]).sum(axis=2) / at_least.sum(axis=2)
    count = lesion.sum(axis=1)
    defined = (count > 0) & (count < lesion.shape[1])
    return np.where(defined, (found * lesion).sum(axis=1) / np.maximum(count, 1), np.nan)


def chance_ap(found: Int[ndarray, "volumes slabs"], thickness: int = 1) -> Float[ndarray, "volumes"]:
    """:func:`within_volume_ap` by chance: its mean over every order of the slabs. More than the share with a lesion.

    ``found`` are the planes with a lesion in each slab of ``thickness`` planes, which share their slab's score. A slab
    at rank r brings its m planes, at a precision of all those found down to r by r * thickness: so E[m (m + the r - 1
    before it)] / (r * thickness), summed over r and divided by the planes found. NaN as there.
    """
    slabs, total, squares = found.shape[1], found.sum(axis=1), np.square(found).sum(axis=1)
    of_two = (np.square(total) - squares) / max(slabs * (slabs - 1), 1)  # E[m m'] of two slabs
    harmonic = (1 / np.arange(1, slabs + 1)).sum()
    expected = (squares / slabs * harmonic + of_two * (slabs - harmonic)) / (thickness * np.maximum(total, 1))
    return np.where((total > 0) & (total < slabs * thickness), expected, np.nan)
