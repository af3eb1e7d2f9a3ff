"""An embedder that remembers: whatever the number of tasks, a stored image passes through the encoder once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from unimedi.inputs.store import Store
from unimedi.model.processor import UniMediProcessor
from unimedi.model.unimedi import UniMediModel
from unimedi.representation.embedder import Embedder
from unimedi.representation.table import EmbeddingTable

_COLUMNS = ("embedding", "cls", "attention", "slice_scores", "selected")


class CachedEmbedder(Embedder):
    """Keeps what :meth:`images` gave for each study of a store (some kilobytes a study), for as long as it lives."""

    def __init__(self, model: UniMediModel, processor: UniMediProcessor, batch_size: int = 16) -> None:
        super().__init__(model, processor, batch_size)
        self._rows: dict[tuple[str, int], dict[str, Any]] = {}

    def images(self, store: Store, indices: Sequence[int]) -> EmbeddingTable:
        """As :meth:`Embedder.images`; only studies not seen before are encoded."""
        missing = list(dict.fromkeys(i for i in indices if (store.fingerprint, i) not in self._rows))
        table = super().images(store, missing)
        for row, index in enumerate(missing):
            self._rows[store.fingerprint, index] = {
                name: None if (column := getattr(table, name)) is None else column[row] for name in _COLUMNS
            }
        if list(indices) == missing:
            return table
        rows = [self._rows[store.fingerprint, index] for index in indices]
        columns = {name: _stacked([row[name] for row in rows]) for name in _COLUMNS if name != "attention"}
        studies = [store.studies[i] for i in indices]
        return EmbeddingTable(
            study_ids=tuple(study.study_id for study in studies),
            modalities=tuple(str(study.modality) for study in studies),
            model=self.fingerprint,
            attention=tuple(row["attention"] for row in rows),
            **columns,
        )


def _stacked(values: Sequence[Any]) -> Any:
    return None if not values or any(value is None for value in values) else np.stack(values)
