"""What is no measurement is refused by every metric: NaN and infinite scores, labels that are neither 1, 0 nor unknown.

And what is empty has no value, rather than one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from unimedi.evaluation.probes.linear import Features
from unimedi.evaluation.retrieval.by_class import class_sample, exclusive_classes
from unimedi.evaluation.slices.choices import slabs_by_score
from unimedi.evaluation.slices.measurements import enrichment
from unimedi.evaluation.slices.measures import within_volume_ap, within_volume_auroc
from unimedi.evaluation.slices.selection_stability import stability_measurements
from unimedi.metrics import classification as one
from unimedi.metrics import space
from unimedi.metrics.auroc import auroc, column_aurocs, macro_auroc, resampled_auroc
from unimedi.metrics.bootstrap import PatientBootstrap, average_estimates, interval, mean_estimate
from unimedi.metrics.multiclass import multiclass_measurements
from unimedi.metrics.overlap import trivial
from unimedi.metrics.recall import chance_of_hit, first_right_rank, precision_at_k
from unimedi.representation.table import EmbeddingTable

COUNT = 6
PRESENT = np.arange(COUNT) % 2 == 0
LABELS = {"a": PRESENT * 1.0, "b": ~PRESENT * 1.0}
BOOTSTRAP = PatientBootstrap([str(i) for i in range(COUNT)], 5, 0)
WEIGHTS = np.ones((1, COUNT))
SQUARE = np.random.default_rng(0).random((COUNT, COUNT))


def both(scores: np.ndarray) -> dict[str, np.ndarray]:
    return {"a": scores, "b": np.linspace(0, 1, COUNT)}


def square(scores: np.ndarray) -> np.ndarray:
    """A matrix that has the scores in a column: embeddings, similarities, slabs."""
    return np.column_stack([scores, SQUARE])


def decided(labels: dict[str, np.ndarray], scores: dict[str, np.ndarray], threshold: float = 0.5) -> object:
    return one.decision_measurements(scores, scores, labels, dict.fromkeys(labels, threshold), BOOTSTRAP)


OF_SCORES: dict[str, Callable[[np.ndarray], Any]] = {
    "auroc": lambda s: auroc(s, PRESENT),
    "aurocs of resamples": lambda s: resampled_auroc(BOOTSTRAP, s, PRESENT),
    "macro auroc": lambda s: macro_auroc(both(s), LABELS, BOOTSTRAP),
    "average precision": lambda s: one.average_precision(WEIGHTS, s, PRESENT),
    "calibration error": lambda s: one.calibration_error(WEIGHTS, s, PRESENT),
    "threshold": lambda s: one.best_threshold(s, PRESENT),
    "column aurocs": lambda s: column_aurocs(square(s), PRESENT),
    "decision": lambda s: decided(LABELS, both(s)),
    "choice": lambda s: multiclass_measurements(both(s), LABELS, BOOTSTRAP),
    "features of a probe": lambda s: Features(square(s), LABELS),
    "first right rank": lambda s: first_right_rank(square(s), square(s) == 0),
    "precision at k": lambda s: precision_at_k(square(s), square(s) == 0, 2),
    "modality probe": lambda s: space.modality_probe(square(s), PRESENT.astype(int), np.arange(COUNT), 2),
    "paired cosines": lambda s: space.paired_cosines(square(s), square(s)),
    "centroid gap": lambda s: space.centroid_gap(square(s), square(s)),
    "effective rank": lambda s: space.effective_rank(square(s)),
    "silhouettes": lambda s: space.silhouettes(square(s), PRESENT.astype(int)),
    "linear CKA": lambda s: space.linear_cka(SQUARE, square(s)),
    "neighbours": lambda s: space.neighbour_agreement(square(s), np.arange(COUNT), np.arange(COUNT + 1), 2),
    "AUROC within a volume": lambda s: within_volume_auroc(square(s), square(s) > 0.5),
    "AP within a volume": lambda s: within_volume_ap(square(s), square(s) > 0.5),
    "chosen slabs": lambda s: slabs_by_score(square(s), 2),
    "stability": lambda s: stability_measurements(square(np.ones(COUNT)), {"other": square(s)}, (1,), BOOTSTRAP),
    "table": lambda s: EmbeddingTable(tuple("abcdef"), ("CT",) * COUNT, square(s), ""),
    "slice scores": lambda s: EmbeddingTable(tuple("abcdef"), ("CT",) * COUNT, SQUARE, "", slice_scores=square(s)),
}
BELOW_ALL = ("first right rank", "precision at k", "neighbours")  # -inf is a candidate that does not count


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", OF_SCORES)
def test_a_score_that_is_not_finite_is_refused_and_named(name: str, value: float) -> None:
    scores = np.linspace(0, 1, COUNT)
    OF_SCORES[name](scores)
    if value == -np.inf and name in BELOW_ALL:
        return
    scores[2] = value
    with pytest.raises(ValueError, match=f"expected .*, got {value} for (study|study number|query|volume number) [2c]"):
        OF_SCORES[name](scores)


OF_LABELS: dict[str, Callable[[dict[str, np.ndarray]], Any]] = {
    "macro auroc": lambda labels: macro_auroc(both(SQUARE[0]), labels, BOOTSTRAP),
    "decision": lambda labels: decided(labels, both(SQUARE[0])),
    "choice": lambda labels: multiclass_measurements(both(SQUARE[0]), labels, BOOTSTRAP),
    "labels of a probe": lambda labels: Features(SQUARE, labels),
    "exclusive classes": lambda labels: exclusive_classes(labels, ("a", "b")),
    "class sample": lambda labels: class_sample(labels, ("a", "b"), 1),
    "trivial masks": lambda labels: trivial(np.stack(list(labels.values()), axis=1), tuple(labels)),
}


@pytest.mark.parametrize("value", [-1.0, 0.5, 2.0, np.inf])
@pytest.mark.parametrize("name", OF_LABELS)
def test_a_label_that_is_none_is_refused_and_unknown_is_not(name: str, value: float) -> None:
    for odd in (np.nan, value):
        labels = {key: column.copy() for key, column in LABELS.items()}
        labels["a"][4] = odd
        if np.isnan(odd):
            OF_LABELS[name](labels)
            continue
        with pytest.raises(
            ValueError, match=rf"a: expected labels 1, 0 or NaN \(unknown\), got {value:g} for study n.* 4"
        ):
            OF_LABELS[name](labels)


def test_other_things_that_are_no_measurement() -> None:
    for odd, said in ((-0.1, "got -0.1 for study number 2"), (1.5, "got 1.5")):
        scores = np.linspace(0, 1, COUNT)
        scores[2] = odd
        with pytest.raises(ValueError, match=f"expected probabilities from 0 to 1, {said}"):
            one.calibration_error(WEIGHTS, scores, PRESENT)
    with pytest.raises(ValueError, match="a: expected a finite threshold, got nan"):
        decided(LABELS, both(SQUARE[0]), np.nan)
    for value in (np.inf, -np.inf):
        with pytest.raises(ValueError, match=f"NaN where there is none, got {value} for study number 1"):
            mean_estimate(np.array([1.0, value, np.nan, 0, 0, 0]), BOOTSTRAP)
    with pytest.raises(ValueError, match="expected two modalities to tell apart, got 1"):
        space.modality_probe(SQUARE, np.zeros(COUNT, int), np.arange(COUNT))


def test_what_is_empty_or_of_one_class_has_no_value() -> None:
    nobody, none, nothing = PatientBootstrap([], 4, 0), np.zeros(0), np.zeros(0, bool)
    row = nobody.weights
    assert np.isnan(auroc(none, nothing))
    assert np.isnan(one.best_threshold(none, nothing))
    for values in (
        resampled_auroc(nobody, none, nothing),
        nobody.means(none),
        one.average_precision(row, none, nothing),
        one.calibration_error(row, none, nothing),
        *one.at_threshold(row, nothing, nothing).values(),
    ):
        assert values.shape == (4,)
        assert np.isnan(values).all()
    assert np.isnan(mean_estimate(none, nobody).value)
    assert np.isnan(average_estimates([]).value)
    assert np.isnan(interval(none)).all()
    for label in (np.zeros(COUNT, bool), np.ones(COUNT, bool)):
        assert np.isnan(resampled_auroc(BOOTSTRAP, SQUARE[0], label)).all()
        assert np.isnan(column_aurocs(SQUARE, label)).all()
    assert np.isnan(enrichment(np.ones(COUNT), np.zeros(COUNT), BOOTSTRAP).value)
    assert np.isnan(space.paired_cosines(SQUARE[:1], SQUARE[:1])[1]).all()
    assert chance_of_hit(np.zeros((2, 3), bool), 2) == 0
    assert np.isinf(first_right_rank(SQUARE, np.zeros_like(SQUARE, dtype=bool))).all()
