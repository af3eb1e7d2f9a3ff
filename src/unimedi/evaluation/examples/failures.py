"""The worst studies of every task, by a rule and not by a person."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from unimedi.evaluation.examples.pictures import example, findings_of, lung_grey
from unimedi.evaluation.record import Failures, LateAnswer, LateAnswers, WrongCall, WrongCalls, WrongSlice
from unimedi.evaluation.result import SliceResults, ZeroShotPredictions
from unimedi.evaluation.retrieval.tasks import pairs
from unimedi.evaluation.slices.choices import middle_planes, slabs_by_score
from unimedi.evaluation.split import EvalSplit
from unimedi.inputs.store import Store
from unimedi.metrics.recall import first_right_rank, same_group

WORST = 12  # studies of a task
Misses = list[tuple[int, int, int]]


def failures(
    splits: Mapping[str, EvalSplit],
    predictions: Mapping[str, ZeroShotPredictions],
    results: SliceResults | None,
    store: Store,
) -> Failures:
    """Zero-shot both ways, retrieval both ways, the same patient, slice selection: the worst of each, worst first."""
    calls = [
        _wrong_calls(splits[modality], said, missed, store)
        for modality, said in predictions.items()
        for missed in (False, True)
    ]
    reported = [split.reported for split in splits.values()]
    reports = [late for split in reported if len(split) for late in _late_reports(split, store)]
    slices, missed = _wrong_slices(splits["ct"], results, store) if results else ((), 0)
    return Failures(tuple(calls), tuple(reports), _late_patients(splits, store), slices, missed)


def worst_calls(split: EvalSplit, predictions: ZeroShotPredictions, missed: bool) -> list[tuple[int, str, float]]:
    """(row, finding, probability) of the wrong calls furthest from the truth, at most one a study, worst first.

    Wrong: on the wrong side of the finding's threshold. ``missed`` takes the findings that were not called, else the
    false alarms. A label that is not known is left out.
    """
    found, probabilities = [], predictions.probabilities
    for finding, odds in predictions.log_odds.items():
        label = split.labels[finding]
        wrong = (label == missed) & ((probabilities[finding] >= predictions.thresholds[finding]) != missed)
        distance = -odds if missed else odds  # in log-odds: probabilities near 1 are rounded to the same number
        found += [(distance[row], row, finding) for row in np.flatnonzero(wrong).tolist()]
    worst: dict[int, tuple[int, str, float]] = {}
    for _, row, finding in sorted(found, key=lambda call: (-call[0], call[1], call[2])):
        worst.setdefault(row, (row, finding, float(probabilities[finding][row])))
    return list(worst.values())


def worst_ranks(similarity: Float[ndarray, "queries candidates"], right: Bool[ndarray, "queries candidates"]) -> Misses:
    """(query, rank of its first right answer, number of the answer that came first) of misses, worst first."""
    ranks = first_right_rank(similarity, right)
    order = np.argsort(-ranks, kind="stable")
    return [(int(q), int(ranks[q]), int(similarity[q].argmax())) for q in order if 1 < ranks[q] < np.inf]


def worst_planes(results: SliceResults, thickness: Sequence[float]) -> list[tuple[int, int, int, float]]:
    """(place among the lesion rows, chosen plane, nearest lesion plane, distance between them) of misses, worst first.

    The chosen plane is the middle of the best-scored slab, as in hit@1; ``thickness`` is a plane's, of each row.
    """
    planes, scores = results.lesion_planes, results.slab_scores
    chosen = middle_planes(scores.shape[1], planes.shape[1])[slabs_by_score(scores, 1)[:, 0]].tolist()
    found = []
    for place, plane in enumerate(chosen):
        lesion = np.flatnonzero(planes[place])
        nearest = int(lesion[np.abs(lesion - plane).argmin()])
        found.append((place, plane, nearest, float(abs(nearest - plane) * thickness[place])))
    return sorted((one for one in found if one[3]), key=lambda one: (-one[3], one[0]))


def _wrong_calls(split: EvalSplit, predictions: ZeroShotPredictions, missed: bool, store: Store) -> WrongCalls:
    calls = worst_calls(split, predictions, missed)
    worst = tuple(WrongCall(example(split, row, store), finding, value) for row, finding, value in calls[:WORST])
    return WrongCalls(split.kind, missed, len(calls), worst)


def _late_reports(split: EvalSplit, store: Store) -> list[LateAnswers]:
    similarity, right = split.table.embedding @ split.reports.T, same_group(split.groups, split.groups)
    return [
        _late(query, answer, split, split, worst_ranks(scores, right), len(split), store)
        for query, answer, scores in ((split.kind, "report", similarity), ("report", split.kind, similarity.T))
    ]


def _late_patients(splits: Mapping[str, EvalSplit], store: Store) -> tuple[LateAnswers, ...]:
    """Of the patients with an X-ray and a CT."""
    if len(splits) < 2 or len(both := pairs(splits["xray"], splits["ct"])) < 2:
        return ()
    rows = {kind: [pair[place] for pair in both] for place, kind in enumerate(("xray", "ct"))}
    found = []
    for asked, sought in (("xray", "ct"), ("ct", "xray")):
        query, answers = splits[asked], splits[sought]
        similarity = query.table.embedding[rows[asked]] @ answers.table.embedding[rows[sought]].T
        missed = [
            (rows[asked][place], rank, rows[sought][first])
            for place, rank, first in worst_ranks(similarity, np.eye(len(both), dtype=bool))
        ]
        found.append(_late(asked, sought, query, answers, missed, len(both), store))
    return tuple(found)


def _late(
    query: str, answer: str, asked: EvalSplit, sought: EvalSplit, missed: Misses, candidates: int, store: Store
) -> LateAnswers:
    worst = tuple(
        LateAnswer(example(asked, row, store), rank, findings_of(sought, first)) for row, rank, first in missed[:WORST]
    )
    return LateAnswers(query, answer, candidates, len(missed), worst)


def _wrong_slices(split: EvalSplit, results: SliceResults, store: Store) -> tuple[tuple[WrongSlice, ...], int]:
    spacings = [store.studies[split.indices[row]].spacing for row in results.lesion_rows]
    missed = worst_planes(results, [spacing[0] if spacing else 1.0 for spacing in spacings])
    worst = []
    for place, chosen, nearest, distance in missed[:WORST]:
        row = results.lesion_rows[place]
        planes = lung_grey(store.pixels(split.indices[row])[[chosen, nearest]])
        line = np.full((2, planes.shape[2]), 255, np.uint8)
        study = replace(example(split, row, store), image=np.concatenate([planes[0], line, planes[1]]))
        worst.append(WrongSlice(study, chosen, nearest, distance, bool(spacings[place])))
    return tuple(worst), len(missed)
