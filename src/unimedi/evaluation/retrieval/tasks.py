"""Retrieval on one run: reports, classes, the same patient, shared findings. What a cohort lacks is NotComputable."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.evaluation.retrieval.protocols import (
    CLASSES,
    NO_FINDING,
    PER_CLASS,
    TooFewStudies,
    class_precision,
    class_sample,
    commonest_classes,
)
from unimedi.evaluation.task import View
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, mean_estimate
from unimedi.metrics.checks import NotComputable, known_and_positive
from unimedi.metrics.recall import chance_of_hit, first_right_rank, precision_at_k, same_group
from unimedi.metrics.space import paired_cosines

DEPTHS = (1, 5, 10)  # k of recall and precision at k


def report_retrieval(view: View) -> dict[str, Estimate]:
    """``retrieval/<kind>/{image_to_report,report_to_image}/r@k``; duplicates of a report count as right."""
    view = view.reported
    if len(view) < 2:
        raise NotComputable("fewer than two studies have a report")
    similarity = view.table.embedding @ view.reports.T
    right = same_group(view.groups, view.groups)
    figures = recall_figures(f"retrieval/{view.kind}/image_to_report", similarity, right, view.bootstrap)
    return figures | recall_figures(f"retrieval/{view.kind}/report_to_image", similarity.T, right, view.bootstrap)


def recall_figures(
    prefix: str,
    similarity: Float[ndarray, "queries candidates"],
    right: Bool[ndarray, "queries candidates"],
    bootstrap: PatientBootstrap,
) -> dict[str, Estimate]:
    """R@k for k in 1, 5, 10 with the chance of a blind guess. Candidates stay fixed; queries are resampled."""
    ranks = first_right_rank(similarity, right)
    figures = {}
    for k in DEPTHS:
        figures[f"{prefix}/r@{k}"] = mean_estimate((ranks <= k).astype(np.float64), bootstrap)
        figures[f"{prefix}/chance@{k}"] = Estimate(chance_of_hit(right, k), n=len(right))
    return figures


def pairs(xray: View, ct: View) -> list[tuple[int, int]]:
    """Rows (xray, ct) of the patients that have both; a patient's first study of each counts."""
    first_ct = {patient: row for row, patient in reversed(list(enumerate(ct.patients)))}
    first_xray = {patient: row for row, patient in reversed(list(enumerate(xray.patients)))}
    return [(row, first_ct[patient]) for patient, row in sorted(first_xray.items()) if patient in first_ct]


def paired_retrieval(xray: View, ct: View, seed: int, resamples: int) -> dict[str, Estimate]:
    """``cross_modal/paired/…``: is the CT of the same patient among the k nearest, asked by the X-ray, and reverse."""
    both = pairs(xray, ct)
    if len(both) < 2:
        raise NotComputable("no two patients have both an X-ray and a CT")
    rows, columns = (list(part) for part in zip(*both, strict=True))
    similarity = xray.table.embedding[rows] @ ct.table.embedding[columns].T
    right = np.eye(len(both), dtype=bool)
    bootstrap = PatientBootstrap([xray.patients[row] for row in rows], resamples, seed)
    figures = recall_figures("cross_modal/paired", similarity, right, bootstrap)
    figures |= recall_figures("cross_modal/paired/reverse", similarity.T, right, bootstrap)
    paired, unpaired = paired_cosines(xray.table.embedding[rows], ct.table.embedding[columns])
    figures["space/paired_cosine"] = mean_estimate(paired.astype(np.float64), bootstrap)
    figures["space/unpaired_cosine"] = mean_estimate(unpaired.astype(np.float64), bootstrap)
    figures["space/paired_minus_unpaired_cosine"] = mean_estimate((paired - unpaired).astype(np.float64), bootstrap)
    return figures


