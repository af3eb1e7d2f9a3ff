"""An embedder that remembers gives what one that does not would give, and asks the model for each study once."""

from pathlib import Path

import numpy as np
import pytest

from tests.hospital import write_hospital, write_pretrained
from unimedi.representation.cached_embedder import CachedEmbedder
from unimedi.representation.embedder import Embedder


@pytest.mark.parametrize("ndims", [(3,), (2, 3)])
def test_rows_are_those_of_a_plain_embedder_in_the_order_asked_for(tmp_path: Path, ndims: tuple[int, ...]) -> None:
    store, folder = write_hospital(tmp_path / "store", ndims), write_pretrained(tmp_path / "model")
    plain, remembers = Embedder.from_pretrained(folder, 1), CachedEmbedder.from_pretrained(folder, 1)
    encoded: list[int] = []
    encode = remembers.encode
    remembers.encode = lambda stored: (encoded.append(len(stored)), encode(stored))[1]  # type: ignore[method-assign]
    for wanted in ([3, 1], [1, 2, 3, 1], [2], []):
        expected, table = plain.images(store, wanted), remembers.images(store, wanted)
        assert table.study_ids == expected.study_ids
        assert table.modalities == expected.modalities
        for name in ("embedding", "cls", "slice_scores", "selected"):
            ours, theirs = getattr(table, name), getattr(expected, name)
            assert (ours is None) == (theirs is None)
            assert theirs is None or np.array_equal(ours, theirs)
        assert all(np.array_equal(a, b) for a, b in zip(table.attention, expected.attention, strict=True))
    assert sum(encoded) == 3
