"""How X-rays and CTs share one space: can a line tell them apart, are pairs closer than strangers, how many directions.

A low modality probe is no merit where the model removes each modality's mean by construction; so it is always read next
to paired against unpaired cosine, and next to retrieval.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold


def modality_probe(
    embedding: Float[ndarray, "studies dim"],
    modality: Int[ndarray, "studies"],
    patients: Int[ndarray, "studies"],
    folds: int = 5,
) -> Float[ndarray, "studies"]:
    """1 where a logistic regression that never saw the patient names the modality, else 0; a mean of .5 is one space.

    Balanced class weights, so that the mean per modality and not the majority decides. Raises ValueError where either
    modality has fewer patients than folds.
    """
    for value in np.unique(modality):
        count = len(np.unique(patients[modality == value]))
        if count < folds:
            raise ValueError(f"expected at least {folds} patients of each modality, got {count}")
    correct = np.zeros(len(modality))
    for train, test in StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(embedding, modality, patients):
        mean, std = embedding[train].mean(0), embedding[train].std(0) + 1e-6
        probe = LogisticRegression(class_weight="balanced", max_iter=200)
        probe.fit((embedding[train] - mean) / std, modality[train])
        correct[test] = probe.predict((embedding[test] - mean) / std) == modality[test]
    return correct


def paired_cosines(
    first: Float[ndarray, "pairs dim"], second: Float[ndarray, "pairs dim"]
) -> tuple[Float[ndarray, "pairs"], Float[ndarray, "pairs"]]:
    """Cosine of each pair (row i of both is one patient), and the mean cosine of row i with all other patients."""
    similarity = _unit(first) @ _unit(second).T
    pairs = len(similarity)
    paired = similarity.diagonal().copy()
    return paired, (similarity.sum(axis=1) - paired) / max(pairs - 1, 1)


def centroid_gap(first: Float[ndarray, "n dim"], second: Float[ndarray, "m dim"]) -> float:
    """Distance of the two modalities' mean embeddings (unit vectors before the mean): 0 shared, 2 opposite poles."""
    return float(np.linalg.norm(_unit(first).mean(axis=0) - _unit(second).mean(axis=0)))


def effective_rank(embedding: Float[ndarray, "studies dim"]) -> float:
    """exp of the entropy of the normalised singular values of the centred embeddings (Roy & Vetterli 2007), from 1.

    1 is a line (collapse); the embedding's dimension is the ceiling. 0 where all embeddings are equal.
    """
    values = np.linalg.svd(embedding - embedding.mean(axis=0), compute_uv=False)
    total = float(values.sum())
    if total < 1e-9:
        return 0.0
    share = values / total
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def _unit(rows: Float[ndarray, "n dim"]) -> Float[ndarray, "n dim"]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