def finding_retrieval(query: View, answers: View, direction: str) -> dict[str, Estimate]:
    """``cross_modal/findings/<direction>/p@k``: share of the k nearest that share a finding (or are normal too).

    Studies of the query's own patient are taken out, so that this is not the paired task again; so are those, among
    queries and answers, that show no finding but are not known to be without each of them.
    """
    names = sorted(set(query.labels) & set(answers.labels))
    if not names:
        raise NotComputable("no finding is labelled in both modalities")
    ours, theirs = (_shown(view, names) for view in (query, answers))
    shared = ours.astype(np.int64) @ theirs.T.astype(np.int64) > 0
    told = np.outer(ours.any(axis=1), theirs.any(axis=1))
    other = told & ~same_group(*_patient_numbers(query, answers))
    asked = np.asarray(other.any(axis=1))
    if not asked.any():
        raise NotComputable("no two studies of different patients, one of each modality, have known findings")
    similarity = np.where(other, query.table.embedding @ answers.table.embedding.T, -np.inf)
    figures = {}
    for k in DEPTHS:
        precision = np.where(asked, precision_at_k(similarity, shared & other, k), np.nan)
        figures[f"cross_modal/findings/{direction}/p@{k}"] = mean_estimate(precision, query.bootstrap)
    figures[f"cross_modal/findings/{direction}/chance"] = Estimate(float(shared[other].mean()), n=int(asked.sum()))
    return figures


def _shown(view: View, names: Sequence[str]) -> Bool[ndarray, "studies columns"]:
    """The findings of each study and, in the last column, whether each of them is known to be absent."""
    known, there = (
        np.stack(part, axis=1)
        for part in zip(*(known_and_positive(view.labels[name], name) for name in names), strict=True)
    )
    return np.column_stack([there, known.all(axis=1) & ~there.any(axis=1)])


def class_retrieval(view: View, classes: int, seed: int, resamples: int, notes: list[str]) -> dict[str, Estimate]:
    """``retrieval/<kind>/<n>x<m>/p@k`` of image → report by class, and ``…/<class>``: CheXpert's 5x200 or 8x200.

    CheXpert's classes where the cohort has labels of them, else its own commonest. Where 200 a class cannot be had the
    note says how many there are, and the number shrinks to them, down to 10 a class, and is part of the key.
    """
    if not view.labels:
        raise NotComputable("no labels")
    view = view.reported
    if not len(view):
        raise NotComputable("no study has a report")
    named = CLASSES[classes]
    own = not set(named) - {NO_FINDING} <= set(view.labels)
    try:
        names = commonest_classes(view.labels, classes) if own else named
        try:
            sample = class_sample(view.labels, names, PER_CLASS, seed)
        except TooFewStudies as reason:
            sample = class_sample(view.labels, names, PER_CLASS, seed, least=DEPTHS[-1])
            notes.append(f"retrieval by class, {view.kind}: {sample.name} in place of {classes}x{PER_CLASS}; {reason}")
    except TooFewStudies as reason:
        raise NotComputable(str(reason)) from reason
    if own:
        notes.append(
            f"retrieval by class, {view.kind}, {sample.name}: commonest findings, for lack of CheXpert's classes"
        )
    bootstrap = PatientBootstrap([view.patients[row] for row in sample.rows], resamples, seed)
    queries, answers = view.table.embedding[sample.rows], view.reports[sample.rows]
    figures = {}
    for k in DEPTHS:
        precision = class_precision(queries, answers, sample, k)
        key = f"retrieval/{view.kind}/{sample.name}/p@{k}"
        figures[key] = mean_estimate(precision, bootstrap)
        for number, name in enumerate(sample.classes):
            here = sample.numbers == number
            figures[f"{key}/{name}"] = mean_estimate(precision[here], bootstrap.of(here))
    figures[f"retrieval/{view.kind}/{sample.name}/chance"] = Estimate(1 / classes, n=len(sample.rows))
    return figures


def _patient_numbers(query: View, answers: View) -> tuple[Int[ndarray, "queries"], Int[ndarray, "candidates"]]:
    numbers: dict[str, int] = {}
    encode = [np.array([numbers.setdefault(p, len(numbers)) for p in part.patients]) for part in (query, answers)]
    return encode[0], encode[1]
