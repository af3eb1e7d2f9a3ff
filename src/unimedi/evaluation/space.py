"""The space's figures: how far modality and how far disease decides where a study lies."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from unimedi.evaluation.task import View
from unimedi.metrics import space as measure
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, average_estimates, mean_estimate
from unimedi.metrics.checks import NotComputable

NEIGHBOURS = 10  # k of the label agreement of cross-modal neighbours
SHUFFLES = 20  # of the pairs, for the CKA that chance gives
NORMAL = "normal"


def space(views: Mapping[str, View]) -> dict[str, Estimate]:
    """``space/<kind>/effective_rank``, and ``space/centroid_gap`` of the two modalities."""
    figures = {
        f"space/{kind}/effective_rank": Estimate(measure.effective_rank(view.table.embedding), n=len(view))
        for kind, view in views.items()
    }
    if len(views) == 2:
        gap = measure.centroid_gap(*(view.table.embedding for view in views.values()))
        figures["space/centroid_gap"] = Estimate(gap, n=sum(len(view) for view in views.values()))
    return figures


def modality_figure(xray: View, ct: View, seed: int, resamples: int) -> dict[str, Estimate]:
    """``space/modality_probe``: how well a line tells X-ray from CT, the mean of both rates (.5: one space)."""
    patients = [*xray.patients, *ct.patients]
    modality = np.repeat([0, 1], [len(xray), len(ct)])
    try:
        correct = measure.modality_probe(_embeddings(xray, ct), modality, _numbers(patients))
    except ValueError as error:
        raise NotComputable(str(error)) from error
    bootstrap = PatientBootstrap(patients, resamples, seed)
    return {"space/modality_probe": _mean_by_group(correct, modality, bootstrap)}


def silhouette_figures(xray: View, ct: View, seed: int, resamples: int) -> dict[str, Estimate]:
    """``space/silhouette/{label,modality,label_minus_modality}`` over the studies of both with one finding, or none.

    The distances are to all studies, whatever is drawn: resamples vary whose silhouettes are averaged.
    """
    names = np.array([*single_findings(xray), *single_findings(ct)])
    kept = names != ""
    modality = np.repeat([0, 1], [len(xray), len(ct)])[kept]
    embedding = _embeddings(xray, ct)[kept]
    labels = np.unique(names[kept], return_inverse=True)[1]
    try:
        by_label, by_modality = (measure.silhouettes(embedding, groups) for groups in (labels, modality))
    except ValueError as error:
        raise NotComputable(f"studies with one finding or none: {error}") from error
    patients = [p for p, keep in zip([*xray.patients, *ct.patients], kept, strict=True) if keep]
    bootstrap = PatientBootstrap(patients, resamples, seed)
    values = {"label": by_label, "modality": by_modality, "label_minus_modality": by_label - by_modality}
    return {f"space/silhouette/{name}": mean_estimate(value, bootstrap) for name, value in values.items()}


def cka_figures(xray: View, ct: View, both: Sequence[tuple[int, int]], seed: int) -> dict[str, Estimate]:
    """``space/linear_cka`` of the embeddings of patients that have both, and ``…_shuffled``: with the pairs mixed up.

    No interval: a patient drawn twice is a pair that agrees with itself, and lifts CKA in every resample.
    """
    if len(both) < 3:
        raise NotComputable(f"expected at least three patients with both an X-ray and a CT, got {len(both)}")
    rows, columns = (list(part) for part in zip(*both, strict=True))
    first, second = xray.table.embedding[rows], ct.table.embedding[columns]
    value = measure.linear_cka(first, second)
    if np.isnan(value):
        raise NotComputable("all embeddings of a modality are equal")
    draws = np.random.default_rng(seed)
    mixed = [measure.linear_cka(first, second[draws.permutation(len(both))]) for _ in range(SHUFFLES)]
    chance = Estimate(float(np.mean(mixed)), n=len(both))
    return {"space/linear_cka": Estimate(value, n=len(both)), "space/linear_cka_shuffled": chance}


def agreement_figures(query: View, answers: View, direction: str) -> dict[str, Estimate]:
    """``space/knn_agreement/<direction>``: share of a study's 10 nearest of the other modality with its one label.

    Studies with one finding or none, of other patients; every label weighs alike, whatever its frequency, so that
    ``…/chance`` is about 1 / number of labels. Labels that only one modality shows are left out.
    """
    ours, theirs = (np.array(single_findings(view)) for view in (query, answers))
    shared = sorted((set(ours.tolist()) & set(theirs.tolist())) - {""})
    rows, columns = (np.flatnonzero(np.isin(names, shared)) for names in (ours, theirs))
    if len(shared) < 2 or len(columns) <= NEIGHBOURS:
        raise NotComputable(
            f"{len(shared)} labels in both modalities of studies with one finding or none, {len(columns)} to search"
        )
    groups, answer_groups = (np.searchsorted(shared, names) for names in (ours[rows], theirs[columns]))
    patients = np.array(_numbers([*query.patients, *answers.patients]))
    stranger = patients[: len(query)][rows][:, None] != patients[len(query) :][columns][None, :]
    similarity = (query.table.embedding[rows] @ answers.table.embedding[columns].T).astype(np.float64)
    similarity = np.where(stranger, similarity, -np.inf)
    share = measure.neighbour_agreement(similarity, groups, answer_groups, NEIGHBOURS)
    alike = (groups[:, None] == answer_groups[None, :]) & stranger
    chance = alike.sum(axis=1) / np.maximum(stranger.sum(axis=1), 1)
    bootstrap = query.bootstrap.of(rows)
    by_chance = _mean_by_group(np.where(np.isnan(share), np.nan, chance), groups, bootstrap)
    return {
        f"space/knn_agreement/{direction}": _mean_by_group(share, groups, bootstrap),
        f"space/knn_agreement/{direction}/chance": Estimate(by_chance.value, n=by_chance.n),
    }


def _mean_by_group(
    values: Float[ndarray, "studies"], groups: Int[ndarray, "studies"], bootstrap: PatientBootstrap
) -> Estimate:
    """The mean over groups of the mean within each, resample by resample; NaN does not count."""
    known = np.unique(groups[~np.isnan(values)])
    each = [mean_estimate(np.where(groups == group, values, np.nan), bootstrap) for group in known]
    return average_estimates(each, int((~np.isnan(values)).sum()))


def single_findings(view: View) -> list[str]:
    """The one finding of each study, ``normal`` where all are known to be absent, '' where several or any not known."""
    values = np.stack(list(view.labels.values()), axis=1) if view.labels else np.full((len(view), 1), np.nan)
    absent = (values == 0).sum(axis=1)
    normal = absent == values.shape[1]
    single = (absent == values.shape[1] - 1) & (values == 1).any(axis=1)
    names = list(view.labels)
    return [
        NORMAL if none else names[int((row == 1).argmax())] if one else ""
        for none, one, row in zip(normal, single, values, strict=True)
    ]


def _embeddings(xray: View, ct: View) -> ndarray:
    return np.concatenate([xray.table.embedding, ct.table.embedding])


def _numbers(patients: Sequence[str]) -> Int[ndarray, "studies"]:
    return np.asarray(np.unique(patients, return_inverse=True)[1])
