"""What can be indexed, a store, a manifest, or images in folders, as studies whose vectors are still to be made."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unimedi.archive.study import ArchivedStudy
from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.reports.report import training_text
from unimedi.cohort.sources.dicom.header import header_of
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.study import Study
from unimedi.errors import InputError
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.inputs.open_image import open_image
from unimedi.inputs.store import Store
from unimedi.inputs.study_record import read_study
from unimedi.representation.embedder import Embedder
from unimedi.representation.image_files import find_images

NONE_YET = np.zeros(0, np.float32)  # the vector of a study that is not embedded


@dataclass(frozen=True)
class Source:
    """Studies without vectors, and a function that gives some of them, by their places in the list, their vectors.

    ``embed`` leaves out what cannot be read, and lists it in ``listed``.
    """

    studies: Sequence[ArchivedStudy]
    embed: Callable[[Sequence[int]], Iterator[ArchivedStudy]]
    listed: SourceCohort


def find_source(path: Path, embedder: Embedder, manifest: Path | None = None, root: Path | None = None) -> Source:
    """What lies at ``path``.

    Args:
        path: a store, a manifest, or an image or a folder of images.
        embedder: makes the vectors; a store must have been prepared with its model's sizes.
        manifest: of a store: the cohort that it was prepared from, which knows dates and where the images lie.
        root: where the manifest's paths begin (default: its own folder).

    Raises:
        InputError: it cannot be read as what it is, or a manifest is given beside something else than a store.
        MissingError: nothing is there.
    """
    if (path / "store.json").is_file():
        return _of_store(path, embedder, read_manifest(manifest, root) if manifest else [])
    if manifest is not None:
        raise InputError(f"--cohort goes with a store, and {path} is none")
    if path.suffix.lower() in (".csv", ".xlsx", ".parquet") and path.is_file():
        return _of_manifest(read_manifest(path, root), embedder)
    return _of_files(path, embedder)


def _of_store(path: Path, embedder: Embedder, cohort: Sequence[Study]) -> Source:
    store = Store.open(path, expect=embedder.processor.preprocess)
    known = {study.study_id: study for study in cohort}
    studies = []
    for stored in store.studies:
        listed = known.get(stored.study_id)
        image = listed.image if listed else path
        about = (stored.study_id, stored.patient_id, str(stored.modality), str(stored.split))
        date = _date(listed) if listed else None
        studies.append(_study(about, stored.report, stored.labels, image, date, store.fingerprint))

    def embed(places: Sequence[int]) -> Iterator[ArchivedStudy]:
        for place, row in zip(places, embedder.stored_rows(store, places), strict=True):
            yield replace(studies[place], vector=row["embedding"])

    return Source(studies, embed, SourceCohort(path))


def _of_manifest(cohort: Sequence[Study], embedder: Embedder) -> Source:
    listed = SourceCohort(Path())
    studies = []
    for study in cohort:
        about = (study.study_id, study.patient_id, str(study.modality), str(study.split))
        text = training_text(study.report)
        studies.append(_study(about, text, study.labels, study.image, _date(study), _files_stamp(study.image)))

    def embed(places: Sequence[int]) -> Iterator[ArchivedStudy]:
        chosen = [(studies[place], partial(read_study, cohort[place])) for place in places]
        return _embedded(chosen, embedder, listed)

    return Source(studies, embed, listed)


def _of_files(path: Path, embedder: Embedder) -> Source:
    listed = SourceCohort(Path())
    studies = []
    for image in find_images([path], listed):
        header = header_of(image)
        modality = str(header.modality or "") if header else ""
        about = (str(image), header.patient if header else "", modality, "")
        studies.append(_study(about, "", {}, image, header.date if header else None, _files_stamp(image)))

    def embed(places: Sequence[int]) -> Iterator[ArchivedStudy]:
        chosen = [studies[place] for place in places]
        return _embedded([(study, partial(open_image, study.study_id)) for study in chosen], embedder, listed)

    return Source(studies, embed, listed)


def _study(
    about: tuple[str, str, str, str], report: str, labels: Any, image: Path, date: Any, files: str
) -> ArchivedStudy:
    study_id, patient_id, modality, split = about
    findings = tuple(name for name, there in labels.items() if there)
    told = json.dumps([*about, report, findings, str(date), str(image), files])
    stamp = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    where = str(image.absolute())
    return ArchivedStudy(study_id, patient_id, modality, NONE_YET, None, report, date, split, findings, where, stamp)


def _date(study: Study) -> Any:
    header = None if study.date else header_of(study.image)
    return study.date or (header.date if header else None)


def _files_stamp(image: Path) -> str:
    """Changes with a file, and with a folder whose files come or go."""
    state = image.stat()
    return f"{state.st_mtime_ns} {state.st_size}"


def _embedded(
    waiting: Sequence[tuple[ArchivedStudy, Callable[[], Radiograph | Volume]]], embedder: Embedder, listed: SourceCohort
) -> Iterator[ArchivedStudy]:
    for batch in embedder.each(_batches(waiting, embedder, listed)):
        yield from (replace(study, vector=row["embedding"]) for study, row in batch)


def _batches(
    waiting: Sequence[tuple[ArchivedStudy, Callable[[], Radiograph | Volume]]], embedder: Embedder, listed: SourceCohort
) -> Iterator[list[tuple[ArchivedStudy, NDArray[np.int16]]]]:
    """Studies and their images as they are stored, all 2-D or all 3-D in a batch; what cannot be used is listed."""
    batches: dict[int, list[tuple[ArchivedStudy, NDArray[np.int16]]]] = {2: [], 3: []}
    for study, read in waiting:
        try:
            image = read()
            stored = embedder.processor.preprocess.stored(image)
        except (ValueError, OSError) as error:
            said = str(error).removeprefix(f"{study.image}: ").removeprefix(f"{study.study_id}: ")
            listed.skip(study.study_id, f"{error.reason}: {said}" if isinstance(error, ImagingError) else said)
            continue
        named = study if study.modality else replace(study, modality="CT" if image.ndim == 3 else "DX")
        batches[image.ndim].append((named, stored))
        if len(batches[image.ndim]) == embedder.batch_size:
            yield batches[image.ndim]
            batches[image.ndim] = []
    yield from (batch for batch in batches.values() if batch)
