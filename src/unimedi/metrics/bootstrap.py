"""An estimate with its interval: the bootstrap over patients, means, and paired differences of two methods.

Images of one patient are not independent, so what is drawn with replacement is the *patient*. A resample is a weight
per study (how often its patient was drawn); every statistic is computed from weights for all resamples at once, and two
methods compared on the same resamples give a paired difference.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.errors import InputError
from unimedi.metrics.checks import refuse_not_finite


@dataclass(frozen=True, slots=True)
class Estimate:
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


def interval(resampled: Float[ndarray, "resamples"]) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of a statistic over resamples; NaN where no resample has a value."""
    known = resampled[~np.isnan(resampled)]
    if known.size == 0:
        return math.nan, math.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def mean_estimate(values: Float[ndarray, "studies"], bootstrap: PatientBootstrap) -> Estimate:
    """The mean of a per-study value with its interval; NaN values (not applicable) are left out of both."""
    known = ~np.isnan(values)
    if not known.any():
        return Estimate(math.nan)
    means = bootstrap.means(values)
    return Estimate(float(values[known].mean()), *interval(means), n=int(known.sum()), resampled=means)


def average_estimates(figures: Sequence[Estimate], n: int | None = None) -> Estimate:
    """The unweighted mean of figures over seeds, findings or classes, resample by resample; NaN does not count.

    All come from equal ``PatientBootstrap``s; without the resamples of one there is no interval. ``n`` is the number of
    studies behind all of them, where that is more than behind any single one.
    """
    values = np.array([figure.value for figure in figures])
    n = max((figure.n for figure in figures), default=0) if n is None else n
    if np.isnan(values).all():
        return Estimate(math.nan)
    parts = [figure.resampled for figure in figures if figure.resampled is not None]
    value = float(np.nanmean(values))
    if len(parts) < len(figures):
        return Estimate(value, n=n)
    resampled = mean_known(np.stack(parts))
    return Estimate(value, *interval(resampled), n=n, resampled=resampled)


def mean_by_key(runs: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    """The mean of every estimate over the seeds of one experiment, all of the same keys."""
    return {key: average_estimates([run[key] for run in runs]) for key in runs[0]}


def seed_spread(key: str, runs: Sequence[Estimate]) -> dict[str, Estimate]:
    """``<key>_seed_sd``: the sample SD of a figure over the seeds of one experiment, n of them; nothing of one."""
    if len(runs) < 2:
        return {}
    return {f"{key}_seed_sd": Estimate(float(np.std([run.value for run in runs], ddof=1)), n=len(runs))}


def paired_difference(ours: Estimate, other: Estimate) -> Estimate:
    """Ours minus the other's, by paired bootstrap: in every resample both are measured on the same drawn patients.

    Both must come from equal ``PatientBootstrap``s (patients, number and seed); what is between two runs is seen to by
    :mod:`unimedi.evaluation.comparison`. Raises ValueError where either has no resamples or their numbers differ.
    """
    counts = [None if figure.resampled is None else len(figure.resampled) for figure in (ours, other)]
    if ours.resampled is None or other.resampled is None or counts[0] != counts[1]:
        raise InputError(f"expected two figures with the same number of resamples, got {counts[0]} and {counts[1]}")
    gained = ours.resampled - other.resampled
    return Estimate(ours.value - other.value, *interval(gained), n=ours.n, resampled=gained)


def mean_known(rows: Float[ndarray, "findings resamples"]) -> Float[ndarray, "resamples"]:
    """The mean over the first axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    return np.asarray(np.where(known, rows, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan))
