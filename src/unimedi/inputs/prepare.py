"""Cohort to store, in parallel: every study is read, brought to the stored geometry and packed, or refused by name.

A part of the store is one task of a local Dask cluster (processes, one thread each, with a memory limit) or of a
scheduler that is running already. A bad file becomes a refusal; a file that kills its process costs that process, then
is refused too. The result does not depend on the number of workers. Run again, finished parts are kept.
"""

import hashlib
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from unimedi.cohort.report import training_text
from unimedi.cohort.study import Modality, Study
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.read import read_image, read_mask
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import (
    FORMAT,
    MAX_MASKS,
    Record,
    StoredStudy,
    StoreError,
    finish_store,
    part_is_done,
    part_name,
    write_part,
)

log = logging.getLogger(__name__)

Refusal = dict[str, str]  # study_id, reason, message


@dataclass(frozen=True, slots=True)
class PrepareSummary:
    """``listed`` = ``taken`` + the sum of ``refused`` (reason to count)."""

    listed: int
    taken: int
    refused: dict[str, int]
    not_english: int  # reports taken whose language is not English
    kept_parts: int  # finished by an earlier run and kept
    seconds: float


@dataclass(frozen=True, slots=True)
class Part:
    """One task: what to read and where to write it. ``crashed``: study ids that killed their worker twice."""

    out: Path
    number: int
    studies: tuple[Study, ...]
    preprocess: Preprocess
    findings: tuple[str, ...]
    inputs: str
    crashed: frozenset[str] = frozenset()

    @property
    def now(self) -> Path:
        """Holds the id of the study being read: it outlives a killed process and names the culprit."""
        return self.out / f".{part_name(self.number)}.now"


def prepare(
    studies: Sequence[Study],
    out: str | Path,
    preprocess: Preprocess | None = None,
    workers: int | None = None,
    memory_limit: str = "2GiB",
    scheduler: str | None = None,
    part_size: int = 256,
) -> PrepareSummary:
    """Prepare ``studies`` into the store ``out``; returns the counts, the refusals lie in ``out/refused.json``.

    Args:
        studies: a cohort, as ``read_manifest`` gives it; the store keeps its order.
        out: folder of the store; with ``scheduler``, one that all its workers can write.
        preprocess: sizes and window; the defaults if None.
        workers: processes; None takes the CPUs this process may use, 0 works here without a cluster.
        memory_limit: a process; one that goes beyond is killed and its study refused as ``crashed``.
        scheduler: address of a running Dask scheduler (``tcp://…``) instead of a local cluster.
        part_size: studies in one file of the store.
    """
    started = time.perf_counter()
    out, preprocess = Path(out), preprocess or Preprocess()
    out.mkdir(parents=True, exist_ok=True)
    findings = finding_names(studies)
    parts = []
    for number, start in enumerate(range(0, len(studies), part_size)):
        chunk = tuple(studies[start : start + part_size])
        parts.append(Part(out, number, chunk, preprocess, findings, _fingerprint(chunk, preprocess, findings)))
    todo = [part for part in parts if not part_is_done(out, part.number, part.inputs)]
    if todo:
        (out / "store.json").unlink(missing_ok=True)  # while parts change, this is no store
    with _progress(len(studies)) as advance:
        for part in parts:
            if part not in todo:
                advance(part)
        if workers == 0 and scheduler is None:
            for part in todo:
                _prepare_part(part)
                advance(part)
        elif todo:
            _on_cluster(todo, workers or len(os.sched_getaffinity(0)), memory_limit, scheduler, advance)
    finish_store(out, preprocess, findings, len(parts))
    return _summary(studies, out, len(parts) - len(todo), time.perf_counter() - started)


def finding_names(studies: Sequence[Study]) -> tuple[str, ...]:
    """Findings in the order of their first appearance; those with masks first if there are more than 16."""
    masked = dict.fromkeys(finding for study in studies for finding in study.masks)
    names = list(dict.fromkeys([*(finding for study in studies for finding in study.labels), *masked]))
    if len(masked) > MAX_MASKS:
        raise StoreError(f"{len(masked)} findings have masks; a store holds masks of at most {MAX_MASKS}")
    return tuple(names if len(names) <= MAX_MASKS else sorted(names, key=lambda name: name not in masked))


# -- one study --------------------------------------------------------------------------------------------------------


def _prepare_part(part: Part) -> int:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # parallel over studies, not inside one
    refused: list[Refusal] = []
    write_part(part.out, part.number, _records(part, refused), part.findings, part.inputs, refused)
    part.now.unlink(missing_ok=True)
    return part.number


def _records(part: Part, refused: list[Refusal]) -> Iterator[Record]:
    for study in part.studies:
        try:
            if study.study_id in part.crashed:
                raise ImagingError(
                    "crashed", f"{study.image}: its process died twice (memory limit, or a decoder's crash)"
                )
            part.now.write_text(study.study_id, encoding="utf-8")
            record = _record(study, part.preprocess, part.findings)
        except ImagingError as error:
            refused.append({"study_id": study.study_id, "reason": error.reason, "message": str(error)})
        except Exception as error:  # one study must never end the run; what it was is kept
            message = f"{study.image}: {type(error).__name__}: {error}"
            refused.append({"study_id": study.study_id, "reason": "error", "message": message})
        else:
            yield record


