"""How much of the nearest an archive's index of vectors finds: recall@10 against exact search."""

import hashlib
import heapq
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unimedi.archive.archive import Archive
from unimedi.archive.query import Query
from unimedi.archive.snapshot import VECTORS

QUERIES: Final = 200
NEAREST: Final = 10
ENOUGH: Final = 0.95  # below, a person is told
ROUNDING: Final = 1e-5  # of a cosine: ties for the last place count as found


def measured_recall(archive: Archive, queries: int = QUERIES, seed: int = 0) -> dict[str, float]:
    """Recall@10 of searches as the archive answers them, of images and of reports.

    The queries are vectors of the archive itself, drawn by a hash of their study's id and the seed; the study itself
    is no hit. Exact search is a product with every vector, a block at a time: little is held in memory.

    Returns:
        ``image``, and ``report`` where there are any → the share of the ten nearest that is found, mean over queries.
        Empty where fewer than two vectors are there.
    """
    found: dict[str, float] = {}
    for way in VECTORS:
        ids, vectors = _drawn(archive, way, queries, seed)
        if len(ids) > 1:
            tenth = _tenth(archive, way, ids, vectors)
            shares = []
            for name, vector, least in zip(ids, vectors, tenth, strict=True):
                hits = archive.search(Query(vector, archive.model, ways=(way,)), k=NEAREST + 1)
                others = [hit.score for hit in hits if hit.study_id != name][:NEAREST]
                shares.append(sum(score >= least.min() - ROUNDING for score in others) / len(least))
            found[way] = float(np.mean(shares))
    return found


def _drawn(archive: Archive, way: str, count: int, seed: int) -> tuple[list[str], NDArray[np.float32]]:
    """Ids and vectors of the studies whose hashes are smallest: the same whatever the order of the rows."""
    kept: list[tuple[bytes, str, NDArray[np.float32]]] = []
    for ids, vectors in archive.vectors(way):
        hashed = [hashlib.blake2b(f"{seed} {name}".encode(), digest_size=16).digest() for name in ids]
        first = heapq.nsmallest(count, range(len(ids)), key=lambda row, hashed=hashed: hashed[row])  # type: ignore[misc]
        kept = heapq.nsmallest(count, [*kept, *((hashed[row], ids[row], vectors[row].copy()) for row in first)])
    return [name for _, name, _ in kept], np.array([vector for _, _, vector in kept], np.float32)


def _tenth(archive: Archive, way: str, names: list[str], queries: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The cosines of the ten nearest other studies of each query; of fewer where fewer are there."""
    best = np.full((len(names), NEAREST), -np.inf, np.float32)
    row_of = {name: row for row, name in enumerate(names)}
    for ids, vectors in archive.vectors(way):
        scores = queries @ vectors.T
        for column, name in enumerate(ids):
            if name in row_of:
                scores[row_of[name], column] = -np.inf  # the study itself
        best = -np.partition(-np.concatenate([best, scores], axis=1), NEAREST - 1, axis=1)[:, :NEAREST]
    return [row[np.isfinite(row)] for row in best]
