"""The tasks that need embeddings only: zero-shot, retrieval, the space. What a cohort lacks raises NotComputable."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.representation.embedder import Embedder
from unimedi.representation.space import centroid_gap, effective_rank, modality_probe, paired_cosines
from unimedi.retrieval.metrics import chance_of_hit, first_right_rank, precision_at_k, same_group
from unimedi.transfer.metrics import Figure, NotComputable, PatientBootstrap, macro_auroc, mean_figure
from unimedi.transfer.task import View
from unimedi.transfer.zero_shot import PromptSet, finding_scores

DEPTHS = (1, 5, 10)  # k of recall and precision at k


def zero_shot(view: View, embedder: Embedder, prompts: PromptSet, notes: list[str]) -> dict[str, Figure]:
    """``zero_shot/<kind>/auroc`` over all findings with prompts and both classes, and each of them."""
    if not view.labels:
        raise NotComputable("no labels")
    scores = finding_scores(view.table.embedding, embedder.texts, prompts, list(view.labels), embedder.scale)
    if missing := sorted(set(view.labels) - set(scores)):
        notes.append(f"zero-shot, {view.kind}: no prompts in {prompts.name} for {', '.join(missing)}")
    result = macro_auroc(scores, view.labels, view.bootstrap)
    if single := sorted(set(scores) - set(result.by_finding)):
        notes.append(f"zero-shot, {view.kind}: only one class in this split for {', '.join(single)}")
    key = f"zero_shot/{view.kind}/auroc"
    return {key: result.figure} | {f"{key}/{name}": figure for name, figure in result.by_finding.items()}


def report_retrieval(view: View) -> dict[str, Figure]:
    """``retrieval/<kind>/{image_to_report,report_to_image}/r@k``; duplicates of a report count as right."""
    if len(view) < 2:
        raise NotComputable("fewer than two studies")
    similarity = view.table.embedding @ view.reports.T
    right = same_group(view.groups, view.groups)
    figures = recall_figures(f"retrieval/{view.kind}/image_to_report", similarity, right, view.bootstrap)
    return figures | recall_figures(f"retrieval/{view.kind}/report_to_image", similarity.T, right, view.bootstrap)


def recall_figures(
    prefix: str,
    similarity: Float[ndarray, "queries candidates"],
    right: Bool[ndarray, "queries candidates"],
    bootstrap: PatientBootstrap,
) -> dict[str, Figure]:
    """R@k for k in 1, 5, 10 with the chance of a blind guess. Candidates stay fixed; queries are resampled."""
    ranks = first_right_rank(similarity, right)
    figures = {}
    for k in DEPTHS:
        figures[f"{prefix}/r@{k}"] = mean_figure((ranks <= k).astype(np.float64), bootstrap)
        figures[f"{prefix}/chance@{k}"] = Figure(chance_of_hit(right, k), n=len(right))
    return figures


def pairs(xray: View, ct: View) -> list[tuple[int, int]]:
    """Rows (xray, ct) of the patients that have both; a patient's first study of each counts."""
    first_ct = {patient: row for row, patient in reversed(list(enumerate(ct.patients)))}
    first_xray = {patient: row for row, patient in reversed(list(enumerate(xray.patients)))}
    return [(row, first_ct[patient]) for patient, row in sorted(first_xray.items()) if patient in first_ct]


def paired_retrieval(xray: View, ct: View, seed: int, resamples: int) -> dict[str, Figure]:
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
    figures["space/paired_cosine"] = mean_figure(paired.astype(np.float64), bootstrap)
    figures["space/unpaired_cosine"] = mean_figure(unpaired.astype(np.float64), bootstrap)
    figures["space/paired_minus_unpaired_cosine"] = mean_figure((paired - unpaired).astype(np.float64), bootstrap)
    return figures


def finding_retrieval(query: View, answers: View, direction: str) -> dict[str, Figure]:
    """``cross_modal/findings/<direction>/p@k``: share of the k nearest that share a finding (or are normal too).

    Studies of the query's own patient are taken out, so that this is not the paired task again.
    """
    names = sorted(set(query.labels) & set(answers.labels))
    if not names:
        raise NotComputable("no finding is labelled in both modalities")
    ours = np.stack([query.labels[name] for name in names], axis=1) == 1
    theirs = np.stack([answers.labels[name] for name in names], axis=1) == 1
    both_normal = ~ours.any(axis=1)[:, None] & ~theirs.any(axis=1)[None, :]
    shared = (ours.astype(np.int64) @ theirs.T.astype(np.int64) > 0) | both_normal
    other = ~same_group(*_patient_numbers(query, answers))
    similarity = np.where(other, query.table.embedding @ answers.table.embedding.T, -np.inf)
    figures = {}
    for k in DEPTHS:
        precision = precision_at_k(similarity, shared & other, k)
        figures[f"cross_modal/findings/{direction}/p@{k}"] = mean_figure(precision, query.bootstrap)
    figures[f"cross_modal/findings/{direction}/chance"] = Figure(float(shared[other].mean()), n=len(query))
    return figures


def space(views: Mapping[str, View]) -> dict[str, Figure]:
    """``space/…``: effective rank of each modality, and the gap of their centroids."""
    figures = {
        f"space/{kind}/effective_rank": Figure(effective_rank(view.table.embedding), n=len(view))
        for kind, view in views.items()
    }
    if len(views) == 2:
        gap = centroid_gap(*(view.table.embedding for view in views.values()))
        figures["space/centroid_gap"] = Figure(gap, n=sum(len(view) for view in views.values()))
    return figures


def modality_figure(xray: View, ct: View, seed: int, resamples: int) -> dict[str, Figure]:
    """``space/modality_probe``: how well a line tells X-ray from CT, the mean of both rates (.5: one space)."""
    patients = [*xray.patients, *ct.patients]
    modality = np.repeat([0, 1], [len(xray), len(ct)])
    numbers = np.unique(patients, return_inverse=True)[1]
    try:
        correct = modality_probe(np.concatenate([xray.table.embedding, ct.table.embedding]), modality, numbers)
    except ValueError as error:
        raise NotComputable(str(error)) from error
    share = np.where(modality == 0, len(xray), len(ct)) / len(modality)
    bootstrap = PatientBootstrap(patients, resamples, seed)
    return {"space/modality_probe": mean_figure(correct * 0.5 / share, bootstrap)}


def _patient_numbers(query: View, answers: View) -> tuple[Int[ndarray, "queries"], Int[ndarray, "candidates"]]:
    numbers: dict[str, int] = {}
    encode = [np.array([numbers.setdefault(p, len(numbers)) for p in part.patients]) for part in (query, answers)]
    return encode[0], encode[1]
