"""Embeddings of studies as a table: what the embedder makes and what a Parquet file holds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from unimedi.errors import InputError
from unimedi.files.atomic import atomic_file
from unimedi.metrics.checks import refuse_not_finite


@dataclass(frozen=True)
class EmbeddingTable:
    """One row a study.

    ``embedding`` float32 (studies, dim), L2-normalised; ``cls`` float32 (studies, hidden), the encoder's [CLS] output
    before the projection (what probes read); ``attention`` one float32 vector a study, the [CLS] row averaged over
    layers and heads, one value a patch; ``slice_scores`` (studies, slabs) and ``selected`` (studies, k; indices into
    the stored depth) only where all studies are volumes. ``model`` is the fingerprint of the weights that made it.
    Raises InputError that names the study where a number is not finite.
    """

    study_ids: tuple[str, ...]
    modalities: tuple[str, ...]
    embedding: Float[ndarray, "studies dim"]
    model: str
    cls: Float[ndarray, "studies hidden"] | None = None
    attention: tuple[Float[ndarray, "patches"], ...] = ()
    slice_scores: Float[ndarray, "studies slabs"] | None = None
    selected: Int[ndarray, "studies k"] | None = None

    def __post_init__(self) -> None:
        if not len(self.study_ids) == len(self.modalities) == len(self.embedding):
            raise InputError(
                f"expected one embedding and one modality a study, got {len(self.study_ids)} ids, "
                f"{len(self.modalities)} modalities, {len(self.embedding)} embeddings"
            )
        for name in ("embedding", "cls", "slice_scores"):
            if (column := getattr(self, name)) is not None:
                refuse_not_finite(column, f"numbers in {name}", lambda row: f"study {self.study_ids[row]}")

    def __len__(self) -> int:
        return len(self.study_ids)

    def of(self, rows: Int[ndarray, "kept"]) -> "EmbeddingTable":
        """Some of the studies, in the order of ``rows``."""
        return EmbeddingTable(
            tuple(self.study_ids[row] for row in rows),
            tuple(self.modalities[row] for row in rows),
            self.embedding[rows],
            self.model,
            None if self.cls is None else self.cls[rows],
            tuple(self.attention[row] for row in rows) if self.attention else (),
            None if self.slice_scores is None else self.slice_scores[rows],
            None if self.selected is None else self.selected[rows],
        )


def write_table(table: EmbeddingTable, path: Path) -> None:
    """Write ids, modalities and embeddings as Parquet (``embedding`` a list of float32), whole or not at all."""
    import pyarrow
    import pyarrow.parquet

    columns = {
        "study_id": pyarrow.array(list(table.study_ids), pyarrow.string()),
        "modality": pyarrow.array(list(table.modalities), pyarrow.string()),
        "embedding": pyarrow.array(list(table.embedding.astype(np.float32)), pyarrow.list_(pyarrow.float32())),
    }
    arrow = pyarrow.table(columns).replace_schema_metadata({"unimedi.model": table.model})
    with atomic_file(path) as temporary:
        pyarrow.parquet.write_table(arrow, temporary)


def read_table(path: Path) -> EmbeddingTable:
    """Read a Parquet file written by :func:`write_table`; InputError where it is none, or not whole."""
    import pyarrow.parquet

    try:
        arrow = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise InputError(f"{path}: expected a Parquet table of embeddings: {str(error).splitlines()[0]}") from error
    missing = {"study_id", "modality", "embedding"} - set(arrow.column_names)
    if missing:
        raise InputError(f"{path}: expected columns study_id, modality, embedding; missing {sorted(missing)}")
    rows = arrow.column("embedding").to_pylist()
    sizes = {0 if row is None else len(row) for row in rows}
    if len(sizes) > 1:
        raise InputError(f"{path}: expected embeddings of one size, got {', '.join(map(str, sorted(sizes)))}")
    embedding = np.array(rows, dtype=np.float32) if rows else np.zeros((0, 0), np.float32)
    model = (arrow.schema.metadata or {}).get(b"unimedi.model", b"").decode()
    ids, modalities = (tuple(map(str, arrow[name].to_pylist())) for name in ("study_id", "modality"))
    return EmbeddingTable(ids, modalities, embedding, model)
