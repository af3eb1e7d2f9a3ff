"""An embedder that remembers: whatever the number of tasks, a stored image passes through the encoder once."""

from collections.abc import Sequence
from typing import Any

from unimedi.inputs.store import Store
from unimedi.representation.embedder import Embedder, Row


class CachedEmbedder(Embedder):
    """Keeps the rows of each study of a store (some kilobytes a study), for as long as it lives."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._rows: dict[tuple[str, int], Row] = {}

    def stored_rows(self, store: Store, indices: Sequence[int]) -> list[Row]:
        """As :meth:`Embedder.stored_rows`; only studies that are not in memory are encoded."""
        keys = [(store.fingerprint, index) for index in indices]
        missing = [key for key in dict.fromkeys(keys) if key not in self._rows]
        self._rows |= zip(missing, super().stored_rows(store, [index for _, index in missing]), strict=True)
        return [self._rows[key] for key in keys]
