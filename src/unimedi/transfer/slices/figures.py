"""From chosen slabs to figures: every selector at every number of slices, with intervals and paired differences."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from unimedi.transfer.metrics import Figure, PatientBootstrap, interval, mean_figure
from unimedi.transfer.slices.lesions import Lesions
from unimedi.transfer.slices.measures import within_volume_ap, within_volume_auroc
from unimedi.transfer.slices.outcome import (
    OF_LESIONS,
    OF_THE_ORACLE,
    RANDOM_DRAWS,
    Choices,
    LesionExtent,
    choices,
    hits,
    oracle_scores,
    outcomes,
    slabs_by_score,
)

BUDGETS = (1, 2, 4)  # k of ``unimedi evaluate``: how many slices may be looked at


def outcome_figures(
    outcome: Mapping[str, Mapping[str, Float[ndarray, "rows"]]],
    k: int,
    lesions: Lesions,
    bootstrap: PatientBootstrap,
    measures: Sequence[str],
    compared: Sequence[str],
) -> dict[str, Figure]:
    """``slice_selection/<selector>/<measure>@k`` and, of ``compared``, attentive minus each other selector.

    The oracle has only the measures of which it is the ceiling.
    """
    per_lesion = bootstrap.of(lesions.volume)
    figures: dict[str, Figure] = {}
    for measure in measures:
        resamples = per_lesion if measure in OF_LESIONS else bootstrap
        ours = outcome["attentive"][measure]
        for name, values in outcome.items():
            if name == "oracle" and measure not in OF_THE_ORACLE:
                continue
            figures[f"slice_selection/{name}/{measure}@{k}"] = mean_figure(values[measure], resamples)
            if measure in compared and name != "attentive":
                gap = mean_figure(ours - values[measure], resamples)
                figures[f"slice_selection/attentive/minus_{name}/{measure}@{k}"] = gap
    return figures


def times_chance(
    ours: Float[ndarray, "volumes"], chance: Float[ndarray, "volumes"], bootstrap: PatientBootstrap
) -> Figure:
    """Enrichment: the hit rate divided by the random selector's on the same resamples; NaN where that never hits."""
    below = bootstrap.means(chance)
    resampled = bootstrap.means(ours) / np.where(below > 0, below, np.nan)
    value = ours.mean() / chance.mean() if chance.any() else np.nan
    return Figure(float(value), *interval(resampled), n=len(ours))


def group_figures(
    chosen: Choices,
    groups: Mapping[str, Bool[ndarray, "volumes depth"]],
    slab_count: int,
    k: int,
    bootstrap: PatientBootstrap,
) -> dict[str, Figure]:
    """``slice_selection/<selector>/hit@k/<group>``: over the volumes with a lesion of the group, a plane of *it* hit.

    ``groups`` are findings or size bands, with the planes that their lesions touch; one without a plane is left out.
    The oracle chooses anew for each group: only what knows the group's own planes is its ceiling.
    """
    figures = {}
    for group, planes in groups.items():
        there = planes.any(axis=1)
        knows = [slabs_by_score(oracle_scores(LesionExtent(planes, {}), slab_count), k)]
        for name, draws in (chosen | {"oracle": knows}).items():
            if there.any():
                mean = np.mean([hits(slabs, planes, slab_count) for slabs in draws], axis=0)
                values = np.where(there, mean, np.nan)
                figures[f"slice_selection/{name}/hit@{k}/{group}"] = mean_figure(values, bootstrap)
    return figures


def slice_figures(
    scored: Mapping[str, Float[ndarray, "volumes slabs"]],
    extent: LesionExtent,
    lesions: Lesions,
    bootstrap: PatientBootstrap,
    seed: int = 0,
) -> dict[str, Figure]:
    """The figures ``slice_selection/…`` that ``unimedi evaluate`` shows; ``unimedi slice-eval`` has more of them.

    ``extent``, ``lesions`` and ``bootstrap`` cover the volumes with a focal lesion only. ``minus_<other>`` keys are
    attentive's hit rate minus the other's on the same resamples.
    """
    slab_count = scored["attentive"].shape[1]
    with_oracle = {**scored, "oracle": oracle_scores(extent, slab_count)}
    figures: dict[str, Figure] = {}
    for k in (k for k in BUDGETS if k <= slab_count):
        outcome = outcomes(choices(with_oracle, k, seed), extent, lesions, slab_count)
        shown = ("hit", "slab_hit", "coverage", "depth_error_mm")
        figures |= outcome_figures(outcome, k, lesions, bootstrap, shown, compared=("hit",))
        ratio = times_chance(outcome["attentive"]["hit"], outcome["random"]["hit"], bootstrap)
        figures[f"slice_selection/attentive/times_random/hit@{k}"] = ratio
    attentive = {"attentive": [slabs_by_score(scored["attentive"], 1)]}
    figures |= group_figures(attentive, extent.by_finding, slab_count, 1, bootstrap)
    return figures | score_figures(scored, extent.slabs(slab_count), bootstrap)


def score_figures(
    scored: Mapping[str, Float[ndarray, "volumes slabs"]],
    lesion: Bool[ndarray, "volumes slabs"],
    bootstrap: PatientBootstrap,
    prefix: str = "",
) -> dict[str, Figure]:
    """``slice_selection/<selector>/auroc`` and ``ap``: within each volume, slabs with a lesion against those without.

    Of planes instead of slabs where both arrays have one column a plane; then give a ``prefix``. Attentive minus each
    other selector as well.
    """
    figures = {}
    for measure, within in (("auroc", within_volume_auroc), ("ap", within_volume_ap)):
        ours = within(scored["attentive"], lesion)
        for name, scores in scored.items():
            theirs = within(scores, lesion)
            figures[f"slice_selection/{name}/{prefix}{measure}"] = mean_figure(theirs, bootstrap)
            if name != "attentive":
                gap = mean_figure(ours - theirs, bootstrap)
                figures[f"slice_selection/attentive/minus_{name}/{prefix}{measure}"] = gap
    return figures


def chance_ap(lesion: Bool[ndarray, "volumes slabs"], bootstrap: PatientBootstrap, seed: int = 0) -> Figure:
    """Average precision of random scores: what ``ap`` is by chance (more than the share of slabs with a lesion)."""
    draws = np.random.default_rng(seed)
    each = [within_volume_ap(draws.random(lesion.shape), lesion) for _ in range(RANDOM_DRAWS)]
    return mean_figure(np.mean(each, axis=0), bootstrap)
