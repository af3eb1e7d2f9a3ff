"""What each input of a trained model is worth: zero-shot by finding and by size of lesion, image → report recall."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.slices.inputs import AS_SHIPPED, DEPTH_SHUFFLED, VOLUME_ALONE, embed_inputs
from unimedi.evaluation.slices.lesions import SIZE_BANDS_MM, Lesions
from unimedi.evaluation.slices.outcome import oracle_scores
from unimedi.evaluation.zero_shot.prompts import PromptVectors, embed_prompts, read_prompts
from unimedi.evaluation.zero_shot.tasks import log_odds
from unimedi.inputs.labels import label_columns
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import macro_auroc
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, mean_estimate, paired_difference
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.recall import first_right_rank, report_groups, same_group
from unimedi.representation.embedder import Embedder

LEAST_POSITIVES = 10  # volumes of a size; below, an AUROC is mostly chance
RANK = 10  # k of R@k

Measure = Callable[[Float[ndarray, "volumes dim"]], dict[str, Estimate]]
Labels = Mapping[str, Float[ndarray, "volumes"]]  # 1, 0, or NaN: unknown, or left out


@dataclass(frozen=True)
class Subject:
    """The volumes ``indices`` of a store, their focal lesions and resamples, and the model that reads them."""

    embedder: Embedder
    store: Store
    indices: Sequence[int]
    lesions: Lesions
    bootstrap: PatientBootstrap
    options: EvaluationOptions


def worth_of_slices(
    embedder: Embedder,
    store: Store,
    indices: Sequence[int],
    lesions: Lesions,
    options: EvaluationOptions,
    notes: list[str],
) -> dict[str, Estimate]:
    """``slice_inputs/…`` of volumes, with a lesion or without; ``lesions`` are all their focal ones.

    What this cohort cannot answer becomes a note. Raises NotComputable where the model takes no slices, or there are
    neither labels with prompts nor reports.
    """
    model = embedder.model
    if not model.config.slices:
        raise NotComputable("the model takes no slices")
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in indices], options.resamples, options.seed)
    measures = _measures(Subject(embedder, store, indices, lesions, bootstrap, options), notes)
    shown = oracle_scores(lesions.planes(), model.vision.volume_grid[0])
    embedded = embed_inputs(model, store, indices, shown, options.seed, options.batch_size)
    if DEPTH_SHUFFLED not in embedded:
        notes.append("slice inputs, depth shuffled: the stored planes do not divide into slabs of equal thickness")
    return input_figures(embedded, measures)


def _measures(subject: Subject, notes: list[str]) -> list[Measure]:
    measures = []
    for build in (zero_shot, recall):
        try:
            measures.append(build(subject, notes))
        except NotComputable as reason:
            notes.append(f"slice inputs: {reason}")
    if not measures:
        raise NotComputable("neither zero-shot nor retrieval can be measured")
    return measures


def input_figures(
    embedded: Mapping[str, Float[ndarray, "volumes dim"]], measures: Sequence[Measure]
) -> dict[str, Estimate]:
    """``slice_inputs/<input>/<figure>`` and ``…/minus_{volume_alone,as_shipped}/<figure>``, paired by patient.

    Figures: ``auroc``, ``auroc/<finding>``, ``auroc/<finding>/<band>`` and ``r@10``.
    """
    each = {name: _all(measures, rows) for name, rows in embedded.items()}
    figures = {f"slice_inputs/{name}/{key}": f for name, found in each.items() for key, f in found.items()}
    for name, found in each.items():
        for base in (VOLUME_ALONE, AS_SHIPPED):
            if name != base:
                start = f"slice_inputs/{name}/minus_{base}"
                figures |= {f"{start}/{key}": paired_difference(f, each[base][key]) for key, f in found.items()}
    return figures


def _all(measures: Sequence[Measure], rows: Float[ndarray, "volumes dim"]) -> dict[str, Estimate]:
    return {key: figure for measure in measures for key, figure in measure(rows).items()}


def zero_shot(subject: Subject, notes: list[str]) -> Measure:
    """``auroc`` over all findings with prompts and both classes, ``auroc/<finding>`` of focal ones, and by size."""
    vectors, labels = _prompted(subject, notes)
    focal = [name for name in subject.options.focal if name in labels]
    sized = by_size({name: labels[name] for name in focal}, subject.lesions, notes)

    def measure(rows: Float[ndarray, "volumes dim"]) -> dict[str, Estimate]:
        scores = log_odds(rows, vectors, subject.embedder.scale)
        result = macro_auroc(scores, labels, subject.bootstrap)
        found = {name: result.by_finding[name] for name in focal}
        if sized:
            parts = {key: scores[key.split("/")[0]] for key in sized}
            found |= macro_auroc(parts, sized, subject.bootstrap).by_finding
        return {"auroc": result.mean} | {f"auroc/{key}": figure for key, figure in found.items()}

    return measure


def _prompted(subject: Subject, notes: list[str]) -> tuple[dict[str, PromptVectors], Labels]:
    """The findings that have prompts and both classes; a note names the others."""
    options, embedder = subject.options, subject.embedder
    labels = label_columns(subject.store, subject.indices, options.classes)
    if not labels:
        raise NotComputable("no labels, so no zero-shot")
    prompts = read_prompts(options.prompt_file)
    vectors = embed_prompts(embedder.texts, prompts, list(labels))
    if unasked := sorted(labels.keys() - vectors.keys()):
        notes.append(f"slice inputs: no prompts in {prompts.name} for {', '.join(unasked)}")
    both = {name: labels[name] for name in vectors if {0.0, 1.0} <= set(labels[name].tolist())}
    if single := sorted(vectors.keys() - both.keys()):
        notes.append(f"slice inputs: only one class in this split for {', '.join(single)}")
    if not both:
        raise NotComputable("no finding has prompts and both classes, so no zero-shot")
    return {name: vectors[name] for name in both}, both


def by_size(labels: Labels, lesions: Lesions, notes: list[str]) -> dict[str, Float[ndarray, "volumes"]]:
    """``<finding>/<band>`` → labels that leave out (NaN) the positives whose largest lesion of it is not in the band.

    Negatives stay. A band with fewer than ``LEAST_POSITIVES`` positives is left out, with their number in a note.
    """
    sized, few = {}, []
    for name, values in labels.items():
        largest = lesions.largest_mm(name)
        for band, (low, high) in SIZE_BANDS_MM.items():
            inside = (largest >= low) & (largest < high)
            positives = int((inside & (values == 1)).sum())
            if positives < LEAST_POSITIVES:
                few.append(f"{name} {band} ({positives})")
            else:
                sized[f"{name}/{band}"] = np.where((values == 1) & ~inside, np.nan, values)
    if few:
        notes.append(f"slice inputs: fewer than {LEAST_POSITIVES} positives of a size, so no AUROC: {', '.join(few)}")
    return sized


def recall(subject: Subject, notes: list[str]) -> Measure:
    """``r@10`` image → report among the volumes that have one; duplicates of a report count as right."""
    texts = [subject.store.studies[i].report for i in subject.indices]
    reported = np.flatnonzero([bool(text) for text in texts])
    if len(reported) < 2:
        raise NotComputable("fewer than two volumes have a report, so no retrieval")
    asked = [texts[row] for row in reported]
    reports, groups = subject.embedder.texts(asked), report_groups(asked)
    right, resamples = same_group(groups, groups), subject.bootstrap.of(reported)

    def measure(rows: Float[ndarray, "volumes dim"]) -> dict[str, Estimate]:
        ranks = first_right_rank(rows[reported] @ reports.T, right)
        return {f"r@{RANK}": mean_estimate((ranks <= RANK).astype(np.float64), resamples)}

    return measure
