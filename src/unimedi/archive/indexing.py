"""``unimedi index``: a cohort, a store or a folder of images into an archive. Resumes where it was stopped."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from unimedi.archive.archive import Archive
from unimedi.archive.recall import measured_recall
from unimedi.archive.sources import find_source
from unimedi.archive.study import ArchivedStudy
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.sources.summary import write_skipped
from unimedi.errors import InputError
from unimedi.progress import progress_bar
from unimedi.representation.devices import find_devices
from unimedi.representation.embedder import Embedder

CHUNK: Final = 512  # studies of one write: what a stop can lose


@dataclass(frozen=True, slots=True)
class Indexed:
    """What was done: ``listed`` = ``added`` + ``replaced`` + ``kept`` + those that ``left_out`` lists of them.

    ``recall``: recall@10 of the index of vectors, by ``image`` and ``report``; empty where search is exact.
    """

    listed: int
    added: int
    replaced: int
    kept: int
    left_out: SourceCohort
    undated: int
    reported: int
    modalities: dict[str, int]
    recall: dict[str, float]


def index(
    path: Path,
    model: Path,
    out: str,
    manifest: Path | None = None,
    root: Path | None = None,
    batch_size: int = 16,
    devices: int | None = None,
) -> Indexed:
    """Embed studies and add them to an archive, or replace those of equal id; what is unchanged is not read again.

    Args:
        path: a store, a manifest, an image or a folder of images.
        model: a run, or a pretrained folder.
        out: the archive: a folder, or an object store's ``s3://…``; made where there is none.
        manifest, root: as of :func:`~unimedi.archive.sources.find_source`.
        batch_size: images of a pass.
        devices: as of :func:`~unimedi.representation.devices.find_devices`.

    Raises:
        InputError: nothing could be used, there are not so many devices, or the archive is of another model.
        MissingError: there is no model, or nothing at ``path``.
        LockedError: another process writes into the archive.
    """
    embedder = Embedder.from_pretrained(model, batch_size, find_devices(devices))
    source = find_source(path, embedder, manifest, root)
    config = embedder.model.config
    archive = Archive.create(out, config.embedding_size, embedder.fingerprint, config.report_languages)
    known = archive.stamps()
    todo = [place for place, study in enumerate(source.studies) if known.get(study.study_id) != study.stamp]
    written = added = 0
    with progress_bar("indexing", len(source.studies), len(source.studies) - len(todo)) as advance:
        for start in range(0, len(todo), CHUNK):
            places = todo[start : start + CHUNK]
            studies = _with_reports(list(source.embed(places)), embedder)
            added += archive.add(studies, embedder.fingerprint)
            written += len(studies)
            advance(len(places))
    archive.optimise()
    if (folder := archive.place.folder) is not None:
        write_skipped(source.listed, skipped_file(folder))
    kept = len(source.studies) - len(todo)
    if not written and not kept:
        raise InputError(
            f"expected at least one study that can be used, got none: {source.listed.complaint() or 'nothing is there'}"
        )
    modalities = dict(Counter(study.modality for study in source.studies if study.modality).most_common())
    undated = sum(study.date is None for study in source.studies)
    reported = sum(bool(study.report) for study in source.studies)
    recall = {} if archive.stats().exact else measured_recall(archive)
    return Indexed(
        len(source.studies), added, written - added, kept, source.listed, undated, reported, modalities, recall
    )  # fmt: skip


def skipped_file(archive: Path) -> Path:
    """Where the list of what was left out stands: beside the archive."""
    return archive.with_name(f"{archive.name}.skipped.csv")


def _with_reports(studies: Sequence[ArchivedStudy], embedder: Embedder) -> list[ArchivedStudy]:
    rows = embedder.texts([study.report for study in studies if study.report])
    vectors = iter(rows)
    return [replace(study, report_vector=next(vectors)) if study.report else study for study in studies]
