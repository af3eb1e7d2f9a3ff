"""Two or more runs side by side, with paired differences: the same patients drawn for both in every resample.

Beside ``metrics.json`` lies ``resamples.npz``: every figure's value in every resample, and under which conditions. The
resamples follow from the patients, their number and the seed alone; so where two runs were measured under equal
conditions, row r of both is the same draw, and their difference is a paired bootstrap with nothing measured again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unimedi.errors import MissingError
from unimedi.evaluation.task import EvaluationOptions, View
from unimedi.files.atomic import atomic_file, write_json
from unimedi.metrics.bootstrap import Estimate, paired_difference
from unimedi.metrics.formatting import verdict
from unimedi.metrics.measurement import read_metrics

RESAMPLES = "resamples.npz"
CONDITIONS = {
    "draws": "patients or resamples",
    "prompts": "prompt file",
    "probe": "studies or seeds of the probe",
    "focal": "focal findings",
}


@dataclass(frozen=True)
class MeasuredRun:
    """A run as it was evaluated: its figures (with resamples, if they were kept) and what they were measured on."""

    name: str
    figures: Mapping[str, Estimate]
    conditions: Mapping[str, str]  # empty where no resamples were kept


def conditions(store: str, split: str, views: Mapping[str, View], options: EvaluationOptions) -> dict[str, str]:
    """What must be equal for a paired difference; ``store``: its fingerprint; ``draws``: a hash of all resamples."""
    draws = hashlib.sha256()
    for kind, view in views.items():
        draws.update(json.dumps([kind, view.table.study_ids, view.patients]).encode())
        draws.update(view.bootstrap.weights.astype(np.uint16).tobytes())
    return {
        "store": store,
        "split": split,
        "draws": draws.hexdigest(),
        "prompts": sha256(options.prompt_file),
        "probe": f"{options.probe_cap} studies, seeds {options.probe_seeds}",
        "focal": ", ".join(options.focal),
        **({"classes": ", ".join(options.classes)} if options.classes else {}),
    }


def write_resamples(figures: Mapping[str, Estimate], measured_on: Mapping[str, str], path: Path) -> None:
    """Write what :func:`read_runs` needs, no pickle, whole or not at all.

    In float64: rounded, a run would differ from itself, all resamples of a figure that never varies the same way.
    """
    kept = {key: figure.resampled for key, figure in figures.items() if figure.resampled is not None}
    rows = np.stack(list(kept.values())) if kept else np.zeros((0, 0))
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            keys=np.array(list(kept), dtype=str),
            resampled=rows,
            conditions=np.array(json.dumps(dict(measured_on))),
        )


def read_runs(paths: Sequence[Path]) -> list[MeasuredRun]:
    """Evaluated runs, by run folder or by ``metrics.json``; FileNotFoundError names one that was not evaluated.

    Runs of equal folder names are told apart by the folder above.
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
    figures, kept = read_metrics(file), file.with_name(RESAMPLES)
    if file.name != "metrics.json" or not kept.is_file():
        return MeasuredRun(name, figures, {})
    with np.load(kept, allow_pickle=False) as stored:
        rows = dict(zip(stored["keys"].tolist(), stored["resampled"].astype(np.float64), strict=True))
        measured_on = json.loads(str(stored["conditions"]))
    drawn = {key: Estimate(f.value, f.low, f.high, f.n, rows.get(key)) for key, f in figures.items()}
    return MeasuredRun(name, drawn, measured_on)


def why_not_paired(ours: Mapping[str, str], other: MeasuredRun) -> str:
    """Why there is no paired difference to a run, in a sentence; '' where there is."""
    if not other.conditions:
        return f"{other.name}: no {RESAMPLES} beside its metrics.json, so no paired differences; evaluate it again"
    if unequal := sorted(key for key in ours.keys() | other.conditions if ours.get(key) != other.conditions.get(key)):
        words = ", ".join(CONDITIONS.get(key, key) for key in unequal)
        return f"{other.name}: measured under other conditions (not the same {words}), so no paired differences"
    return ""


def differences(ours: Mapping[str, Estimate], other: MeasuredRun) -> dict[str, Estimate]:
    """Ours minus the other's for every figure that both have with resamples; conditions must be equal."""
    return {
        key: paired_difference(figure, other.figures[key])
        for key, figure in ours.items()
        if figure.resampled is not None and key in other.figures and other.figures[key].resampled is not None
    }


def write_differences(
    figures: Mapping[str, Estimate], measured_on: Mapping[str, str], others: Sequence[MeasuredRun], path: Path
) -> None:
    """``run → key → {value, low, high, n, verdict}`` as JSON for every run that can be paired, whole or not at all."""
    table = {
        other.name: {
            key: figure.to_json() | {"verdict": verdict(figure)} for key, figure in differences(figures, other).items()
        }
        for other in others
        if not why_not_paired(measured_on, other)
    }
    write_json(path, table)


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
