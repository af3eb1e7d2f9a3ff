"""A phantom hospital on disk: images as its scanners would leave them, reports, masks, and an index.

    OUT/patients/<patient>/<study>/image.{dcm,png,jpg,nii,nii.gz} or series/*.dcm
    OUT/reports/<study>.txt      OUT/masks/<study>/<finding>.{nii.gz,png}, distractor.nii.gz where it is asked for
    OUT/index.csv                one row a study      OUT/hospital.json    written last: the hospital is finished

The files are a function of (preset, seed): the same bytes on any number of workers. Patients are drawn from
(patient id, seed of their split): training and validation share one seed, the test split has another
(``patient_seed``). An interrupted hospital goes on where it stopped.
"""

import csv
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from unimedi import __version__
from unimedi.cohort.reports.report import training_text
from unimedi.cohort.reports.same_report import words_of
from unimedi.cohort.study import Modality, Report, Split
from unimedi.errors import StateError
from unimedi.files.atomic import write_json, write_text
from unimedi.files.lock import LOCK, alone_in
from unimedi.phantom.files import study_date
from unimedi.phantom.painting.distractors import DISTRACTOR
from unimedi.phantom.patient.catalogue import DETAILS, FINDINGS
from unimedi.phantom.planning import PatientPlan, patient_seed, plan_hospital
from unimedi.phantom.presets import HospitalPreset, find_preset
from unimedi.phantom.reports.write import details_for, labels_for, write_report
from unimedi.phantom.write_study import write_study
from unimedi.progress import progress_bar

PART = 16  # patients that are written, and recorded as done, together
ATTEMPTS = 100  # wordings tried until a report of a held-out split is unlike every other
BUILDING = ".building"
FOLDERS = ("patients", "reports", "masks")
COLUMNS = ("study_id", "patient_id", "modality", "split", "image", "report_path", "language", "format", "view", "pair",
           "sex", "age", "study_date")  # fmt: skip
# What a worker starts with: one thread, and an allocator that keeps freed blocks (else a sixth goes to page faults).
WORKER_ENVIRONMENT = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1"
    ),
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": str(64 << 20),
}

Row = dict[str, str]


class HospitalError(StateError):
    """The hospital cannot be written where it was asked for."""


