"""Retrieval on a matrix of similarities: rank of the first right answer, precision@k, and what chance gives.

Conventions, once for all of them. *Any right answer counts*: two studies whose normalised reports are equal ("no acute
findings") belong to one group, and every member of the query's group is a right answer. *Ties are counted against us*:
a wrong candidate as similar as the best right one stands in front of it, so a collapsed model scores 0 and not 1.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.special import gammaln

from unimedi.cohort.reports.same_report import words_of
from unimedi.metrics.checks import refuse_no_similarity


def report_groups(texts: Sequence[str]) -> Int[ndarray, "texts"]:
    """One integer a text; the same report (:func:`words_of`) means an equal integer."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(words_of(text), len(seen)) for text in texts], dtype=np.int64)


def first_right_rank(
    similarity: Float[ndarray, "queries candidates"], right: Bool[ndarray, "queries candidates"]
) -> Float[ndarray, "queries"]:
    """Rank (from 1) of the best right candidate of each query; infinite where a query has no right candidate."""
    refuse_no_similarity(similarity)
    best = np.where(right, similarity, -np.inf).max(axis=1, keepdims=True)
    ahead = ((similarity >= best) & ~right).sum(axis=1)
    return np.where(right.any(axis=1), 1.0 + ahead, np.inf)


def same_group(
    query_groups: Int[ndarray, "queries"], candidate_groups: Int[ndarray, "candidates"]
) -> Bool[ndarray, "queries candidates"]:
    """True where query and candidate carry the same group, that is where the candidate is a right answer."""
    return np.asarray(query_groups[:, None] == candidate_groups[None, :])


def chance_of_hit(right: Bool[ndarray, "queries candidates"], k: int) -> float:
    """Mean over queries of the probability that k candidates drawn without replacement hold a right one."""
    candidates = right.shape[1]
    k = min(k, candidates)
    wrong = candidates - right.sum(axis=1)
    with np.errstate(invalid="ignore"):  # log of an impossible draw: masked by the where below
        log_miss = (
            gammaln(wrong + 1) - gammaln(wrong - k + 1) + gammaln(candidates - k + 1) - gammaln(candidates + 1)
        )  # log of C(wrong, k) / C(candidates, k)
    return float(1.0 - np.where(wrong >= k, np.exp(log_miss), 0.0).mean())


def precision_at_k(
    similarity: Float[ndarray, "queries candidates"], right: Bool[ndarray, "queries candidates"], k: int
) -> Float[ndarray, "queries"]:
    """Share of right ones among the k most similar candidates of each query (wrong ones first among ties)."""
    refuse_no_similarity(similarity)
    order = np.lexsort((right, -similarity), axis=1)[:, :k]
    return np.asarray(np.take_along_axis(right, order, axis=1).mean(axis=1))
