"""How well chosen slabs show lesions (hits, millimetres to them), and how well scores rank a volume's slabs.

Only volumes with at least one *focal* lesion count. A plane hits if the mask of a focal lesion touches it. Slab scores
of two volumes are never compared: AUROC and average precision are taken within each volume, then averaged.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.stats import hypergeom

from unimedi.evaluation.slices.choices import Choices, middle_planes, touched_slabs
from unimedi.evaluation.slices.lesions import Lesions
from unimedi.metrics.checks import refuse_not_finite

PER_LESION = ("coverage", "depth_error_mm", "centre_error_mm")  # a row a lesion; all others have a row a volume
ORACLE_IS_CEILING = ("hit", "precision")  # it takes planes that show a lesion; not more lesions, and no nearer planes

SlabValues = Mapping[str, Float[ndarray, "rows slabs"]]  # measure → what each slab alone would give


def slab_values(lesions: Lesions, slab_count: int) -> SlabValues:
    """Measure → what the middle plane of each slab alone would give: a row a volume, of ``PER_LESION`` a row a lesion.

    ``hit`` and ``precision``: 1 where the plane shows a lesion. ``slab_hit``: 1 where a lesion touches the slab at all
    (easier: the slab is thicker). ``coverage``: 1 where the plane passes through the lesion. ``depth_error_mm``: from
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


def values_of_choices(
    chosen: Choices, values: SlabValues, lesions: Lesions, k: int
) -> dict[str, dict[str, Float[ndarray, "rows"]]]:
    """Selector (``random`` first) → measure → one value a volume, or a lesion."""
    result = {"random": {measure: expected_at_random(each, k, measure) for measure, each in values.items()}}
    for name, slabs in chosen.items():
        rows = {measure: slabs[lesions.volume] if measure in PER_LESION else slabs for measure in values}
        result[name] = {measure: aggregate(each, rows[measure], measure) for measure, each in values.items()}
    return result


def aggregate(
    values: Float[ndarray, "rows slabs"], chosen: Int[ndarray, "rows k"], measure: str = "hit"
) -> Float[ndarray, "rows"]:
    """What the chosen slabs give together: their highest value, of distances (mm) the lowest, of precision the mean."""
    taken = np.take_along_axis(values, chosen, axis=1)
    if measure == "precision":
        return np.asarray(taken.mean(axis=1))
    return np.asarray(taken.min(axis=1) if measure.endswith("_mm") else taken.max(axis=1))


def expected_at_random(values: Float[ndarray, "rows slabs"], k: int, measure: str = "hit") -> Float[ndarray, "rows"]:
    """The expectation of :func:`aggregate` over all sets of k slabs, each as likely as any other."""
    if measure == "precision":
        return np.asarray(values.mean(axis=1))
    slabs = values.shape[1]
    none_of_the_best = hypergeom.pmf(0, slabs, np.arange(slabs + 1), k)  # at place i: none of the i best is drawn
    ranked = np.sort(values, axis=1)
    return np.asarray((ranked if measure.endswith("_mm") else ranked[:, ::-1]) @ -np.diff(none_of_the_best))


def within_volume_auroc(
    scores: Float[ndarray, "volumes slabs"], lesion: Bool[ndarray, "volumes slabs"]
) -> Float[ndarray, "volumes"]:
    """The chance that a slab with a lesion has a higher score than one without, inside each volume (ties count half).

    NaN where all slabs have a lesion, or none has.

    Raises:
        InputError: a score is not finite.
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
    ``sklearn.metrics.average_precision_score``, ties included, for all volumes at once.

    Raises:
        InputError: a score is not finite.
    """
    refuse_not_finite(scores, "scores", "volume number {}".format)
    at_least = scores[:, None, :] >= scores[:, :, None]
    found = (at_least & lesion[:, None, :]).sum(axis=2) / at_least.sum(axis=2)
    count = lesion.sum(axis=1)
    defined = (count > 0) & (count < lesion.shape[1])
    return np.where(defined, (found * lesion).sum(axis=1) / np.maximum(count, 1), np.nan)


def chance_ap(found: Int[ndarray, "volumes slabs"], thickness: int = 1) -> Float[ndarray, "volumes"]:
    """:func:`within_volume_ap` by chance: its mean over every order of the slabs (more than the share with a lesion).

    ``found`` counts the planes with a lesion in each slab of ``thickness`` planes, which share their slab's score. The
    m planes of the slab at rank r have as precision all planes found down to r, divided by r * thickness: so
    E[m (m + those found before)] / (r * thickness), summed over r and divided by all planes found. NaN as there.
    """
    slabs, total, squares = found.shape[1], found.sum(axis=1), np.square(found).sum(axis=1)
    of_two = (np.square(total) - squares) / max(slabs * (slabs - 1), 1)  # E[m m'] of two slabs
    harmonic = (1 / np.arange(1, slabs + 1)).sum()
    expected = (squares / slabs * harmonic + of_two * (slabs - harmonic)) / (thickness * np.maximum(total, 1))
    return np.where((total > 0) & (total < slabs * thickness), expected, np.nan)
