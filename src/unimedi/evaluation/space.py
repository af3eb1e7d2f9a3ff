"""The space of embeddings: does the modality of a study decide where it lies, or its finding?"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from unimedi.errors import InputError
from unimedi.evaluation.result import TaskResult
from unimedi.evaluation.split import EvalSplit
from unimedi.metrics import space as measure
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, average_estimates, mean_estimate
from unimedi.metrics.checks import NotComputable, only_class
from unimedi.metrics.measurement import Measurement, Measurements, named

NEIGHBOURS = 10  # k of the label agreement of cross-modal neighbours
SHUFFLES = 20  # of the pairs, for the CKA that chance gives
NORMAL = "normal"


def space(splits: Mapping[str, EvalSplit]) -> TaskResult:
    """``effective_rank`` of the embeddings of each kind, and ``centroid_gap`` between the two kinds."""
    rows = [
        named(
            Estimate(measure.effective_rank(split.table.embedding), n=len(split)),
            modality=kind,
            metric="effective_rank",
        )
        for kind, split in splits.items()
    ]
    if len(splits) == 2:
        gap = measure.centroid_gap(*(split.table.embedding for split in splits.values()))
        rows.append(named(Estimate(gap, n=sum(len(split) for split in splits.values())), metric="centroid_gap"))
    return _result(rows)


def modality_probe(xray: EvalSplit, ct: EvalSplit, seed: int, resamples: int) -> TaskResult:
    """``modality_probe``: the balanced accuracy of a line that tells X-ray from CT; .5 is one space."""
    patients = [*xray.patients, *ct.patients]
    modality = np.repeat([0, 1], [len(xray), len(ct)])
    try:
        correct = measure.modality_probe(_embeddings(xray, ct), modality, _numbers(patients))
    except InputError as error:
        raise NotComputable(str(error)) from error
    bootstrap = PatientBootstrap(patients, resamples, seed)
    return _result([named(_mean_by_group(correct, modality, bootstrap), metric="modality_probe")])


def silhouettes(xray: EvalSplit, ct: EvalSplit, seed: int, resamples: int) -> TaskResult:
    """``silhouette`` of the grouping by finding, by modality, and the former minus the latter.

    Of the studies of both kinds with one finding, or none. The distances are to all studies, whatever is drawn:
    resamples only vary whose silhouettes are averaged.
    """
    names = np.array([*single_findings(xray), *single_findings(ct)])
    kept = names != ""
    modality = np.repeat([0, 1], [len(xray), len(ct)])[kept]
    embedding = _embeddings(xray, ct)[kept]
    labels = np.unique(names[kept], return_inverse=True)[1]
    try:
        by_finding, by_modality = (measure.silhouettes(embedding, groups) for groups in (labels, modality))
    except InputError as error:
        raise NotComputable(f"studies with one finding or none: {error}") from error
    patients = [p for p, keep in zip([*xray.patients, *ct.patients], kept, strict=True) if keep]
    bootstrap = PatientBootstrap(patients, resamples, seed)
    gap = mean_estimate(by_finding - by_modality, bootstrap)
    return _result(
        [
            named(mean_estimate(by_finding, bootstrap), method="by_finding", metric="silhouette"),
            named(mean_estimate(by_modality, bootstrap), method="by_modality", metric="silhouette"),
            named(gap, method="by_finding", minus="by_modality", metric="silhouette"),
        ]
    )


def linear_cka(xray: EvalSplit, ct: EvalSplit, both: Sequence[tuple[int, int]], seed: int) -> TaskResult:
    """``linear_cka`` of the embeddings of patients that have both, and ``linear_cka_shuffled``, of pairs at random.

    No interval: a patient drawn twice is a pair that agrees with itself, and raises CKA in every resample.
    """
    if len(both) < 3:
        raise NotComputable(f"expected at least three patients with both an X-ray and a CT, got {len(both)}")
    rows, columns = (list(part) for part in zip(*both, strict=True))
    first, second = xray.table.embedding[rows], ct.table.embedding[columns]
    value = measure.linear_cka(first, second)
    if np.isnan(value):
        raise NotComputable("all embeddings of a modality are equal")
    generator = np.random.default_rng(seed)
    shuffled = [measure.linear_cka(first, second[generator.permutation(len(both))]) for _ in range(SHUFFLES)]
    return _result(
        [
            named(Estimate(value, n=len(both)), metric="linear_cka"),
            named(Estimate(float(np.mean(shuffled)), n=len(both)), metric="linear_cka_shuffled"),
        ]
    )


def neighbour_agreement(query: EvalSplit, answers: EvalSplit, direction: str) -> TaskResult:
    """``knn_agreement``: the share of a study's 10 nearest of the other kind that have its finding.

    Of studies with one finding or none, among those of other patients. Every finding weighs alike, whatever its
    frequency, so that ``knn_agreement_chance`` is about 1 / number of findings. Findings that only one kind shows are
    left out.
    """
    ours, theirs = (np.array(single_findings(split)) for split in (query, answers))
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
    by_chance = alike.sum(axis=1) / np.maximum(stranger.sum(axis=1), 1)
    bootstrap = query.bootstrap.of(rows)
    chance = _mean_by_group(np.where(np.isnan(share), np.nan, by_chance), groups, bootstrap)
    return _result(
        [
            named(_mean_by_group(share, groups, bootstrap), modality=direction, metric="knn_agreement"),
            named(Estimate(chance.value, n=chance.n), modality=direction, metric="knn_agreement_chance"),
        ]
    )


def _result(rows: Sequence[Measurement]) -> TaskResult:
    return TaskResult(Measurements(rows).named(task="space"))


def _mean_by_group(
    values: Float[ndarray, "studies"], groups: Int[ndarray, "studies"], bootstrap: PatientBootstrap
) -> Estimate:
    """The mean over groups of the mean within each, resample by resample; NaN does not count."""
    known = np.unique(groups[~np.isnan(values)])
    each = [mean_estimate(np.where(groups == group, values, np.nan), bootstrap) for group in known]
    return average_estimates(each, int((~np.isnan(values)).sum()))


def single_findings(split: EvalSplit) -> list[str]:
    """The only finding of each study; ``normal`` if it is known to have none; '' if several, or any is unknown."""
    if not split.labels:
        return [""] * len(split)
    names = [*split.labels, ""]  # -1: the last
    numbers, none = only_class(split.labels)
    return [NORMAL if normal else names[number] for number, normal in zip(numbers.tolist(), none.tolist(), strict=True)]


def _embeddings(xray: EvalSplit, ct: EvalSplit) -> ndarray:
    return np.concatenate([xray.table.embedding, ct.table.embedding])


def _numbers(patients: Sequence[str]) -> Int[ndarray, "studies"]:
    return np.asarray(np.unique(patients, return_inverse=True)[1])
