"""From chosen slabs to figures: every selector at every number of slices, with intervals and paired differences."""

from collections.abc import Mapping
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
from unimedi.evaluation.slices.lesions import Lesions
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


@dataclass(frozen=True)
class EvalSpec:
    """What is measured. ``compared`` measures also as attentive minus every other selector, on the same resamples.

    ``budgets`` are numbers k of slices that may be looked at, ``by_group`` those at which findings and sizes are looked
    at one by one. ``planes``: AUROC and AP of planes, too.
    """

    budgets: tuple[int, ...]
    measures: tuple[str, ...]
    compared: tuple[str, ...]
    by_group: tuple[int, ...]
    planes: bool


def slice_figures(
    scored: Scores,
    lesions: Lesions,
    bootstrap: PatientBootstrap,
    spec: EvalSpec,
) -> dict[str, Estimate]:
    """Every figure ``slice_selection/…`` of every selector; all arguments cover volumes with a focal lesion only."""
    slab_count = scored["attentive"].shape[1]
    planes, groups, each = lesions.planes(), lesions.groups(), slab_values(lesions, slab_count)
    with_oracle = {**scored, "oracle": oracle_scores(planes, slab_count)}
    figures: dict[str, Estimate] = {}
    for k in (k for k in spec.budgets if k <= slab_count):
        chosen = choices(with_oracle, k)
        outcome = values_of_choices(chosen, each, lesions, k)
        figures |= outcome_figures(outcome, k, lesions, bootstrap, spec)
        for name, values in outcome.items():
            ratio = times_chance(values["hit"], outcome["random"]["hit"], bootstrap)
            figures[f"slice_selection/{name}/times_random/hit@{k}"] = ratio
        if k in spec.by_group:
            figures |= group_figures(chosen, groups, slab_count, k, bootstrap)
    figures |= score_figures(scored, touched_slabs(planes, slab_count), bootstrap)
    return figures | (score_figures(scored, planes, bootstrap, prefix="slice_") if spec.planes else {})


def outcome_figures(
    outcome: Mapping[str, Mapping[str, Float[ndarray, "rows"]]],
    k: int,
    lesions: Lesions,
    bootstrap: PatientBootstrap,
    spec: EvalSpec,
) -> dict[str, Estimate]:
    """``slice_selection/<selector>/<measure>@k`` and the differences; the oracle's only where it is the ceiling."""
    per_lesion = bootstrap.of(lesions.volume)
    figures: dict[str, Estimate] = {}
    for measure in spec.measures:
        resamples = per_lesion if measure in PER_LESION else bootstrap
        ours = outcome["attentive"][measure]
        for name, values in outcome.items():
            if name == "oracle" and measure not in ORACLE_IS_CEILING:
                continue
            figures[f"slice_selection/{name}/{measure}@{k}"] = mean_estimate(values[measure], resamples)
            if measure in spec.compared and name != "attentive":
                gap = mean_estimate(ours - values[measure], resamples)
                figures[f"slice_selection/attentive/minus_{name}/{measure}@{k}"] = gap
    return figures


def times_chance(
    ours: Float[ndarray, "volumes"], chance: Float[ndarray, "volumes"], bootstrap: PatientBootstrap
) -> Estimate:
    """Enrichment: the hit rate divided by the random selector's on the same resamples; NaN where that never hits."""
    below = bootstrap.means(chance)
    resampled = bootstrap.means(ours) / np.where(below > 0, below, np.nan)
    value = ours.mean() / chance.mean() if chance.any() else np.nan
    return Estimate(float(value), *interval(resampled), n=len(ours))


def group_figures(
    chosen: Choices,
    groups: Mapping[str, Bool[ndarray, "volumes depth"]],
    slab_count: int,
    k: int,
    bootstrap: PatientBootstrap,
) -> dict[str, Estimate]:
    """``slice_selection/<selector>/hit@k/<group>``: over the volumes with a lesion of the group, a plane of *it* hit.

    ``groups`` are findings or size bands, with the planes that their lesions touch; one without a plane is left out.
    The oracle chooses anew for each group: only what knows the group's own planes is its ceiling.
    """
    figures = {}
    for group, planes in groups.items():
        there, shown = planes.any(axis=1), oracle_scores(planes, slab_count)
        if not there.any():
            continue
        taken = chosen | {"oracle": slabs_by_score(shown, k)}
        found = {"random": expected_at_random(shown, k)} | {
            name: aggregate(shown, slabs) for name, slabs in taken.items()
        }
        for name, values in found.items():
            figures[f"slice_selection/{name}/hit@{k}/{group}"] = mean_estimate(
                np.where(there, values, np.nan), bootstrap
            )
    return figures


def score_figures(
    scored: Scores,
    lesion: Bool[ndarray, "volumes columns"],
    bootstrap: PatientBootstrap,
    prefix: str = "",
) -> dict[str, Estimate]:
    """``slice_selection/<selector>/auroc`` and ``ap``: within each volume, what has a lesion against what has none.

    ``lesion`` marks slabs, or planes, which have their slab's score; then give a ``prefix``. Attentive minus each other
    selector as well. ``random`` has an ``ap``: the expectation of scores that know nothing; not of planes where the
    slabs are not equally thick.
    """
    (volumes, columns), slab_count = lesion.shape, scored["attentive"].shape[1]
    spread = {name: plane_scores(scores, columns) for name, scores in scored.items()}
    each = {f"{prefix}auroc": {name: within_volume_auroc(scores, lesion) for name, scores in spread.items()}}
    each[f"{prefix}ap"] = {name: within_volume_ap(scores, lesion) for name, scores in spread.items()}
    if columns % slab_count == 0:
        found = lesion.reshape(volumes, slab_count, -1).sum(axis=2)
        each[f"{prefix}ap"]["random"] = chance_ap(found, columns // slab_count)
    figures = {}
    for measure, values in each.items():
        for name, theirs in values.items():
            figures[f"slice_selection/{name}/{measure}"] = mean_estimate(theirs, bootstrap)
            if name != "attentive":
                gap = mean_estimate(values["attentive"] - theirs, bootstrap)
                figures[f"slice_selection/attentive/minus_{name}/{measure}"] = gap
    return figures
