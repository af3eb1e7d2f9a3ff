"""Retrieval between images and reports, between two images of a patient, and between images that share a finding."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.evaluation.result import TaskResult
from unimedi.evaluation.split import EvalSplit
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, mean_estimate
from unimedi.metrics.checks import NotComputable, only_class
from unimedi.metrics.measurement import Measurement, Measurements, named
from unimedi.metrics.recall import chance_of_hit, first_right_rank, precision_at_k, same_group
from unimedi.metrics.space import paired_cosines

DEPTHS = (1, 5, 10)  # k of recall and precision at k
TO_CT, TO_XRAY = "xray_to_ct", "ct_to_xray"  # the directions between the two kinds


def report_retrieval(split: EvalSplit) -> TaskResult:
    """Image → report and report → image among the studies with a report; every equal report is a right answer.

    Raises:
        NotComputable: fewer than two studies have a report.
    """
    split = split.reported
    if len(split) < 2:
        raise NotComputable("fewer than two studies have a report")
    similarity = split.table.embedding @ split.reports.T
    right = same_group(split.groups, split.groups)
    found = recall(similarity, right, split.bootstrap).named(variant="image_to_report")
    found |= recall(similarity.T, right, split.bootstrap).named(variant="report_to_image")
    return TaskResult(found.named(task="retrieval", modality=split.kind))


def recall(
    similarity: Float[ndarray, "queries candidates"],
    right: Bool[ndarray, "queries candidates"],
    bootstrap: PatientBootstrap,
) -> Measurements:
    """``r@k`` for k in 1, 5 and 10, and ``chance@k``, what a blind guess gives.

    Args:
        right: the candidates that answer each query.
        bootstrap: of the patients of the queries. Candidates are not resampled.
    """
    ranks = first_right_rank(similarity, right)
    rows: list[Measurement] = []
    for k in DEPTHS:
        rows.append(named(mean_estimate((ranks <= k).astype(np.float64), bootstrap), metric=f"r@{k}"))
        rows.append(named(Estimate(chance_of_hit(right, k), n=len(right)), metric=f"chance@{k}"))
    return Measurements(rows)


def pairs(xray: EvalSplit, ct: EvalSplit) -> list[tuple[int, int]]:
    """Rows (xray, ct) of the patients that have both; a patient's first study of each counts."""
    first_ct = {patient: row for row, patient in reversed(list(enumerate(ct.patients)))}
    first_xray = {patient: row for row, patient in reversed(list(enumerate(xray.patients)))}
    return [(row, first_ct[patient]) for patient, row in sorted(first_xray.items()) if patient in first_ct]


def paired_retrieval(xray: EvalSplit, ct: EvalSplit, seed: int, resamples: int) -> TaskResult:
    """Is the CT of the same patient among the k nearest to an X-ray, and the reverse; and how near the pairs are.

    Raises:
        NotComputable: fewer than two patients have both.
    """
    both = pairs(xray, ct)
    if len(both) < 2:
        raise NotComputable("no two patients have both an X-ray and a CT")
    rows, columns = (list(part) for part in zip(*both, strict=True))
    similarity = xray.table.embedding[rows] @ ct.table.embedding[columns].T
    right = np.eye(len(both), dtype=bool)
    bootstrap = PatientBootstrap([xray.patients[row] for row in rows], resamples, seed)
    found = recall(similarity, right, bootstrap).named(modality=TO_CT)
    found |= recall(similarity.T, right, bootstrap).named(modality=TO_XRAY)
    paired, unpaired = paired_cosines(xray.table.embedding[rows], ct.table.embedding[columns])
    cosines = [
        named(mean_estimate(values.astype(np.float64), bootstrap), task="space", metric="cosine", **name)
        for values, name in (
            (paired, {"method": "paired"}),
            (unpaired, {"method": "unpaired"}),
            (paired - unpaired, {"method": "paired", "minus": "unpaired"}),
        )
    ]
    return TaskResult(found.named(task="cross_modal", variant="paired") | Measurements(cosines))


def finding_retrieval(query: EvalSplit, answers: EvalSplit, direction: str) -> TaskResult:
    """``p@k``: the share of the k nearest studies of the other kind that share a finding, or are normal too.

    Left out are studies of the query's own patient (that is :func:`paired_retrieval`), and studies, as queries and as
    answers, that show no finding but are not known to be without each of them. ``chance`` is the share of all answers.

    Raises:
        NotComputable: no finding has labels in both, or no two studies of different patients have known findings.
    """
    names = sorted(set(query.labels) & set(answers.labels))
    if not names:
        raise NotComputable("no finding is labelled in both modalities")
    ours, theirs = (_findings_or_normal(split, names) for split in (query, answers))
    shared = ours.astype(np.int64) @ theirs.T.astype(np.int64) > 0
    known = np.outer(ours.any(axis=1), theirs.any(axis=1))
    candidates = known & ~same_group(*_patient_numbers(query, answers))
    asked = np.asarray(candidates.any(axis=1))
    if not asked.any():
        raise NotComputable("no two studies of different patients, one of each modality, have known findings")
    similarity = np.where(candidates, query.table.embedding @ answers.table.embedding.T, -np.inf)
    rows: list[Measurement] = []
    for k in DEPTHS:
        precision = np.where(asked, precision_at_k(similarity, shared & candidates, k), np.nan)
        rows.append(named(mean_estimate(precision, query.bootstrap), metric=f"p@{k}"))
    chance = Estimate(float(shared[candidates].mean()), n=int(asked.sum()))
    found = Measurements([*rows, named(chance, metric="chance")])
    return TaskResult(found.named(task="cross_modal", modality=direction, variant="findings"))


def _findings_or_normal(split: EvalSplit, names: Sequence[str]) -> Bool[ndarray, "studies columns"]:
    """A column a finding; the last one is whether each of them is known to be absent."""
    positive = [split.labels[name] == 1 for name in names]
    return np.stack([*positive, only_class({name: split.labels[name] for name in names})[1]], axis=1)


def _patient_numbers(
    query: EvalSplit, answers: EvalSplit
) -> tuple[Int[ndarray, "queries"], Int[ndarray, "candidates"]]:
    numbers: dict[str, int] = {}
    encode = [np.array([numbers.setdefault(p, len(numbers)) for p in part.patients]) for part in (query, answers)]
    return encode[0], encode[1]
