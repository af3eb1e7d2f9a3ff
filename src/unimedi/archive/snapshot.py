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
        held = {way: _Growing(table, column) for way, column in VECTORS.items()} if vectors else {}
        parts = []
        for batch in table.search().select([*FILTERED, *(VECTORS[way] for way in held)]).to_batches(batch_size=BATCH):
            for way, growing in held.items():
                growing.add(batch[VECTORS[way]])
            parts.append(batch.select(FILTERED))
        columns = pa.Table.from_batches(parts, pa.schema([table.schema.field(name) for name in FILTERED]))
        self.columns = columns.combine_chunks()
        self.keys: Int[ndarray, rows] = self.columns["key"].to_numpy()
        self.matrices = {way: growing.filled() for way, growing in held.items()}

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


class _Growing:
    """A matrix that is filled batch by batch: nothing of the table is in memory twice."""

    def __init__(self, table: Any, column: str) -> None:
        rows, dim = table.count_rows(), table.schema.field(column).type.list_size
        self.matrix, self.there, self.rows = np.zeros((rows, dim), np.float32), np.zeros(rows, bool), 0

    def add(self, column: pa.Array) -> None:
        end = self.rows + len(column)
        if end > len(self.matrix):  # rows came in after they were counted
            more = max(end - len(self.matrix), BATCH)
            self.matrix = np.concatenate([self.matrix, np.zeros((more, self.matrix.shape[1]), np.float32)])
            self.there = np.concatenate([self.there, np.zeros(more, bool)])
        self.matrix[self.rows : end], self.there[self.rows : end] = matrix_of(column)
        self.rows = end

    def filled(self) -> tuple[Float[ndarray, "rows dim"], Bool[ndarray, "rows"]]:
        return self.matrix[: self.rows], self.there[: self.rows]


def matrix_of(column: pa.Array) -> tuple[Float[ndarray, "rows dim"], Bool[ndarray, "rows"]]:
    """A column of vectors as a matrix, and where there is one; rows without have zeros."""
    dim = column.type.list_size
    there = column.is_valid().to_numpy(zero_copy_only=False)
    matrix = np.asarray(column.values.slice(column.offset * dim, len(column) * dim)).reshape(-1, dim)
    # What lies under a missing vector may be anything.
    return (matrix if there.all() else np.where(there[:, None], matrix, np.float32(0))), there
