"""Measures of a list of hits: precision@k and nDCG@k, with intervals by patient of the archive."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.errors import InputError
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, interval

Measure = Callable[[Float[ndarray, "resamples studies"]], Float[ndarray, "resamples"]]  # of how often each was drawn


def precision_estimate(
    ranking: Int[ndarray, "hits"], relevant: Bool[ndarray, "studies"], bootstrap: PatientBootstrap, k: int = 10
) -> Estimate:
    """Share of relevant ones among the first k hits; places that a short list leaves empty count as wrong.

    Args:
        ranking: studies, best first, each once; long enough that a resample, in which some patients are missing, still
            has k of them.
        relevant: of all studies that can be found.
        bootstrap: of these studies: a study that is drawn twice stands in the list twice.
    """

    def measure(counts: Float[ndarray, "resamples studies"]) -> Float[ndarray, "resamples"]:
        before, after = _places(counts[:, ranking], k)
        return np.asarray(((after - before) * relevant[ranking]).sum(axis=1) / k)

    return _estimate(measure, ranking, relevant, bootstrap)


def ndcg_estimate(
    ranking: Int[ndarray, "hits"], relevant: Bool[ndarray, "studies"], bootstrap: PatientBootstrap, k: int = 10
) -> Estimate:
    """nDCG@k of yes-or-no relevance: sum of 1 / log2(1 + place) over relevant hits, as a share of what is possible.

    Arguments as of :func:`precision_estimate`. NaN in a resample without a relevant study.
    """
    gained = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(k) + 2))])  # of the first n places

    def measure(counts: Float[ndarray, "resamples studies"]) -> Float[ndarray, "resamples"]:
        before, after = _places(counts[:, ranking], k)
        found = ((gained[after] - gained[before]) * relevant[ranking]).sum(axis=1)
        possible = gained[np.minimum(counts[:, relevant].sum(axis=1), k).astype(np.int64)]
        return np.asarray(np.where(possible > 0, found / np.where(possible > 0, possible, 1), math.nan))

    return _estimate(measure, ranking, relevant, bootstrap)


def _places(
    counts: Float[ndarray, "resamples hits"], k: int
) -> tuple[Int[ndarray, "resamples hits"], Int[ndarray, "resamples hits"]]:
    """How many of the first k places are taken before each hit, and after it."""
    after = np.cumsum(counts, axis=1)
    return np.minimum(after - counts, k).astype(np.int64), np.minimum(after, k).astype(np.int64)


def _estimate(
    measure: Measure, ranking: Int[ndarray, "hits"], relevant: Bool[ndarray, "studies"], bootstrap: PatientBootstrap
) -> Estimate:
    if len(set(ranking.tolist())) < len(ranking):
        raise InputError("expected each study once in a ranking, got one twice")
    resampled = measure(bootstrap.weights)
    value = float(measure(np.ones((1, len(relevant))))[0])
    return Estimate(value, *interval(resampled), n=len(relevant), resampled=resampled)