def build_hospital(
    out: str | Path,
    preset: str | HospitalPreset = "tiny",
    seed: int = 0,
    workers: int | None = None,
    patients: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Write a phantom hospital. A finished one of the same options is left alone, an unfinished one completed.

    Args:
        out: its folder.
        preset: a name in ``PRESETS``, or a preset of your own.
        seed: the files are a function of it and of the options.
        workers: processes of one thread each (default: one a core).
        patients: so many in place of the preset's, in its proportions.
        overrides: fields of ``HospitalPreset`` to change.
        progress: show a bar.

    Returns:
        Its summary, which ``hospital.json`` holds.

    Raises:
        InputError: an unknown preset, option or finding, or a share outside 0..1.
        HospitalError: ``out`` holds something else, or a worker died.
        LockedError: another process writes a hospital there.
    """
    chosen = find_preset(preset) if isinstance(preset, str) else preset
    chosen = chosen.with_options(overrides or {})
    if patients is not None:
        chosen = chosen.with_patients(patients)
    chosen.patient("P000000", seed)  # an unknown finding is an error before anything is written
    out = Path(out)
    request = {"phantom": 1, "unimedi": __version__, "seed": seed, "options": chosen.to_dict()}
    with alone_in(out):
        if (finished := _open(out, request)) is not None:
            return finished
        plans = plan_hospital(chosen, seed)
        parts = [plans[start : start + PART] for start in range(0, len(plans), PART)]
        todo = [number for number in range(len(parts)) if not _part_file(out, number).exists()]
        kept = sum(len(part) for number, part in enumerate(parts) if number not in todo)
        with progress_bar("phantom patients", len(plans), kept, shown=progress) as advance:
            for number in _write_parts(out, parts, todo, chosen, seed, workers or os.cpu_count() or 1):
                advance(len(parts[number]))
        rows = [row for number in range(len(parts)) for row in json.loads(_part_file(out, number).read_text("utf-8"))]
        _make_distinct(out, rows, chosen, seed)
        labels = (*FINDINGS, *DETAILS) if chosen.lesion_mix else FINDINGS
        _write_index(out / "index.csv", rows, labels, (*FINDINGS, DISTRACTOR) if chosen.mask_distractors else FINDINGS)
        summary = {**request, **_summary(rows)}
        write_json(out / "hospital.json", summary)
        shutil.rmtree(out / BUILDING)
        return summary


def _write_parts(
    out: Path, parts: list[list[PatientPlan]], todo: list[int], preset: HospitalPreset, seed: int, workers: int
) -> Iterator[int]:
    """Write the parts that are missing; yields the number of each as it is done."""
    if min(workers, len(todo)) < 2 and os.environ.get("OMP_NUM_THREADS") == "1":  # this process does as a worker does
        for number in todo:
            yield write_part(out, number, parts[number], preset, seed)
        return
    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    os.environ.update(WORKER_ENVIRONMENT)  # children read it as they start, before they import numpy
    try:
        with ProcessPoolExecutor(max(1, min(workers, len(todo))), mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(write_part, out, number, parts[number], preset, seed) for number in todo]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BrokenProcessPool as error:
                advice = f"run again with fewer than {workers} workers: finished patients are kept"
                raise HospitalError(f"a worker died (out of memory?); {advice}") from error
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        for name in WORKER_ENVIRONMENT:
            os.environ.pop(name)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def write_part(out: Path, number: int, plans: list[PatientPlan], preset: HospitalPreset, seed: int) -> int:
    """Write these patients' files, then record the part as done; returns its number."""
    rows = []
    for plan in plans:
        patient = preset.patient(plan.patient_id, patient_seed(seed, plan.split))
        for study in plan.studies:
            files = write_study(out, patient, study, preset)
            report = write_report(
                patient, study.modality, seed, study.language, view=study.view, brief=preset.brief_reports
            )
            _save_report(out, study.study_id, report)
            pair = [other.study_id for other in plan.studies if other is not study]
            labels = labels_for(patient, study.modality)
            if preset.lesion_mix:
                labels |= details_for(patient, study.modality)
            rows.append(
                {
                    "study_id": study.study_id,
                    "patient_id": plan.patient_id,
                    "modality": study.modality.value,
                    "split": plan.split.value,
                    "report_path": f"reports/{study.study_id}.txt",
                    "language": study.language,
                    "format": study.format,
                    "view": study.view,
                    "pair": "".join(pair),
                    "sex": patient.sex,
                    "age": str(patient.age),
                    **{f"label:{name}": str(int(present)) for name, present in labels.items()},
                    **files,
                }
            )
    write_json(_part_file(out, number), rows)
    return number


def _make_distinct(out: Path, rows: Iterable[Row], preset: HospitalPreset, seed: int) -> None:
    """Write again each held-out report whose training text another study of its split has already.

    Retrieval among N reports counts N different ones. Going by the order of the rows makes it deterministic, and an
    interrupted pass gives the same when repeated.
    """
    seen: dict[str, set[str]] = {Split.VALIDATION.value: set(), Split.TEST.value: set()}
    for row in rows:
        if row["split"] not in seen:
            continue
        texts = seen[row["split"]]
        path = out / row["report_path"]
        report = Report(path.read_text("utf-8"), row["language"])
        attempt = 0
        while (text := words_of(training_text(report))) in texts:
            attempt += 1
            if attempt > ATTEMPTS:
                raise HospitalError(f"no wording of {row['study_id']}'s report is unlike the others of its split")
            patient = preset.patient(row["patient_id"], patient_seed(seed, Split(row["split"])))
            report = write_report(
                patient,
                Modality(row["modality"]),
                seed,
                row["language"],
                view=row["view"],
                attempt=attempt,
                brief=preset.brief_reports,
            )
        if attempt:
            _save_report(out, row["study_id"], report)
        texts.add(text)


def _open(out: Path, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """The summary of the same hospital where it is finished; None where it is to be written or completed."""
    building = out / BUILDING
    begun = building / "request.json"
    if begun.exists() and not (out / "hospital.json").exists() and not any(building.glob("part-*.json")):
        for name in (*FOLDERS, BUILDING):  # nothing in them is finished, and it may be of other options
            shutil.rmtree(out / name, ignore_errors=True)
    if (out / "hospital.json").exists():
        summary = _check(out / "hospital.json", request, out)
        shutil.rmtree(building, ignore_errors=True)
        return summary
    if begun.exists():
        _check(begun, request, out)
    elif any(path.name != LOCK for path in out.iterdir()):
        raise HospitalError(f"{out} is not empty and holds no phantom hospital; choose another folder")
    else:
        building.mkdir(parents=True)
        write_json(begun, request)
    for name in FOLDERS:
        (out / name).mkdir(exist_ok=True)
    return None


def _check(path: Path, request: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """What ``path`` says, if it was written for the same request."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    plain = json.loads(json.dumps(request))  # tuples as lists, as they come out of a file
    there, asked = ({**one, **one.get("options", {})} for one in (found, plain))
    names = [name for name in {**plain, **plain["options"], **found.get("options", {})} if name != "options"]
    differ = [
        f"{name} {there.get(name, 'unset')} there, {asked.get(name, 'unset')} asked for"
        for name in names
        if there.get(name) != asked.get(name)
    ]
    if differ:
        raise HospitalError(
            f"{out} holds another phantom ({'; '.join(differ[:4])}); choose another folder or delete it"
        )
    return found


def _summary(rows: list[Row]) -> dict[str, Any]:
    """Counts for people: studies by split and modality, formats, languages, and how often each finding is reported."""
    return {
        "studies": len(rows),
        "patients": len({row["patient_id"] for row in rows}),
        "splits": dict(sorted(Counter(f"{row['split']}/{row['modality']}" for row in rows).items())),
        "formats": dict(sorted(Counter(row["format"] for row in rows).items())),
        "languages": dict(sorted(Counter(row["language"] for row in rows).items())),
        "findings": {name: sum(row[f"label:{name}"] == "1" for row in rows) for name in FINDINGS},
        "normal": sum(all(row[f"label:{name}"] == "0" for name in FINDINGS) for row in rows),
    }


def _write_index(path: Path, rows: list[Row], labels: tuple[str, ...], masked: tuple[str, ...]) -> None:
    columns = [*COLUMNS, *(f"label:{name}" for name in labels), *(f"mask:{name}" for name in masked)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "study_date": study_date(row["study_id"]).isoformat()} for row in rows)
    write_text(path, text.getvalue())


def _part_file(out: Path, number: int) -> Path:
    return out / BUILDING / f"part-{number:05d}.json"


def _save_report(out: Path, study_id: str, report: Report) -> None:
    write_text(out / "reports" / f"{study_id}.txt", report.text)
