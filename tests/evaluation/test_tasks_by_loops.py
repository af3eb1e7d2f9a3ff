"""Tasks on embeddings against slow loops over studies: unknown labels, several studies of a patient, ties."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from tests.evaluation.probes.test_linear import world
from tests.reporting.test_zero_shot import view
from unimedi.evaluation.probes.linear import C_GRID, fit_and_score
from unimedi.evaluation.retrieval.tasks import finding_retrieval, recall
from unimedi.evaluation.space import modality_probe, neighbour_agreement, single_findings
from unimedi.evaluation.split import EvalSplit
from unimedi.evaluation.zero_shot.prompts import PromptVectors
from unimedi.evaluation.zero_shot.tasks import prompt_spread
from unimedi.metrics import space
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, mean_estimate


def drawn_view(draws: np.random.Generator, studies: int, prefix: str, unknown: float = 0.3) -> EvalSplit:
    """Embeddings of few values (ties), labels of two findings, some of them unknown."""
    labels = {}
    for name in ("mass", "nodule"):
        values = draws.integers(0, 2, studies) * 1.0
        values[draws.random(studies) < unknown] = np.nan
        labels[name] = values.tolist()
    return view(labels, draws.integers(-1, 2, (studies, 3)) * 1.0, prefix)


def resampled(figure: Estimate, statistic: Callable[[Sequence[int]], float], bootstrap: PatientBootstrap) -> None:
    """The figure, and its every resample, is the statistic of the studies, each as often as it was drawn."""
    assert figure.resampled is not None
    count = bootstrap.weights.shape[1]
    for weights, value in zip([np.ones(count), *bootstrap.weights], [figure.value, *figure.resampled], strict=True):
        rows = [row for row in range(count) for _ in range(int(weights[row]))]
        assert value == pytest.approx(statistic(rows), abs=1e-9, nan_ok=True)


def mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_recall_and_its_resamples(seed: int) -> None:
    draws = np.random.default_rng(seed)
    similarity, groups = draws.integers(0, 4, (8, 8)) * 1.0, draws.integers(0, 6, 8)
    right, bootstrap = groups[:, None] == groups[None, :], PatientBootstrap([str(i // 2) for i in range(8)], 5, seed)
    figures = recall(similarity, right, bootstrap)
    for k in (1, 5, 10):
        found = []
        for row in range(8):
            order = sorted(range(8), key=lambda j: (-similarity[row, j], right[row, j]))
            found.append(float(any(right[row, j] for j in order[:k])))
        resampled(figures[f"r@{k}"], lambda rows, found=found: mean([found[row] for row in rows]), bootstrap)


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_shared_findings_need_known_labels_and_other_patients(seed: int) -> None:
    draws = np.random.default_rng(seed)
    query, answers = drawn_view(draws, 7, "p"), drawn_view(draws, 25, "p")  # p0 to p6 have both
    for seen in (query, answers):
        seen.labels["mass"][[0, 1]] = 1, 0
        seen.labels["nodule"][[0, 1]] = 0, 0

    def shown(seen: EvalSplit, row: int) -> set[str]:
        values = {name: column[row] for name, column in seen.labels.items()}
        positive = {name for name, value in values.items() if value == 1}
        return positive or ({"normal"} if all(value == 0 for value in values.values()) else set())

    candidates = {
        row: [j for j in range(25) if query.patients[row] != answers.patients[j] and shown(answers, j)]
        for row in range(7)
    }
    asked = [row for row in range(7) if shown(query, row)]
    figures = finding_retrieval(query, answers, "way").measurements
    for k in (1, 5, 10):
        share = [math.nan] * 7
        for row in asked:
            alike = {j: bool(shown(query, row) & shown(answers, j)) for j in candidates[row]}
            likeness = query.table.embedding[row] @ answers.table.embedding.T
            nearest = sorted(alike, key=lambda j, near=likeness, alike=alike: (-near[j], alike[j]))[:k]
            share[row] = sum(alike[j] for j in nearest) / k
        figure = figures[f"cross_modal/way/findings/p@{k}"]
        assert figure.n == len(asked)
        resampled(figure, lambda rows, share=share: mean([share[row] for row in rows]), query.bootstrap)
    pairs = [bool(shown(query, row) & shown(answers, j)) for row in asked for j in candidates[row]]
    assert figures["cross_modal/way/findings/chance"].value == pytest.approx(np.mean(pairs), abs=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_neighbours_agree_by_label_each_label_alike(seed: int) -> None:
    draws = np.random.default_rng(seed)
    query, answers = drawn_view(draws, 14, "q", 0.1), drawn_view(draws, 40, "a", 0.1)
    for seen in (query, answers):
        for row, present in enumerate(((1, 0), (0, 1), (0, 0))):
            seen.labels["mass"][row], seen.labels["nodule"][row] = present
    ours, theirs = single_findings(query), single_findings(answers)
    columns = [j for j in range(40) if theirs[j]]
    by_label: dict[str, dict[int, float]] = {}
    for row in (row for row in range(14) if ours[row]):
        likeness, right = query.table.embedding[row] @ answers.table.embedding.T, [t == ours[row] for t in theirs]
        nearest = sorted(columns, key=lambda j, near=likeness, right=right: (-near[j], right[j]))[:10]
        by_label.setdefault(ours[row], {})[row] = float(np.mean([right[j] for j in nearest]))
    figure = neighbour_agreement(query, answers, "way").measurements["space/way/knn_agreement"]

    def balanced(rows: Sequence[int]) -> float:
        return mean([mean([shares[row] for row in rows if row in shares]) for shares in by_label.values()])

    resampled(figure, balanced, query.bootstrap)
    assert figure.n == sum(map(len, by_label.values()))


def test_modality_probe_is_balanced_whatever_the_shares() -> None:
    draws = np.random.default_rng(0)
    xray, ct = (
        view({"mass": [0.0] * n}, draws.normal(size=(n, 3)) + shift, p) for n, shift, p in ((40, 0, "x"), (12, 1, "c"))
    )
    modality = np.repeat([0, 1], [40, 12])
    right = space.modality_probe(np.concatenate([xray.table.embedding, ct.table.embedding]), modality, np.arange(52))
    said = np.where(right == 1, modality, 1 - modality)
    figure = modality_probe(xray, ct, 0, 10).measurements["space/modality_probe"]
    assert 0.5 < figure.value == pytest.approx(balanced_accuracy_score(modality, said), abs=1e-9)
    bootstrap = PatientBootstrap([*xray.patients, *ct.patients], 10, 0)
    resampled(figure, lambda rows: float(balanced_accuracy_score(modality[list(rows)], said[list(rows)])), bootstrap)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_spread_over_prompts_is_that_of_every_pair_alone(seed: int) -> None:
    draws = np.random.default_rng(seed)
    seen = drawn_view(draws, 12, "p")
    for name in seen.labels:
        seen.labels[name][:2] = 0, 1
    several = PromptVectors(draws.integers(-2, 3, (3, 3)) * 1.0, draws.integers(-2, 3, (2, 3)) * 1.0)
    single = PromptVectors(draws.normal(size=(1, 3)), draws.normal(size=(1, 3)))
    figures = prompt_spread(seen, {"mass": several, "nodule": single})
    areas: dict[str, list[float]] = {}
    for name, sides in (("mass", several), ("nodule", single)):
        known = ~np.isnan(seen.labels[name])
        for present in sides.present:
            for absent in sides.absent:
                scores = seen.table.embedding[known] @ (present - absent)
                areas.setdefault(name, []).append(float(roc_auc_score(seen.labels[name][known], scores)))
        assert figures[f"auroc_prompt_worst/{name}"].value == pytest.approx(min(areas[name]), abs=1e-9)
    assert figures["auroc_prompt_sd/mass"].value == pytest.approx(np.std(areas["mass"], ddof=1), abs=1e-9)
    assert (figures["auroc_prompt_sd"].value, figures["auroc_prompt_sd"].n) == (
        figures["auroc_prompt_sd/mass"].value,
        6,
    )
    assert "auroc_prompt_sd/nodule" not in figures  # one pair does not vary
    assert figures["auroc_prompt_worst"].value == pytest.approx(
        np.mean([min(each) for each in areas.values()]), abs=1e-9
    )


@given(st.integers(0, 10_000))
def test_a_mean_and_its_resamples(seed: int) -> None:
    draws = np.random.default_rng(seed)
    values = draws.choice([0.0, 0.5, 1.0, np.nan], 9)
    bootstrap = PatientBootstrap([f"p{i // 2}" for i in range(9)], 6, seed)
    figure = mean_estimate(values, bootstrap)
    if not np.isnan(values).all():
        resampled(figure, lambda rows: mean([values[row] for row in rows]), bootstrap)


def test_the_probe_is_scikit_learns_at_the_strength_that_validation_prefers() -> None:
    train, validation, test = world(80, 0), world(60, 1), world(40, 2)
    scaler = StandardScaler().fit(train.x)
    best: tuple[float, dict[str, np.ndarray]] = (-1.0, {})
    for strength in C_GRID:
        areas, scores = [], {}
        for name, values in train.labels.items():
            model = LogisticRegression(C=strength, tol=1e-10, max_iter=5000).fit(scaler.transform(train.x), values)
            areas.append(
                roc_auc_score(validation.labels[name], model.decision_function(scaler.transform(validation.x)))
            )
            scores[name] = model.decision_function(scaler.transform(test.x))
        best = max(best, (float(np.mean(areas)), scores), key=lambda one: one[0])
    for name, scores in fit_and_score(train, validation, test).items():
        np.testing.assert_allclose(scores, best[1][name], atol=1e-3)  # of the solver
