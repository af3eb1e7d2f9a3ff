"""Cohort to store, in parallel: every study is read, brought to the stored geometry and packed, or refused by name.

A part of the store is one task of Dask: its threads here, or a scheduler that is running already. Each task reads
through a process of its own under a time and a memory limit a file (``sandbox.py``), so a hostile file costs that
process and nothing else. The result does not depend on the number of workers. Run again, finished parts are kept.
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unimedi.cohort.reports.counts import count_report, report_lines
from unimedi.cohort.reports.language import UNKNOWN
from unimedi.cohort.sources.phantom import is_phantom
from unimedi.cohort.study import Study
from unimedi.errors import InputError
from unimedi.files.atomic import write_json
from unimedi.files.lock import alone_in
from unimedi.inputs.cluster import on_cluster, on_threads
from unimedi.inputs.parts import Part, cut, prepare_part
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.preprocess_settings import PreprocessSettings
from unimedi.inputs.sandbox import Limits
from unimedi.inputs.store import MAX_MASKS, StoreError
from unimedi.inputs.store_writer import finish_store, part_name, read_markers
from unimedi.progress import progress_bar

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PrepareSummary:
    """``listed`` = ``taken`` + the sum of ``refused`` (reason to count)."""

    listed: int
    taken: int
    refused: dict[str, int]
    notes: dict[str, int]  # what was corrected in reading (code to count of studies)
    reports: tuple[str, ...]  # what was done with the reports taken, a sentence each
    kept_parts: int  # finished by an earlier run and kept
    seconds: float


def prepare(
    studies: Sequence[Study],
    out: str | Path,
    preprocess: PreprocessSettings | None = None,
    workers: int | None = None,
    limits: Limits | None = None,
    scheduler: str | None = None,
    part_size: int = 256,
    strict: float | None = None,
    text_length: int | None = None,
) -> PrepareSummary:
    """Prepare ``studies`` into the store ``out``; returns the counts, the refusals lie in ``out/refused.json``.

    Args:
        studies: a cohort, as ``read_manifest`` gives it; the store keeps its order.
        out: folder of the store; with ``scheduler``, one that all its workers see under this path and can write.
        preprocess: sizes and window; the defaults if None.
        workers: processes; None takes the CPUs this process may use, 0 reads here, one by one and without limits.
        limits: of time and memory a file (default: ``Limits()``); beyond, it is ``too_slow`` or ``too_large``.
        scheduler: address of a running Dask scheduler (``tcp://…``) instead of local workers.
        part_size: studies in one file of the store, at most; large ones are fewer.
        strict: share of refused studies, 0 to 1, above which no store comes of it; finished parts are kept.
        text_length: tokens that the model will read of a report; longer ones are counted.

    Raises:
        LockedError: another process prepares into ``out``.
        StoreError: more refused than ``strict`` allows, or the counts of the parts do not add up; as ``on_cluster``.
    """
    if strict is not None and not 0 <= strict <= 1:
        raise InputError(f"strict: expected a share of refused studies between 0 and 1, got {strict}")
    started = time.perf_counter()
    out, preprocess = Path(out), Preprocess.of(preprocess or PreprocessSettings())
    findings, here = finding_names(studies), workers == 0 and scheduler is None
    with alone_in(out):
        parts = cut(studies, out, preprocess, findings, part_size, None if here else limits or Limits())
        todo = [part for part in parts if not part.done]
        if todo:
            (out / "store.json").unlink(missing_ok=True)  # while parts change, this is no store
        kept = sum(len(part.studies) for part in parts if part not in todo)
        with progress_bar("preparing", len(studies), kept) as advance:
            if here:
                for part in todo:
                    prepare_part(part)
                    advance(len(part.studies))
            elif todo and scheduler:
                on_cluster(todo, scheduler, advance)
            elif todo:
                on_threads(todo, workers or len(os.sched_getaffinity(0)), advance)
        summary = _summary(studies, parts, len(parts) - len(todo), text_length, started)
        if strict is not None and summary.listed - summary.taken > strict * summary.listed:
            _fail(out, summary, strict, parts)
        finish_store(out, preprocess, findings, len(parts), is_phantom(studies))
    return summary


def finding_names(studies: Sequence[Study]) -> tuple[str, ...]:
    """Findings in the order of their first appearance; those with masks first if there are more than 16."""
    masked = dict.fromkeys(finding for study in studies for finding in study.masks)
    names = list(dict.fromkeys([*(finding for study in studies for finding in study.labels), *masked]))
    if len(masked) > MAX_MASKS:
        raise StoreError(f"{len(masked)} findings have masks; a store holds masks of at most {MAX_MASKS}")
    return tuple(names if len(names) <= MAX_MASKS else sorted(names, key=lambda name: name not in masked))


def _summary(
    studies: Sequence[Study], parts: Sequence[Part], kept_parts: int, text_length: int | None, started: float
) -> PrepareSummary:
    """Counted from what the parts hold, part by part: what is neither taken nor refused is an error, never a loss."""
    refused: list[dict[str, str]] = []
    notes: Counter[str] = Counter()
    taken = 0
    for part, marker in zip(parts, read_markers(parts[0].out, len(parts)) if parts else [], strict=True):
        here, gone = len(marker["digests"]), marker["refused"]
        if here + len(gone) != len(part.studies):
            counts = f"{here} taken and {len(gone)} refused of {len(part.studies)} listed"
            raise StoreError(f"{part.out}: {part_name(part.number)} does not add up: {counts}; remove it and run again")
        taken += here
        refused += gone
        notes.update(row["note"] for row in marker["notes"])
    names = {row["study_id"] for row in refused}
    reports = [s.report for s in studies if s.study_id not in names and s.report.text]
    counted = [count_report(report) for report in reports]
    foreign = sum(one.language not in ("en", UNKNOWN) for one in counted)
    if foreign:
        log.warning(
            "%d of %d reports are not in English: prompts are, and most text encoders; `unimedi translate` fills in a "
            "translation", foreign, len(studies),
        )  # fmt: skip
    reasons = dict(Counter(row["reason"] for row in refused).most_common())
    lines = tuple(report_lines(counted, text_length))
    seconds = time.perf_counter() - started
    return PrepareSummary(len(studies), taken, reasons, dict(notes.most_common()), lines, kept_parts, seconds)


def _fail(out: Path, summary: PrepareSummary, strict: float, parts: Sequence[Part]) -> None:
    """Leave the list of refusals and the finished parts, but no store."""
    (out / "store.json").unlink(missing_ok=True)
    write_json(out / "refused.json", [row for marker in read_markers(out, len(parts)) for row in marker["refused"]])
    count = summary.listed - summary.taken
    reasons = ", ".join(f"{number} {reason}" for reason, number in summary.refused.items())
    raise StoreError(
        f"{count} of {summary.listed} studies refused, {count / summary.listed:.1%}, where --strict allows "
        f"{strict:.1%} ({reasons}); each stands in {out / 'refused.json'}, and there is no store until "
        "it is less or --strict more"
    )
