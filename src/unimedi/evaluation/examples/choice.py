"""The examples of the sections on the cohort, on retrieval and on slice selection, evenly chosen and not picked."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from unimedi.evaluation.examples.pictures import (
    evenly,
    example,
    findings_of,
    largest_section,
    lung_grey,
    report_example,
)
from unimedi.evaluation.record import Example, Queries, Query, SliceSelection, Strip
from unimedi.evaluation.result import SliceResults
from unimedi.evaluation.slices.choices import middle_planes
from unimedi.evaluation.split import EvalSplit
from unimedi.inputs.store import Store
from unimedi.metrics.recall import same_group

COHORT, STRIPS, QUERIES, ANSWERS = 12, 8, 6, 5  # studies, volumes, queries, and answers to each that are shown


def cohort_examples(split: EvalSplit, store: Store) -> tuple[Example, ...]:
    """The first study of each combination of findings, those with a single finding first."""
    order = sorted(range(len(split)), key=lambda row: (len(split.positives(row)) != 1, row))
    met = set[tuple[str, ...]]()
    picked = []
    for row in order:
        if (findings := findings_of(split, row)) not in met or not findings:
            met.add(findings)
            picked.append(row)
    return tuple(
        Example(split.table.study_ids[row], findings_of(split, row), largest_section(split, row, store))
        for row in picked[:COHORT]
    )


def report_queries(split: EvalSplit, store: Store) -> tuple[Queries, ...]:
    """Image → report and report → image; right is the query's own report, or one of the same words."""
    if not len(split):
        return ()
    similarity = split.table.embedding @ split.reports.T
    right = same_group(split.groups, split.groups)
    to_report, to_image = [], []
    for row in evenly(len(split), QUERIES):
        first, own = _first(similarity[row]), example(split, row, store)
        answers = tuple(report_example(split, i) for i in first)
        to_report.append(Query(own, answers, tuple(bool(right[row, i]) for i in first)))
        first, own = _first(similarity[:, row]), report_example(split, row)
        answers = tuple(example(split, i, store) for i in first)
        to_image.append(Query(own, answers, tuple(bool(right[row, i]) for i in first)))
    return Queries(split.kind, "report", tuple(to_report)), Queries("report", split.kind, tuple(to_image))


def patient_queries(query: EvalSplit, answers: EvalSplit, store: Store) -> Queries:
    """Studies of one modality and the nearest of the other; right is the same patient."""
    patients = set(answers.patients)
    both = [row for row in range(len(query)) if query.patients[row] in patients] or list(range(len(query)))
    found = []
    for place in evenly(len(both), QUERIES):
        row = both[place]
        first = _first(answers.table.embedding @ query.table.embedding[row])
        right = tuple(answers.patients[i] == query.patients[row] for i in first)
        found.append(Query(example(query, row, store), tuple(example(answers, i, store) for i in first), right))
    return Queries(query.kind, answers.kind, tuple(found))


def slice_examples(split: EvalSplit, store: Store, results: SliceResults, selector: str) -> SliceSelection:
    """Slabs, scores and the true extent of lesions in evenly chosen volumes."""
    planes, scores = results.lesion_planes, results.slab_scores
    strips = []
    for place in evenly(len(scores), STRIPS):
        row = results.lesion_rows[place]
        pixels = store.pixels(split.indices[row])
        slabs = scores.shape[1]
        strips.append(
            Strip(
                findings_of(split, row),
                lung_grey(pixels[middle_planes(slabs, len(pixels))]),
                scores[place],
                planes[place],
                slabs_taken(split, row, slabs, len(pixels)),
            )
        )
    selected = split.table.selected
    slices = None if selected is None else selected.shape[1]
    return SliceSelection(len(results.lesion_rows), slices, selector, tuple(strips))


def slabs_taken(split: EvalSplit, row: int, slab_count: int, depth: int) -> tuple[int, ...]:
    """The slabs whose middle plane (of the ``depth`` stored ones) the model takes of a volume, by its own selector."""
    if split.table.selected is None:
        return ()
    return tuple(np.flatnonzero(np.isin(middle_planes(slab_count, depth), split.table.selected[row])).tolist())


def _first(similarity: Float[ndarray, "candidates"]) -> list[int]:
    order: list[int] = np.argsort(-similarity, kind="stable")[:ANSWERS].tolist()
    return order
