"""Paired differences between runs that were evaluated one after the other.

Beside ``metrics.json`` lies ``resamples.npz``: the value of every measurement in every resample, and the conditions
under which they were measured. The resamples follow from the patients, their number and the seed alone. So under equal
conditions resample r of both runs drew the same patients, and the difference of the two values is a paired bootstrap.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from unimedi.errors import InputError, MissingError
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.split import EvalSplit
from unimedi.files.atomic import atomic_file, write_json
from unimedi.metrics.bootstrap import paired_difference
from unimedi.metrics.formatting import verdict
from unimedi.metrics.measurement import Measurements, named

RESAMPLES = "resamples.npz"
CONDITIONS = {
    "draws": "patients or resamples",
    "prompts": "prompt file",
    "probe": "studies or seeds of the probe",
    "focal": "focal findings",
}


@dataclass(frozen=True)
class MeasuredRun:
    """A run as it was evaluated: its measurements (with resamples, if they were kept) and their conditions."""

    name: str
    measurements: Measurements
    conditions: Mapping[str, str]  # empty where no resamples were kept


def conditions(store: str, splits: Mapping[str, EvalSplit], options: EvaluationOptions) -> dict[str, str]:
    """What must be equal for a paired difference; ``store``: its fingerprint; ``draws``: a hash of all resamples."""
    draws = hashlib.sha256()
    for kind, split in splits.items():
        draws.update(json.dumps([kind, split.table.study_ids, split.patients]).encode())
        draws.update(split.bootstrap.weights.astype(np.uint16).tobytes())
    return {
        "store": store,
        "split": next(iter(splits.values())).name,
        "draws": draws.hexdigest(),
        "prompts": sha256(options.prompt_file),
        "probe": f"{options.probe_cap} studies, seeds {options.probe_seeds}",
        "focal": ", ".join(options.focal),
        **({"classes": ", ".join(options.classes)} if options.classes else {}),
        **({"details": ", ".join(options.details)} if any(split.details for split in splits.values()) else {}),
    }


def write_resamples(measurements: Measurements, measured_on: Mapping[str, str], path: Path) -> None:
    """Write what :func:`read_runs` needs, whole or not at all.

    In float64: rounded, a run would differ from itself, as all resamples of a constant are rounded the same way.
    """
    kept = {key: row.resampled for key, row in measurements.items() if row.resampled is not None}
    rows = np.stack(list(kept.values())) if kept else np.zeros((0, 0))
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            keys=np.array(list(kept), dtype=str),
            resampled=rows,
            conditions=np.array(json.dumps(dict(measured_on))),
        )


def read_runs(paths: Sequence[Path]) -> list[MeasuredRun]:
    """Read evaluated runs.

    Args:
        paths: run folders, or files such as ``metrics.json``. Runs in folders of equal names also get the name of the
            folder above.

    Raises:
        MissingError: a run was not evaluated.
        InputError: a run was evaluated by an older version, or its resamples are damaged; evaluate it again.
    """
    files = [path if path.suffix == ".json" else path / "metrics.json" for path in paths]
    for file in files:
        if not file.is_file():
            raise MissingError(f"expected {file} of a run to compare with; evaluate that run first")
    short = [_name(file) for file in files]
    return [
        _read(file, name if short.count(name) == 1 else f"{file.resolve().parents[1].name}/{name}")
        for file, name in zip(files, short, strict=True)
    ]


def _name(file: Path) -> str:
    return file.resolve().parent.name if file.name == "metrics.json" else file.stem


def _read(file: Path, name: str) -> MeasuredRun:
    measurements, kept = Measurements.read(file), file.with_name(RESAMPLES)
    if file.name != "metrics.json" or not kept.is_file():
        return MeasuredRun(name, measurements, {})
    try:
        with np.load(kept, allow_pickle=False) as stored:
            resampled = dict(zip(stored["keys"].tolist(), stored["resampled"].astype(np.float64), strict=True))
            measured_on = json.loads(str(stored["conditions"]))
    except (BadZipFile, EOFError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{kept} is damaged; evaluate that run again") from error
    rows = [named(row, resampled=resampled.get(key)) for key, row in measurements.items()]
    return MeasuredRun(name, Measurements(rows), measured_on)


def why_not_paired(ours: Mapping[str, str], other: MeasuredRun) -> str:
    """Why there is no paired difference to a run, in a sentence; '' where there is."""
    if not other.conditions:
        return f"{other.name}: no {RESAMPLES} beside its metrics.json, so no paired differences; evaluate it again"
    if unequal := sorted(key for key in ours.keys() | other.conditions if ours.get(key) != other.conditions.get(key)):
        words = ", ".join(CONDITIONS.get(key, key) for key in unequal)
        return f"{other.name}: measured under other conditions (not the same {words}), so no paired differences"
    return ""


def differences(ours: Measurements, other: MeasuredRun) -> Measurements:
    """Ours minus the other's, under the names of ours, where both have resamples; conditions must be equal."""
    rows = []
    for key, row in ours.items():
        theirs = other.measurements.get(key)
        if theirs is not None and row.resampled is not None and theirs.resampled is not None:
            rows.append(named(paired_difference(row, theirs), **row.name))
    return Measurements(rows)


def write_differences(
    measurements: Measurements, measured_on: Mapping[str, str], others: Sequence[MeasuredRun], path: Path
) -> None:
    """Write ``run → key → fields, value, low, high, n, verdict`` for every run that can be paired."""
    table = {
        other.name: {
            key: row.to_json() | {"verdict": verdict(row)} for key, row in differences(measurements, other).items()
        }
        for other in others
        if not why_not_paired(measured_on, other)
    }
    write_json(path, table)


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
