"""A cohort cut into parts, one file of the store each; a part prepared, and kept when the command is run again."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from unimedi.cohort.study import Mask, Study
from unimedi.imaging.image import ImagingError
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.sandbox import LIMITED, Limits, SandboxPool
from unimedi.inputs.store import FORMAT
from unimedi.inputs.store_rules import RULES
from unimedi.inputs.store_writer import Packed, Refusal, part_is_done, part_name, write_part
from unimedi.inputs.study_record import Job, pack_study, refusal

PART_BYTES = 1 << 30  # stored pixels and masks of a part before compression: what a kill can cost, and a copy moves

_pools: dict[tuple[Limits, Path | None], SandboxPool[Job, Packed | Refusal]] = {}  # of this process


@dataclass(frozen=True, slots=True)
class Part:
    """One task: what to read, where to write it, what a file may take (None: read in this process, without limits)."""

    out: Path
    number: int
    studies: tuple[Study, ...]
    preprocess: Preprocess
    findings: tuple[str, ...]
    inputs: str
    limits: Limits | None = None

    @property
    def done(self) -> bool:
        """Whether it is on disk, made from the same inputs, and its refusals were made under the same limits."""
        if not part_is_done(self.out, self.number, self.inputs):
            return False
        marker = json.loads((self.out / f"{part_name(self.number)}.json").read_text(encoding="utf-8"))
        limits = self.limits or Limits()
        return all(row["limit"] == limits.of(row["reason"]) for row in marker["refused"] if row["reason"] in LIMITED)


def cut(
    studies: Sequence[Study],
    out: Path,
    preprocess: Preprocess,
    findings: tuple[str, ...],
    part_size: int,
    limits: Limits | None,
) -> list[Part]:
    """Parts in the cohort's order, each of at most ``part_size`` studies and ``PART_BYTES`` (or of one study)."""
    chunks: list[list[Study]] = [[]]
    held = 0
    for study in studies:
        size = _stored_bytes(study, preprocess)
        if chunks[-1] and (len(chunks[-1]) == part_size or held + size > PART_BYTES):
            chunks.append([])
            held = 0
        chunks[-1].append(study)
        held += size
    return [
        Part(out, number, tuple(chunk), preprocess, findings, fingerprint(chunk, preprocess, findings), limits)
        for number, chunk in enumerate(chunks)
        if chunk
    ]


def prepare_part(part: Part) -> int:
    """Read, pack and write the studies of one part; its marker lists those refused. Returns its number."""
    return write_rows(part, (row_of(part, study) for study in part.studies))


def write_rows(part: Part, rows: Iterable[Packed | Refusal]) -> int:
    """Write what came of the studies of a part, in their order. Returns its number."""
    write_part(part.out, part.number, rows, part.findings, part.inputs)
    return part.number


def row_of(part: Part, study: Study, folder: Path | None = None) -> Packed | Refusal:
    """One study of a part as a row, or why it cannot be one; ``folder`` is where its path begins, if not here."""
    job = Job(study, part.preprocess, part.findings)
    return _under_limits(job, part.limits, folder) if part.limits else pack_study(job)


def end_processes() -> None:
    """End those that wait for another study."""
    for pool in _pools.values():
        pool.close()


def _under_limits(job: Job, limits: Limits, folder: Path | None) -> Packed | Refusal:
    pool = _pools.setdefault((limits, folder), SandboxPool(pack_study, limits, folder))
    try:
        return pool(job, str(job.study.image))
    except ImagingError as error:
        row = refusal(job.study, error)
        return row | {"limit": limits.of(error.reason)} if error.reason in LIMITED else row


def _stored_bytes(study: Study, preprocess: Preprocess) -> int:
    shape = preprocess.hires_shape if study.modality.ndim == 3 else preprocess.radiograph_size
    return 2 * prod(shape) * (2 if study.masks else 1)  # int16, and uint16 of the masks


def fingerprint(
    studies: Sequence[Study], preprocess: Preprocess, findings: Sequence[str], folder: Path | None = None
) -> str:
    """Hash of all that a part is made from: settings, software, rows of the manifest, size and time of every file.

    ``folder`` is where the files' paths begin, if not here.
    """
    from unimedi import __version__

    hashed = hashlib.sha256(json.dumps([FORMAT, RULES, __version__, preprocess.fingerprint(), list(findings)]).encode())
    stamp = partial(_stamp, folder or Path())
    for s in studies:
        row = [
            s.study_id,
            s.patient_id,
            s.modality,
            s.split,
            s.report.text,
            s.report.language,
            s.report.translation,
            s.series,
            list(s.labels.items()),
        ]
        files = [stamp(s.image), *([finding, *_marked(mask, stamp)] for finding, mask in s.masks.items())]
        hashed.update(json.dumps([row, files]).encode())
    return hashed.hexdigest()


def _marked(mask: Mask, stamp: Callable[[Path], list[Any]]) -> list[Any]:
    return [mask.boxes] if mask.path is None else [stamp(mask.path), mask.value]


def _stamp(folder: Path, path: Path) -> list[Any]:
    """Path, size and modification time in ns; a series' folder changes its time when a slice comes or goes."""
    try:
        status = os.stat(folder / path)
    except OSError:
        return [str(path), None]
    return [str(path), status.st_size, status.st_mtime_ns]
