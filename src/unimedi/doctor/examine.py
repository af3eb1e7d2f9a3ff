"""All studies of a cohort or a store looked at, in processes of their own, each under a time and a memory limit."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.study import Study
from unimedi.doctor.geometry import spacing_outliers
from unimedi.doctor.study_summary import Stored, StudySummary, describe, inspect
from unimedi.imaging.image import ImagingError
from unimedi.inputs.mended import outdated
from unimedi.inputs.sandbox import Guarded, Limits
from unimedi.inputs.store import Store
from unimedi.progress import progress_bar

BATCH = 16  # studies in a task: Dask keeps some 1 KB of each task, and a cohort may have 100,000 studies


@dataclass(frozen=True, slots=True)
class Examined:
    """What was looked at: ``kind`` is ``store`` or ``cohort``; ``lost`` are refusals that a store remembers,
    ``outdated`` what the store has wrong because it was prepared by older rules."""

    path: Path
    kind: str
    seen: list[StudySummary]
    lost: list[dict[str, str]]
    outdated: list[str]


def examine(
    path: str | Path, root: Path | None = None, workers: int | None = None, limits: Limits | None = None
) -> Examined:
    """Look at every study of a manifest or of a store, once.

    Args:
        path: a manifest (.csv, .parquet) or the folder of a store.
        root: where a manifest's paths begin (default: its own folder).
        workers: processes; None takes the CPUs this process may use, 0 looks here, one by one and without limits.
        limits: of time and memory a study (default: ``Limits()``); beyond, it is ``too_slow`` or ``too_large``.

    Raises:
        ManifestError, StoreError: neither can be read; a patient in two splits is such an error.
    """
    path = Path(path)
    items: Sequence[Study | Stored]
    if path.is_dir():
        store = Store.open(path)
        items, kind, lost = [Stored(path, i) for i in range(len(store))], "store", store.refused
        old = outdated(store.rules)
        names = [study.study_id for study in store.studies]
    else:
        items, kind, lost, old = read_manifest(path, root), "cohort", [], []
        names = [study.study_id for study in items if isinstance(study, Study)]
    if workers == 0:
        with progress_bar("looking", len(items)) as advance:
            seen = [_counted(inspect(item), advance) for item in items]
    else:
        seen = _in_processes(items, names, workers or len(os.sched_getaffinity(0)), limits or Limits())
    return Examined(path, kind, _with_outliers(seen), lost, old)


def _in_processes(
    items: Sequence[Study | Stored], names: Sequence[str], workers: int, limits: Limits
) -> list[StudySummary]:
    """Dask's threads, each waiting for a process that reads."""
    import dask

    idle: SimpleQueue[Guarded[Any, StudySummary]] = SimpleQueue()
    every = [Guarded(inspect, limits) for _ in range(min(workers, len(items)) or 1)]
    for guarded in every:
        idle.put(guarded)

    def batch(start: int) -> list[StudySummary]:
        guarded = idle.get()
        try:
            return [_counted(_under_limits(guarded, items[i], names[i]), advance) for i in _range(start, len(items))]
        finally:
            idle.put(guarded)

    try:
        with progress_bar("looking", len(items)) as advance:
            tasks = [dask.delayed(batch, pure=False)(start) for start in range(0, len(items), BATCH)]
            done = dask.compute(*tasks, scheduler="threads", num_workers=len(every))
    finally:
        for guarded in every:
            guarded.close()
    return [seen for some in done for seen in some]


def _range(start: int, total: int) -> range:
    return range(start, min(start + BATCH, total))


def _under_limits(guarded: "Guarded[Any, StudySummary]", item: Study | Stored, name: str) -> StudySummary:
    try:
        return guarded(item, name if isinstance(item, Stored) else str(item.image))
    except ImagingError as error:
        about = describe(item) if isinstance(item, Study) else StudySummary(name, "", "", "", "", "", 0, "")
        return replace(about, refused=error.reason, message=str(error))


def _with_outliers(seen: list[StudySummary]) -> list[StudySummary]:
    """``spacing_outlier`` is known once all have been seen."""
    for modality in {one.modality for one in seen}:
        rows = [i for i, one in enumerate(seen) if one.modality == modality]
        for place in spacing_outliers([seen[i].spacing for i in rows]):
            one = seen[rows[place]]
            seen[rows[place]] = replace(one, signs=(*one.signs, "spacing_outlier"))
    return seen


def _counted(seen: StudySummary, advance: Callable[[int], None]) -> StudySummary:
    """Without its picture where nothing is wrong: pictures of all would fill the memory."""
    advance(1)
    return seen if seen.signs else replace(seen, picture=b"")
