"""A figure with its interval: patient bootstrap, area under the ROC curve, differences of two methods.

Images of one patient are not independent, so what is drawn with replacement is the *patient*. A resample is a weight
per study (how often its patient was drawn); every statistic is computed from weights for all resamples at once, and two
methods compared on the same resamples give a paired difference.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.errors import InputError
from unimedi.files.atomic import write_json
from unimedi.metrics.checks import presence, refuse_not_finite


class NotComputable(Exception):  # noqa: N818 (an answer about the cohort, not a fault)
    """A task that this cohort cannot answer (no masks, one modality...); the message says why, in one clause."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value, its 95 % interval (NaN where there is none) and the number of studies, queries or volumes behind it.

    ``resampled`` is the value in every resample of the patients: what a paired difference to another run is made of.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    resampled: Float[ndarray, "resamples"] | None = field(default=None, repr=False, compare=False)

    @property
    def significant(self) -> bool:
        """Of a difference: whether its interval leaves 0 out (a difference without an interval is not)."""
        return self.low > 0 or self.high < 0

    def to_json(self) -> dict[str, float | int | None]:
        """A JSON object; a value that is not finite becomes null (JSON has no NaN)."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        return {name: round(v, 6) if math.isfinite(v) else None for name, v in numbers.items()} | {"n": self.n}


class PatientBootstrap:
    """Resamples of patients: ``weights[r, i]`` is how often study i's patient was drawn in resample r.

    Deterministic by ``seed``; the order of patients is that of their first study.
    """

    def __init__(self, patients: Sequence[str], resamples: int = 1000, seed: int = 0) -> None:
        order = {patient: i for i, patient in enumerate(dict.fromkeys(patients))}
        index = np.array([order[patient] for patient in patients], dtype=np.int64)
        count = len(order)
        drawn = np.random.default_rng(seed).integers(0, count, size=(resamples, count)) if count else None
        flat = np.zeros(resamples * count) if drawn is None else np.bincount(
            (drawn + count * np.arange(resamples)[:, None]).ravel(), minlength=resamples * count
        ).astype(np.float64)  # fmt: skip
        self.weights: Float[ndarray, "resamples studies"] = flat.reshape(resamples, count)[:, index]

    def of(self, rows: Bool[ndarray, "studies"] | Int[ndarray, "kept"]) -> "PatientBootstrap":
        """The same resamples for some of the studies."""
        part = PatientBootstrap.__new__(PatientBootstrap)
        part.weights = self.weights[:, rows]
        return part

    def means(self, values: Float[ndarray, "studies"]) -> Float[ndarray, "resamples"]:
        """The mean of a per-study value in every resample; studies whose value is NaN are left out.

        Raises ValueError on a value that is infinite.
        """
        known = ~np.isnan(values)
        refuse_not_finite(np.where(known, values, 0.0), "values, or NaN where there is none")
        weights = self.weights[:, known]
        with np.errstate(invalid="ignore"):
            return np.asarray(weights @ values[known] / weights.sum(axis=1))

    def aurocs(
        self, scores: Float[ndarray, "studies"], present: Bool[ndarray, "studies"]
    ) -> Float[ndarray, "resamples"]:
        """The weighted area under the ROC curve in every resample; NaN in those that drew one class only.

        Raises ValueError on a score that is not finite.
        """
        refuse_not_finite(scores, "scores")
        order = np.argsort(scores, kind="stable")
        weights, label = self.weights[:, order], present[order]
        starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # the first of each run of equal scores
        positive, negative = weights * label, weights * ~label
        if len(starts) < len(label):
            positive, negative = (np.add.reduceat(counts, starts, axis=1) for counts in (positive, negative))
        below = np.cumsum(negative, axis=1)  # wins, and half of the ties
        negative /= 2
        below -= negative
        below *= positive
        with np.errstate(invalid="ignore"):
            return np.asarray(below.sum(axis=1) / (positive.sum(axis=1) * (2 * negative.sum(axis=1))))


def auroc(scores: Float[ndarray, "studies"], present: Bool[ndarray, "studies"]) -> float:
    """Area under the ROC curve, NaN where only one class is there.

    What scikit-learn's ``roc_auc_score`` gives, to the last bit, without its checks: thousands are asked for.
    Raises ValueError on a score that is not finite.
    """
    refuse_not_finite(scores, "scores")
    if not 0 < present.sum() < len(present):
        return math.nan
    order = np.argsort(scores, kind="stable")[::-1]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # the last of each run of equal scores
    hits = np.cumsum(present[order], dtype=np.float64)[ends]
    alarms = 1.0 + ends - hits
    if len(ends) > 2:  # a point on the line between its neighbours adds nothing
        corner = np.concatenate([[True], (np.diff(alarms, 2) != 0) | (np.diff(hits, 2) != 0), [True]])
        hits, alarms = hits[corner], alarms[corner]
    hits, alarms = (np.concatenate([[0.0], counts]) for counts in (hits, alarms))
    return float(np.trapezoid(hits / hits[-1], alarms / alarms[-1]))


def interval(resampled: Float[ndarray, "resamples"]) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of a statistic over resamples; NaN where no resample has a value."""
    known = resampled[~np.isnan(resampled)]
    if known.size == 0:
        return math.nan, math.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def mean_figure(values: Float[ndarray, "studies"], bootstrap: PatientBootstrap) -> Figure:
    """The mean of a per-study value with its interval; NaN values (not applicable) are left out of both."""
    known = ~np.isnan(values)
    if not known.any():
        return Figure(math.nan)
    means = bootstrap.means(values)
    return Figure(float(values[known].mean()), *interval(means), n=int(known.sum()), resampled=means)


