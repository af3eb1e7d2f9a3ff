"""All studies of a cohort or a store looked at, in processes of their own, each under a time and a memory limit."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.study import Study
from unimedi.doctor.geometry import spacing_outliers
from unimedi.doctor.study_summary import Stored, StudySummary, describe, inspect
from unimedi.imaging.image import ImagingError
from unimedi.inputs.sandbox import Limits, SandboxPool
from unimedi.inputs.store import Store
from unimedi.inputs.store_rules import faults_of
from unimedi.progress import progress_bar


@dataclass(frozen=True, slots=True)
class Examined:
    """A cohort or a store, study by study.

    ``source`` is ``store`` or ``cohort``; ``lost`` are the studies that were refused when the store was prepared;
    ``outdated``: what is wrong in a store because it was prepared by older rules, in sentences.
    """

    path: Path
    source: str
    studies: list[StudySummary]
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
        items, source, lost = [Stored(path, i) for i in range(len(store))], "store", store.refused
        old = faults_of(store.rules)
        names = [study.study_id for study in store.studies]
    else:
        items, source, lost, old = read_manifest(path, root), "cohort", [], []
        names = [study.study_id for study in items if isinstance(study, Study)]
    if workers == 0:
        with progress_bar("looking", len(items)) as advance:
            studies = [_counted(inspect(item), advance) for item in items]
    else:
        studies = _in_processes(items, names, workers or len(os.sched_getaffinity(0)), limits or Limits())
    return Examined(path, source, _with_outliers(studies), lost, old)


def _in_processes(
    items: Sequence[Study | Stored], names: Sequence[str], workers: int, limits: Limits
) -> list[StudySummary]:
    """Threads, each waiting for a process that reads."""
    pool: SandboxPool[Any, StudySummary] = SandboxPool(inspect, limits)
    try:
        with progress_bar("looking", len(items)) as advance, ThreadPoolExecutor(workers) as threads:
            return list(
                threads.map(lambda item, name: _counted(_under_limits(pool, item, name), advance), items, names)
            )
    finally:
        pool.close()


def _under_limits(pool: SandboxPool[Any, StudySummary], item: Study | Stored, name: str) -> StudySummary:
    try:
        return pool(item, name if isinstance(item, Stored) else str(item.image))
    except ImagingError as error:
        return replace(describe(item), refused=error.reason, message=str(error))


def _with_outliers(studies: list[StudySummary]) -> list[StudySummary]:
    """``spacing_outlier`` is known once all have been read."""
    for modality in {one.modality for one in studies}:
        rows = [i for i, one in enumerate(studies) if one.modality == modality]
        for place in spacing_outliers([studies[i].spacing for i in rows]):
            one = studies[rows[place]]
            studies[rows[place]] = replace(one, signs=(*one.signs, "spacing_outlier"))
    return studies


def _counted(study: StudySummary, advance: Callable[[int], None]) -> StudySummary:
    """Without its picture where nothing is wrong: pictures of all would fill the memory."""
    advance(1)
    return study if study.signs else replace(study, picture=b"")
