"""Image files and whole folders into a table of embeddings, and a list of all that was left out, with the reason."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.sources.summary import write_skipped
from unimedi.errors import InputError
from unimedi.files.destination import file_to_write
from unimedi.inputs.stored_form import StoredForm
from unimedi.representation.image_files import find_images, read_images
from unimedi.representation.load import load
from unimedi.representation.table import EmbeddingTable, write_table


class NothingEmbeddedError(InputError):
    """No image among what was given, or none that could be used; the sentence says what was left out."""


def embed_files(
    paths: Sequence[Path], model: Path, out: Path, batch_size: int = 8, devices: int | None = None
) -> tuple[EmbeddingTable, SourceCohort]:
    """Embed image files, DICOM series and folders of either into a Parquet table; ``study_id`` is the path.

    ``model`` is a run, a pretrained folder, or an export, which needs no torch; ``devices`` as of ``load``.

    ``modality`` is CT for volumes and DX for radiographs: the file's own finer word is not kept. What was left out,
    returned as well, always stands beside the table in ``.skipped.csv``. NothingEmbeddedError where all was.
    """
    file_to_write(out, (".parquet",), (".skipped.csv",), paths)
    loaded = load(model, devices)
    listed = SourceCohort(Path())
    images = find_images(paths, listed)
    rows: dict[Path, tuple[str, dict[str, Any]]] = {}
    for batch in loaded.embedder.each(_batches(images, loaded.preprocess, batch_size, listed)):
        rows |= {path: (modality, row) for (path, modality), row in batch}
    write_skipped(listed, out.with_suffix(".skipped.csv"))
    if not rows:
        said = listed.complaint() or "there is no file"
        raise NothingEmbeddedError(f"expected at least one image that can be used, got none: {said}")
    kept = [path for path in images if path in rows]
    vectors = np.stack([rows[path][1]["embedding"] for path in kept])
    modalities = tuple(rows[path][0] for path in kept)
    table = EmbeddingTable(tuple(map(str, kept)), modalities, vectors, loaded.embedder.fingerprint)
    write_table(table, out)
    return table, listed


def _batches(
    images: Sequence[Path], preprocess: StoredForm, size: int, listed: SourceCohort
) -> Iterator[list[tuple[tuple[Path, str], NDArray[np.int16]]]]:
    """Path, modality and image as it is stored, all 2-D or all 3-D in a batch; what cannot be used is listed."""
    waiting: dict[int, list[tuple[tuple[Path, str], NDArray[np.int16]]]] = {2: [], 3: []}
    for path, image, stored in read_images(images, preprocess, listed):
        group = waiting[image.ndim]
        group.append(((path, "CT" if image.ndim == 3 else "DX"), stored))
        if len(group) == size:
            yield group
            waiting[image.ndim] = []
    yield from (group for group in waiting.values() if group)
