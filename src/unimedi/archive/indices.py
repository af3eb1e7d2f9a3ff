"""The indices of an archive: of the words of reports and, of many studies, of vectors."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from lancedb.index import FTS, BTree, IvfSq
from numpy.typing import NDArray

from unimedi.archive.snapshot import VECTORS

PROBES: Final = 10  # partitions of vectors that a query looks into
REFINED: Final = 2  # so many times k of the best by compressed vectors are compared by the true ones
# The stemmers that LanceDB has, by ISO 639-1.
STEMMERS: Final = {
    "ar": "Arabic", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fi": "Finnish",
    "fr": "French", "hu": "Hungarian", "it": "Italian", "nl": "Dutch", "no": "Norwegian", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "tr": "Turkish",
}  # fmt: skip


def index_words(table: Any, languages: Sequence[str]) -> None:
    """Index the words of reports: "no" and "without" are kept, for they carry the diagnosis; positions are not."""
    language = next((STEMMERS[one] for one in languages if one in STEMMERS), "English")
    config = FTS(with_position=False, base_tokenizer="simple", language=language, stem=True, remove_stop_words=False)
    table.create_index("report", config=config, replace=True)


def index_keys(table: Any) -> None:
    """Index the numbers of rows: hits are fetched by them, and else each row would be looked at."""
    table.create_index("key", config=BTree(), replace=True)


def near(table: Any, column: str, vector: NDArray[np.float32], filtered: bool) -> Any:
    """A search by the index of vectors; ``filtered``: of rows that a filter leaves, which may lie in any partition."""
    asked = table.search(vector, vector_column_name=column).distance_type("cosine").refine_factor(REFINED)
    return asked.minimum_nprobes(PROBES).maximum_nprobes(0) if filtered else asked.nprobes(PROBES)


def index_vectors(table: Any) -> None:
    """Index the vectors of images, and of reports where there are any, unless it is done."""
    done = indexed(table)
    for column in VECTORS.values():
        if column not in done and table.count_rows(f"{column} IS NOT NULL"):
            table.create_index(column, config=IvfSq(distance_type="cosine"))


def indexed(table: Any) -> set[str]:
    """The columns that have an index."""
    return {column for index in table.list_indices() for column in index.columns}