def _record(study: Study, preprocess: Preprocess, findings: tuple[str, ...]) -> Record:
    image = read_image(study.image)
    if image.ndim != study.modality.ndim:
        message = (
            f"{study.image}: the manifest says {study.modality} ({study.modality.ndim}-D), the file is {image.ndim}-D"
        )
        raise ImagingError("wrong_dimension", message)
    if study.modality is Modality.CT and isinstance(image, Volume) and image.voxels.min() >= 0:
        raise ImagingError("not_hu", f"{study.image}: no voxel below 0, so these are not Hounsfield units")
    text = training_text(study.report)
    if not text and (study.report.text or not (study.labels or study.masks)):
        raise ImagingError("empty_report", f"study {study.study_id}: the report is empty")
    mask = _mask(study, image, preprocess, findings) if study.masks else None
    spacing = preprocess.stored_spacing(image) or ()
    labels, about = dict(study.labels), (study.study_id, study.patient_id, study.modality, study.split)
    stored = StoredStudy(*about, text, study.report.language, labels, mask is not None, spacing)
    return Record(stored, preprocess.stored(image), mask)


def _mask(
    study: Study, image: Radiograph | Volume, preprocess: Preprocess, findings: tuple[str, ...]
) -> NDArray[np.uint16]:
    shape = image.pixels.shape if isinstance(image, Radiograph) else image.voxels.shape
    bits = np.zeros(shape, dtype=np.uint16)
    for finding, path in study.masks.items():
        inside = read_mask(path)
        if inside.shape != shape:
            raise ImagingError("mask_mismatch", f"{path}: the mask is {inside.shape}, the image {shape}")
        bits |= inside.astype(np.uint16) << np.uint16(findings.index(finding))
    return preprocess.stored_mask(bits, image)


# -- many parts -------------------------------------------------------------------------------------------------------


def _on_cluster(
    todo: list[Part], workers: int, memory_limit: str, scheduler: str | None, advance: Callable[[Part], None]
) -> None:
    import dask
    from distributed import Client, KilledWorker, LocalCluster, as_completed

    # One failure is forgiven (somebody killed the wrong process), the second names a culprit. A worker is given one
    # part at a time, so that no innocent part dies with it.
    settings = {"distributed.scheduler.allowed-failures": 1, "distributed.scheduler.worker-saturation": 1.0}
    local = {"n_workers": min(workers, len(todo)), "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    quiet = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    # Pausing and spilling are for data kept in workers; here they could only stall.
    memory = {f"distributed.worker.memory.{limit}": False for limit in ("target", "spill", "pause")}
    with (
        dask.config.set(settings | memory),
        _cluster(scheduler or (lambda: LocalCluster(**local, **quiet, memory_limit=memory_limit))) as address,
        Client(address) as client,
    ):
        running: dict[Any, Part] = {}

        def submit(part: Part) -> Any:
            future = client.submit(_prepare_part, part, pure=False)
            running[future] = part
            return future

        queue = as_completed([submit(part) for part in todo])
        for future in queue:
            part = running.pop(future)
            try:
                future.result()
                advance(part)
            except KilledWorker:
                queue.add(submit(_without_culprit(part)))


@contextmanager
def _cluster(source: str | Callable[[], Any]) -> Iterator[Any]:
    if isinstance(source, str):
        yield source
    else:
        with source() as cluster:
            yield cluster


def _without_culprit(part: Part) -> Part:
    if not part.now.is_file():
        raise StoreError(
            f"{part_name(part.number)}: its worker died twice before it read a study; is the machine short of memory?"
        )
    culprit = part.now.read_text(encoding="utf-8")
    log.warning("study %s killed its worker twice: refused", culprit)
    crashed = part.crashed | {culprit}
    return Part(part.out, part.number, part.studies, part.preprocess, part.findings, part.inputs, crashed)


def _fingerprint(studies: Sequence[Study], preprocess: Preprocess, findings: Sequence[str]) -> str:
    """Of everything a part is made from: settings, software, rows of the manifest, size and time of every file."""
    from unimedi import __version__

    hashed = hashlib.sha256(json.dumps([FORMAT, __version__, preprocess.fingerprint(), list(findings)]).encode())
    for s in studies:
        row = [s.study_id, s.patient_id, s.modality, s.split, s.report.text, s.report.language, list(s.labels.items())]
        files = [_stamp(s.image), *([finding, _stamp(path)] for finding, path in s.masks.items())]
        hashed.update(json.dumps([row, files]).encode())
    return hashed.hexdigest()


def _stamp(path: Path) -> list[Any]:
    """Path, size and modification time in ns; a series' folder changes its time when a slice comes or goes."""
    try:
        status = os.stat(path)
    except OSError:
        return [str(path), None]
    return [str(path), status.st_size, status.st_mtime_ns]


def _summary(studies: Sequence[Study], out: Path, kept_parts: int, seconds: float) -> PrepareSummary:
    refused = json.loads((out / "refused.json").read_text(encoding="utf-8"))
    names = {row["study_id"] for row in refused}
    foreign = sum(s.report.language != "en" for s in studies if s.study_id not in names)
    if foreign:
        log.warning("%d of %d reports are not in English; prompts and vocabulary assume English", foreign, len(studies))
    counts = dict(Counter(row["reason"] for row in refused).most_common())
    return PrepareSummary(len(studies), len(studies) - len(refused), counts, foreign, kept_parts, seconds)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Part], None]]:
    columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("preparing", total=total)
        yield lambda part: bar.advance(task, len(part.studies))
