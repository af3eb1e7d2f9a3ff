"""An estimate with its interval: the bootstrap over patients, means, and paired differences of two methods.

Images of one patient are not independent, so what is drawn with replacement is the *patient*. A resample is a weight
per study (how often its patient was drawn); every statistic is computed from weights for all resamples at once, and two
methods compared on the same resamples give a paired difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.errors import InputError
from unimedi.metrics.checks import refuse_not_finite


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its uncertainty.

    Attributes:
        low, high: the 95 % interval; NaN where there is none.
        n: how many studies, queries or volumes it is of.
        resampled: the value in every resample of the patients; differences of two estimates are computed from these.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    resampled: Float[ndarray, "resamples"] | None = field(default=None, repr=False, compare=False)

    @property
    def significant(self) -> bool:
        """Of a difference: whether its interval does not contain 0. False where there is no interval."""
        return self.low > 0 or self.high < 0

    def to_json(self) -> dict[str, float | int | None]:
        """A JSON object; a value that is not finite becomes null (JSON has no NaN)."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        return {name: round(v, 6) if math.isfinite(v) else None for name, v in numbers.items()} | {"n": self.n}


class PatientBootstrap:
    """Resamples of patients: ``weights[r, i]`` is how often the patient of study i was drawn in resample r.

    Args:
        patients: of each study; studies of one patient are drawn together.
        resamples: how many.
        seed: equal patients, resamples and seed give equal weights.
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

        Raises InputError on a value that is infinite.
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
    """The mean of a value that each study has, with its interval.

    Args:
        values: NaN where it does not apply: such studies count neither in the mean nor in ``n``.
        bootstrap: resamples of the patients of these studies.
    """
    known = ~np.isnan(values)
    if not known.any():
        return Estimate(math.nan)
    means = bootstrap.means(values)
    return Estimate(float(values[known].mean()), *interval(means), n=int(known.sum()), resampled=means)


def average_estimates(estimates: Sequence[Estimate], n: int | None = None) -> Estimate:
    """The unweighted mean over seeds, findings or classes, and of each resample; NaN does not count.

    Args:
        estimates: of equal bootstraps. If one has no resamples, the mean has no interval.
        n: the number of studies behind all of them; by default the largest of theirs.
    """
    values = np.array([estimate.value for estimate in estimates])
    n = max((estimate.n for estimate in estimates), default=0) if n is None else n
    if np.isnan(values).all():
        return Estimate(math.nan)
    parts = [estimate.resampled for estimate in estimates if estimate.resampled is not None]
    value = float(np.nanmean(values))
    if len(parts) < len(estimates):
        return Estimate(value, n=n)
    resampled = mean_known(np.stack(parts))
    return Estimate(value, *interval(resampled), n=n, resampled=resampled)


def seed_sd(runs: Sequence[Estimate]) -> Estimate:
    """The sample SD of a value over the seeds (two or more) of one experiment; n is how many."""
    return Estimate(float(np.std([run.value for run in runs], ddof=1)), n=len(runs))


def paired_difference(ours: Estimate, other: Estimate) -> Estimate:
    """Ours minus the other, and the same in every resample: both are of the same patients, drawn equally often.

    Args:
        ours, other: of equal bootstraps (patients, number of resamples, seed). Of two runs
            :mod:`unimedi.evaluation.comparison` checks that.

    Raises:
        InputError: either has no resamples, or their numbers differ.
    """
    counts = [None if estimate.resampled is None else len(estimate.resampled) for estimate in (ours, other)]
    if ours.resampled is None or other.resampled is None or counts[0] != counts[1]:
        raise InputError(f"expected two estimates with the same number of resamples, got {counts[0]} and {counts[1]}")
    gained = ours.resampled - other.resampled
    return Estimate(ours.value - other.value, *interval(gained), n=ours.n, resampled=gained)


def mean_known(rows: Float[ndarray, "findings resamples"]) -> Float[ndarray, "resamples"]:
    """The mean over the first axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    return np.asarray(np.where(known, rows, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan))
