"""How X-rays and CTs share one space: can a line tell them apart, are pairs closer than strangers, how many directions.

A low modality probe is no merit where the model removes each modality's mean by construction; so it is always read next
to paired against unpaired cosine, and next to retrieval.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_samples
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from unimedi.errors import InputError
from unimedi.metrics.checks import refuse_no_similarity, refuse_not_finite
from unimedi.metrics.effective_rank import effective_rank as of_tensor


def modality_probe(
    embedding: Float[ndarray, "studies dim"],
    modality: Int[ndarray, "studies"],
    patients: Int[ndarray, "studies"],
    folds: int = 5,
) -> Float[ndarray, "studies"]:
    """1 where a logistic regression that never saw the patient names the modality, else 0; a mean of .5 is one space.

    Balanced class weights, so that the mean per modality and not the majority decides. Raises InputError where there
    are not two modalities, or either has fewer patients than folds.
    """
    refuse_not_finite(embedding, "embeddings")
    if len(there := np.unique(modality)) != 2:
        raise InputError(f"expected two modalities to tell apart, got {len(there)}")
    for value in there:
        count = len(np.unique(patients[modality == value]))
        if count < folds:
            raise InputError(f"expected at least {folds} patients of each modality, got {count}")
    correct = np.zeros(len(modality))
    for train, test in StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(embedding, modality, patients):
        mean, std = embedding[train].mean(0), embedding[train].std(0) + 1e-6
        probe = LogisticRegression(class_weight="balanced", max_iter=200)
        with threadpool_limits(limits=1, user_api="blas"):  # small products: threads would wait for each other
            probe.fit((embedding[train] - mean) / std, modality[train])
        correct[test] = probe.predict((embedding[test] - mean) / std) == modality[test]
    return correct


def paired_cosines(
    first: Float[ndarray, "pairs dim"], second: Float[ndarray, "pairs dim"]
) -> tuple[Float[ndarray, "pairs"], Float[ndarray, "pairs"]]:
    """Cosine of each pair (row i of both is one patient), and the mean cosine of row i with all other patients.

    The latter is NaN where there is no other.
    """
    similarity = _unit(first) @ _unit(second).T
    pairs = len(similarity)
    paired = similarity.diagonal().copy()
    return paired, (similarity.sum(axis=1) - paired) / (pairs - 1 or np.nan)


def centroid_gap(first: Float[ndarray, "n dim"], second: Float[ndarray, "m dim"]) -> float:
    """Distance of the two modalities' mean embeddings (unit vectors before the mean): 0 shared, 2 opposite poles."""
    return float(np.linalg.norm(_unit(first).mean(axis=0) - _unit(second).mean(axis=0)))


def effective_rank(embedding: Float[ndarray, "studies dim"]) -> float:
    """The log's :func:`unimedi.metrics.effective_rank.effective_rank`, in float64: 1 is one direction (collapse)."""
    refuse_not_finite(embedding, "embeddings")
    return float(of_tensor(torch.from_numpy(embedding.astype(np.float64))))


def silhouettes(embedding: Float[ndarray, "studies dim"], groups: Int[ndarray, "studies"]) -> Float[ndarray, "studies"]:
    """Silhouette of every study under a grouping, by cosine distance: 1 its group is apart, 0 no groups, below 0 mixed.

    Read for findings against for modality: the space is one where the former is larger. By scikit-learn; a study alone
    in its group has 0. Raises InputError where there are fewer than two groups, or as many as studies.
    """
    count = len(np.unique(groups))
    if not 2 <= count < len(groups):
        raise InputError(f"expected at least two groups and fewer than studies, got {count} of {len(groups)} studies")
    return np.asarray(silhouette_samples(_unit(embedding), groups, metric="cosine"), dtype=np.float64)


def linear_cka(first: Float[ndarray, "pairs dim"], second: Float[ndarray, "pairs other"]) -> float:
    """Linear centred kernel alignment of two representations of the same patients (Kornblith et al. 2019, section 3).

    1 where they are equal up to rotation and scale. It grows by chance as pairs get fewer than dimensions: read it next
    to its value with the pairs shuffled. NaN where either holds one point only.
    """
    for part in (first, second):
        refuse_not_finite(part, "embeddings")
    ours, other = (part.astype(np.float64) - part.mean(axis=0, dtype=np.float64) for part in (first, second))
    shared = np.linalg.norm(ours.T @ other) ** 2
    scale = float(np.linalg.norm(ours.T @ ours) * np.linalg.norm(other.T @ other))
    return float(shared) / scale if scale > 1e-12 else float("nan")


def neighbour_agreement(
    similarity: Float[ndarray, "queries candidates"],
    groups: Int[ndarray, "queries"],
    candidate_groups: Int[ndarray, "candidates"],
    k: int,
) -> Float[ndarray, "queries"]:
    """Share of the k most similar candidates that are of the query's group; those of similarity -inf never count.

    NaN for a query with fewer than k candidates. Equal similarities: wrong ones first, as in retrieval.
    """
    refuse_no_similarity(similarity)
    right = groups[:, None] == candidate_groups[None, :]
    order = np.lexsort((right, -similarity), axis=1)[:, :k]
    share = np.take_along_axis(right, order, axis=1).mean(axis=1)
    return np.where(np.isfinite(similarity).sum(axis=1) >= k, share, np.nan)


def _unit(rows: Float[ndarray, "n dim"]) -> Float[ndarray, "n dim"]:
    refuse_not_finite(rows, "embeddings")
    exact = rows.astype(np.float64)
    return np.asarray(exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-12))
