"""The map of the embeddings in two dimensions: a picture for the eye, no measurement."""

from collections.abc import Mapping

import numpy as np
from sklearn.manifold import TSNE

from unimedi.evaluation.examples.pictures import findings_of
from unimedi.evaluation.record import SpaceMap
from unimedi.evaluation.split import EvalSplit

LEAST, MOST = 10, 600  # studies: below there is no map, and more only crowd it (t-SNE's time grows with the square)
PERPLEXITY = 30.0  # scikit-learn's; a third of the studies where that is less


def space_map(splits: Mapping[str, EvalSplit], seed: int) -> SpaceMap | None:
    """t-SNE by cosine distance of all studies, at most 600 drawn by ``seed``; None of fewer than 10."""
    rows = [(split, row) for split in splits.values() for row in range(len(split))]
    embedding = np.concatenate([split.table.embedding for split in splits.values()])
    if len(rows) < LEAST:
        return None
    kept = np.arange(len(rows))
    if len(rows) > MOST:
        kept = np.sort(np.random.default_rng(seed).choice(len(rows), MOST, replace=False))
    perplexity = min(PERPLEXITY, (len(kept) - 1) / 3)
    tsne = TSNE(metric="cosine", init="random", perplexity=perplexity, random_state=seed)
    shown = [rows[i] for i in kept]
    return SpaceMap(
        np.asarray(tsne.fit_transform(embedding[kept])),
        tuple(split.kind for split, _ in shown),
        tuple(findings_of(split, row) for split, row in shown),
    )