def mean_figures(figures: Sequence[Figure], n: int | None = None) -> Figure:
    """The unweighted mean of figures over seeds, findings or classes, resample by resample; NaN does not count.

    All come from equal ``PatientBootstrap``s; without the resamples of one there is no interval. ``n`` is the number of
    studies behind all of them, where that is more than behind any single one.
    """
    values = np.array([figure.value for figure in figures])
    n = max((figure.n for figure in figures), default=0) if n is None else n
    if np.isnan(values).all():
        return Figure(math.nan)
    parts = [figure.resampled for figure in figures if figure.resampled is not None]
    value = float(np.nanmean(values))
    if len(parts) < len(figures):
        return Figure(value, n=n)
    resampled = mean_known(np.stack(parts))
    return Figure(value, *interval(resampled), n=n, resampled=resampled)


def mean_by_key(runs: Sequence[Mapping[str, Figure]]) -> dict[str, Figure]:
    """The mean of every figure over the seeds of one experiment, all of the same keys."""
    return {key: mean_figures([run[key] for run in runs]) for key in runs[0]}


@dataclass(frozen=True, slots=True)
class MacroAuroc:
    """AUROC of every computable finding, and their mean."""

    by_finding: dict[str, Figure]
    figure: Figure


def macro_auroc(
    scores: Mapping[str, Float[ndarray, "studies"]],
    labels: Mapping[str, Float[ndarray, "studies"]],
    bootstrap: PatientBootstrap,
) -> MacroAuroc:
    """Unweighted mean of AUROC over all findings that have a score and both classes.

    ``labels`` hold 1, 0 or NaN (unknown: left out of that finding). Raises NotComputable if no finding has both,
    ValueError on a score that is not finite and on any other label.
    """
    by_finding = {}
    for finding in scores:
        known, there = presence(labels[finding], finding)
        present = there[known]
        if not 0 < present.sum() < present.size:
            continue
        value = auroc(scores[finding][known], present)
        part = bootstrap.of(known).aurocs(scores[finding][known], present)
        by_finding[finding] = Figure(value, *interval(part), n=int(known.sum()), resampled=part)
    if not by_finding:
        raise NotComputable("no finding has both classes in this split")
    return MacroAuroc(by_finding, mean_figures([*by_finding.values()], bootstrap.weights.shape[1]))


def mean_of(runs: Sequence[MacroAuroc]) -> MacroAuroc:
    """The mean over seeds of one experiment."""
    return MacroAuroc(mean_by_key([run.by_finding for run in runs]), mean_figures([run.figure for run in runs]))


def seed_spread(key: str, runs: Sequence[Figure]) -> dict[str, Figure]:
    """``<key>_seed_sd``: the sample SD of a figure over the seeds of one experiment, n of them; nothing of one."""
    if len(runs) < 2:
        return {}
    return {f"{key}_seed_sd": Figure(float(np.std([run.value for run in runs], ddof=1)), n=len(runs))}


def difference(ours: MacroAuroc, other: MacroAuroc) -> Figure:
    """Ours minus the other on the same resamples: a gain whose interval holds 0 is not significant."""
    return paired_difference(ours.figure, other.figure)


def paired_difference(ours: Figure, other: Figure) -> Figure:
    """Ours minus the other's, by paired bootstrap: in every resample both are measured on the same drawn patients.

    Both must come from equal ``PatientBootstrap``s (patients, number and seed); what is between two runs is seen to by
    :mod:`unimedi.evaluation.comparison`. Raises ValueError where either has no resamples or their numbers differ.
    """
    counts = [None if figure.resampled is None else len(figure.resampled) for figure in (ours, other)]
    if ours.resampled is None or other.resampled is None or counts[0] != counts[1]:
        raise InputError(f"expected two figures with the same number of resamples, got {counts[0]} and {counts[1]}")
    gained = ours.resampled - other.resampled
    return Figure(ours.value - other.value, *interval(gained), n=ours.n, resampled=gained)


def write_metrics(figures: Mapping[str, Figure], path: Path) -> None:
    """Write the flat ``key → {value, low, high, n}`` as JSON, whole or not at all."""
    write_json(path, {key: figure.to_json() for key, figure in figures.items()})


def read_metrics(path: Path) -> dict[str, Figure]:
    """Read what :func:`write_metrics` wrote; null becomes NaN again."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    figures = {}
    for key, row in raw.items():
        value, low, high = (math.nan if row[name] is None else float(row[name]) for name in ("value", "low", "high"))
        figures[key] = Figure(value, low, high, int(row["n"]))
    return figures


def mean_known(rows: Float[ndarray, "findings resamples"]) -> Float[ndarray, "resamples"]:
    """The mean over the first axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    return np.asarray(np.where(known, rows, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan))


def percent(fraction: float) -> str:
    """0.01 as ``1%``, the way keys of metrics.json have it."""
    return f"{fraction * 100:g}%"
