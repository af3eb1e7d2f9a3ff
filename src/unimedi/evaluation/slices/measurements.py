"""From chosen slabs to measurements: every selector at every number of slices, with intervals and paired differences.

The functions below name all but the task, which :func:`slice_measurements` adds: ``slice_selection``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from unimedi.evaluation.slices.choices import (
    Choices,
    Scores,
    choices,
    oracle_scores,
    plane_scores,
    slabs_by_score,
    touched_slabs,
)
from unimedi.evaluation.slices.lesions import SIZE_BANDS_MM, Lesions
from unimedi.evaluation.slices.measures import (
    ORACLE_IS_CEILING,
    PER_LESION,
    aggregate,
    chance_ap,
    expected_at_random,
    slab_values,
    values_of_choices,
    within_volume_ap,
    within_volume_auroc,
)
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, interval, mean_estimate
from unimedi.metrics.measurement import Measurement, Measurements, named

TASK, OURS = "slice_selection", "attentive"  # the model's own scores; every other selector is compared with them


@dataclass(frozen=True)
class EvalSpec:
    """Which measurements are made.

    Attributes:
        budgets: the numbers k of slices that may be looked at.
        measures: names of :func:`~unimedi.evaluation.slices.measures.slab_values`.
        compared: those of them that are also measured as attentive minus every other selector, on the same resamples.
        by_group: the k at which each finding and each band of sizes is measured alone.
        planes: whether AUROC and AP are also taken over planes (each with its slab's score) in place of slabs.
    """

    budgets: tuple[int, ...]
    measures: tuple[str, ...]
    compared: tuple[str, ...]
    by_group: tuple[int, ...]
    planes: bool


def slice_measurements(scored: Scores, lesions: Lesions, bootstrap: PatientBootstrap, spec: EvalSpec) -> Measurements:
    """Measure every selector on volumes that all have a focal lesion.

    Args:
        scored: selector → scores (volumes, slabs), higher is better; ``attentive`` must be among them.
        lesions: the focal lesions of the same volumes, in the same order.
        bootstrap: resamples of the patients of the same volumes.
        spec: what is measured.

    Returns:
        Measurements of the task ``slice_selection``; ``method`` is the selector, ``metric`` for example ``hit@2``,
        ``enrichment@2``, ``depth_error_mm@2`` (mm) or ``auroc``.
    """
    slab_count = scored[OURS].shape[1]
    planes, groups, each = lesions.planes(), lesions.groups(), slab_values(lesions, slab_count)
    with_oracle = {**scored, "oracle": oracle_scores(planes, slab_count)}
    found: list[Measurement] = []
    for k in (k for k in spec.budgets if k <= slab_count):
        chosen = choices(with_oracle, k)
        values = values_of_choices(chosen, each, lesions, k)
        found += choice_measurements(values, k, lesions, bootstrap, spec)
        for name, one in values.items():
            ratio = enrichment(one["hit"], values["random"]["hit"], bootstrap)
            found.append(named(ratio, method=name, metric=f"enrichment@{k}"))
        if k in spec.by_group:
            found += group_measurements(chosen, groups, slab_count, k, bootstrap)
    found += score_measurements(scored, touched_slabs(planes, slab_count), bootstrap)
    if spec.planes:
        found += score_measurements(scored, planes, bootstrap, prefix="slice_")
    return Measurements(found).named(task=TASK)


def choice_measurements(
    values: Mapping[str, Mapping[str, Float[ndarray, "rows"]]],
    k: int,
    lesions: Lesions,
    bootstrap: PatientBootstrap,
    spec: EvalSpec,
) -> Iterator[Measurement]:
    """``<measure>@k`` of every selector, and the differences; of the oracle only those that it is the ceiling of."""
    per_lesion = bootstrap.of(lesions.volume)
    for measure in spec.measures:
        resamples = per_lesion if measure in PER_LESION else bootstrap
        shown = {name: v[measure] for name, v in values.items() if name != "oracle" or measure in ORACLE_IS_CEILING}
        yield from means_and_differences(shown, f"{measure}@{k}", resamples, measure in spec.compared)


def means_and_differences(
    values: Mapping[str, Float[ndarray, "rows"]], metric: str, bootstrap: PatientBootstrap, compared: bool = True
) -> Iterator[Measurement]:
    """The mean of each selector's values and, where ``compared``, attentive minus each other, on the same resamples."""
    for name, theirs in values.items():
        yield named(mean_estimate(theirs, bootstrap), method=name, metric=metric)
        if compared and name != OURS:
            difference = mean_estimate(values[OURS] - theirs, bootstrap)
            yield named(difference, method=OURS, minus=name, metric=metric)


def enrichment(
    ours: Float[ndarray, "volumes"], chance: Float[ndarray, "volumes"], bootstrap: PatientBootstrap
) -> Estimate:
    """The hit rate divided by the random selector's on the same resamples; NaN where that never hits."""
    below = bootstrap.means(chance)
    resampled = bootstrap.means(ours) / np.where(below > 0, below, np.nan)
    value = ours.mean() / chance.mean() if chance.any() else np.nan
    return Estimate(float(value), *interval(resampled), n=len(ours))


def group_measurements(
    chosen: Choices,
    groups: Mapping[str, Bool[ndarray, "volumes depth"]],
    slab_count: int,
    k: int,
    bootstrap: PatientBootstrap,
) -> Iterator[Measurement]:
    """``hit@k`` of one finding, or of one band of sizes: over the volumes with such a lesion, whether *it* is shown.

    ``groups`` are the planes that their lesions touch; a group without any is left out. The oracle chooses anew for
    each group: only what knows the group's own planes is its ceiling.
    """
    for group, planes in groups.items():
        there, shown = planes.any(axis=1), oracle_scores(planes, slab_count)
        if not there.any():
            continue
        taken = chosen | {"oracle": slabs_by_score(shown, k)}
        found = {"random": expected_at_random(shown, k)}
        found |= {name: aggregate(shown, slabs) for name, slabs in taken.items()}
        field = "size" if group in SIZE_BANDS_MM else "finding"
        for name, values in found.items():
            hits = mean_estimate(np.where(there, values, np.nan), bootstrap)
            yield named(hits, method=name, metric=f"hit@{k}", **{field: group})


def score_measurements(
    scored: Scores, lesion: Bool[ndarray, "volumes columns"], bootstrap: PatientBootstrap, prefix: str = ""
) -> Iterator[Measurement]:
    """``auroc`` and ``ap`` within each volume: columns with a lesion against those without; the differences as well.

    ``lesion`` marks slabs, or planes, which have their slab's score; then give a ``prefix`` for the metric. ``random``
    has an ``ap``: the expectation of scores that know nothing (not of planes where the slabs are not equally thick).
    """
    (volumes, columns), slab_count = lesion.shape, scored[OURS].shape[1]
    by_column = {name: plane_scores(scores, columns) for name, scores in scored.items()}
    aurocs = {name: within_volume_auroc(scores, lesion) for name, scores in by_column.items()}
    aps = {name: within_volume_ap(scores, lesion) for name, scores in by_column.items()}
    if columns % slab_count == 0:
        found = lesion.reshape(volumes, slab_count, -1).sum(axis=2)
        aps["random"] = chance_ap(found, columns // slab_count)
    yield from means_and_differences(aurocs, f"{prefix}auroc", bootstrap)
    yield from means_and_differences(aps, f"{prefix}ap", bootstrap)
