"""Linear probe: L2-regularised logistic regression on frozen features, its C chosen on validation patients.

One C for all findings of an experiment: with few validation positives a choice for each finding would be noise. Small
shares of the labels are drawn anew for each seed, stratified so that every finding keeps some positives.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from unimedi.adaptation.subset import Labels, Scores, stratified_subset
from unimedi.metrics.auroc import auroc
from unimedi.metrics.checks import known_and_positive, refuse_not_finite

C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # scikit-learn's C, the inverse of the L2 weight; features are standardised

Line = tuple[Float[ndarray, "dim"], float]  # weights and intercept


@dataclass(frozen=True)
class Features:
    """Frozen features of one split with the labels of the same studies.

    Raises InputError on a feature that is not finite and on a label that is not 1, 0 or NaN.
    """

    x: Float[ndarray, "studies dim"]
    labels: Labels

    def __post_init__(self) -> None:
        refuse_not_finite(self.x, "features")
        for name, values in self.labels.items():
            known_and_positive(values, name)


Fit = Callable[[Features, Features, Features], Scores]  # (training, validation, test) -> scores of the test studies


def probe_scores(
    train: Features, validation: Features, test: Features, count: int, seeds: Sequence[int], fit: Fit | None = None
) -> list[Scores]:
    """Test scores of one probe for each seed of the draw of ``count`` training studies.

    ``fit`` is the protocol, :func:`fit_and_score` by default. Where count reaches the whole training set there is
    nothing to draw and one seed is run.
    """
    runs = []
    for seed in seeds if count < len(train.x) else seeds[:1]:
        chosen = stratified_subset(train.labels, count, seed)
        part = Features(train.x[chosen], {name: values[chosen] for name, values in train.labels.items()})
        runs.append((fit or fit_and_score)(part, validation, test))
    return runs


def fit_and_score(train: Features, validation: Features, test: Features) -> Scores:
    """Fit one probe a finding, at the C with the best validation macro AUROC; return test scores (logits).

    A finding of which the training part holds one class only cannot be learnt: every study scores the same, the log
    odds of its share (with half a study of each class added), an AUROC of .5.
    """
    mean, std = train.x.mean(axis=0), train.x.std(axis=0) + 1e-6
    standard = [(part.x - mean) / std for part in (train, validation, test)]
    best: dict[str, Line] = {}
    best_value = -math.inf
    for c in C_GRID:
        fitted = {}
        with threadpool_limits(limits=1, user_api="blas"):  # the products are small: threads would wait for each other
            for name, values in train.labels.items():
                known = ~np.isnan(values)
                if len(np.unique(values[known])) == 2:
                    fitted[name] = _logistic(standard[0][known], values[known], c)
        areas = [
            auroc(standard[1][known] @ weights, values[known] == 1)
            for name, (weights, _) in fitted.items()
            for values in [validation.labels[name]]
            for known in [~np.isnan(values)]
        ]
        areas = [area for area in areas if not math.isnan(area)]
        value = float(np.mean(areas)) if areas else 0.0
        if value > best_value:
            best, best_value = fitted, value
    lines = {name: best.get(name) or _constant(values, test.x.shape[1]) for name, values in train.labels.items()}
    return {name: standard[2] @ weights + bias for name, (weights, bias) in lines.items()}


def _constant(values: Float[ndarray, "studies"], dim: int) -> Line:
    positives, known = float((values == 1).sum()), float((~np.isnan(values)).sum())
    return np.zeros(dim), math.log((positives + 0.5) / (known - positives + 0.5))


def _logistic(x: Float[ndarray, "studies dim"], y: Float[ndarray, "studies"], c: float) -> Line:
    # With fewer studies than features the solution is the same one in the space of the studies, and smaller there.
    basis = None
    if x.shape[0] < x.shape[1]:
        basis = np.linalg.qr(x.T)[0]
        x = x @ basis
    model = LogisticRegression(C=c, solver="newton-cholesky", max_iter=50, tol=1e-5)
    with warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y == 1)
    weights = model.coef_[0] if basis is None else basis @ model.coef_[0]
    return np.asarray(weights), float(model.intercept_[0])
