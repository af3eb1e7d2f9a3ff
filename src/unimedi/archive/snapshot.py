"""One version of an archive in memory: exact search is a product with a matrix of float32."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.archive.filters import Filter

VECTORS: Final = {"image": "vector", "report": "report_vector"}  # a way to compare → the column that it compares with
FILTERED: Final = ("study_id", "key", "patient_id", "modality", "split", "date", "findings", "stamp")
BATCH: Final = 8192  # rows read at a time

Ranked = list[tuple[int, float]]  # key of a row and its score, best first


class Snapshot:
    """The columns that filters read and, unless they are left on disk, the vectors.

    Args:
        table: LanceDB's.
        version: of the table, read before its rows.
        vectors: whether the matrices are held: rows x dim x 4 bytes for images, and as much for reports.
    """

    def __init__(self, table: Any, version: int, vectors: bool) -> None:
        self.version = version
        names = [*FILTERED, *(VECTORS.values() if vectors else ())]
        batches = list(table.search().select(names).to_batches(batch_size=BATCH))
        whole = pa.Table.from_batches(batches, pa.schema([table.schema.field(name) for name in names]))
        self.columns = whole.select(FILTERED).combine_chunks()
        self.keys: Int[ndarray, rows] = whole["key"].to_numpy()
        self.matrices = {way: _matrix(whole[name]) for way, name in VECTORS.items()} if vectors else {}

    def __len__(self) -> int:
        return len(self.columns)

    def nearest(self, way: str, vector: Float[ndarray, "dim"], allowed: Filter, k: int) -> Ranked:
        """The k rows that obey with the highest cosine; ties in the order of study ids.

        Args:
            way: ``image`` or ``report``; a study without a report is not found by it.
            vector: float32, of length 1.
        """
        matrix, there = self.matrices[way]
        scores = matrix @ vector.astype(np.float32)
        rows = np.flatnonzero(there & allowed.mask(self.columns))
        if len(rows) > k:
            kept = scores[rows]
            rows = rows[
                kept >= np.partition(kept, len(rows) - k)[len(rows) - k]
            ]  # with all that tie for the last place
        ids = self.columns["study_id"].take(pa.array(rows)).to_pylist()
        order = sorted(range(len(rows)), key=lambda place: (-scores[rows[place]], ids[place]))[:k]
        return [(int(self.keys[rows[place]]), float(scores[rows[place]])) for place in order]


def _matrix(column: pa.ChunkedArray) -> tuple[Float[ndarray, "rows dim"], Bool[ndarray, "rows"]]:
    """A column of vectors as a matrix, and where there is one; rows without have zeros."""
    dim = column.type.list_size
    parts = [np.asarray(chunk.values.slice(chunk.offset * dim, len(chunk) * dim)) for chunk in column.chunks]
    there = [chunk.is_valid().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    if not parts:
        return np.zeros((0, dim), np.float32), np.zeros(0, bool)
    matrix, known = np.concatenate(parts).reshape(-1, dim).astype(np.float32, copy=False), np.concatenate(there)
    if not known.all():
        matrix = np.where(known[:, None], matrix, np.float32(0))  # what lies under a missing vector may be anything
    return matrix, known
