"""How fast is a phantom hospital written, and what takes the time? ``python benchmarks/phantom.py`` prints a table.

One process of one thread writes the patients of a preset into a temporary folder, in the preset's own mix of X-rays,
CTs and formats; the time inside each part is taken from the same run. ``unimedi phantom`` has a worker a core.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from unimedi.phantom import ct, files, hospital, presets, write_study, xray
from unimedi.phantom.planning import plan_hospital
from unimedi.phantom.presets import find_preset

# What is timed: where the name is looked up, the name, the row that it counts in. None of them calls another.
PARTS: tuple[tuple[Any, str, str], ...] = (
    (presets, "sample_patient", "patients drawn"),
    (hospital, "write_report", "reports"),
    (xray, "paint_thorax", "X-ray: the chest"),
    (xray, "paint_findings", "X-ray: findings"),
    (xray, "project", "X-ray: projection"),
    (xray, "_detector", "X-ray: detector"),
    (ct, "paint_thorax", "CT: the chest"),
    (ct, "paint_findings", "CT: findings"),
    (ct, "_scanner", "CT: noise and kernel"),
    (files, "write_nifti", "files: NIfTI"),
    (write_study.files, "write_dicom_series", "files: DICOM series"),
    (write_study.files, "write_dicom_xray", "files: DICOM X-rays"),
    (write_study.files, "write_png", "files: PNG"),
    (write_study.files, "write_jpeg", "files: JPEG"),
)


def measure(patients: int, preset: str) -> tuple[float, dict[str, float]]:
    """Seconds in all, and by part."""
    spent: defaultdict[str, float] = defaultdict(float)
    chosen = find_preset(preset).with_patients(patients)
    plans = plan_hospital(chosen, 0)
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        for folder in (*hospital.FOLDERS, hospital.BUILDING):
            (out / folder).mkdir()
        hospital.write_part(out, 0, plans[:2], chosen, 0)  # not counted: what is loaded at first use
        for module, function, row in PARTS:
            setattr(module, function, _timed(getattr(module, function), spent, row))
        started = time.perf_counter()
        hospital.write_part(out, 1, plans, chosen, 0)
        return time.perf_counter() - started, spent


def _timed(function: Callable[..., Any], spent: dict[str, float], row: str) -> Callable[..., Any]:
    @wraps(function)
    def timed(*given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*given, **named)
        finally:
            spent[row] += time.perf_counter() - started

    return timed


def processor() -> str:
    """The kind of CPU, and the widest vectors that it knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    about = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
    flags = about.get("flags", "").split()
    widest = next((name for name in ("amx_tile", "avx512f", "avx2") if name in flags), "no AVX2")
    return f"{about.get('model name', platform.machine())} ({widest})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--preset", default="tiny")
    given = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in hospital.WORKER_ENVIRONMENT.items()):
        # As a worker starts: libraries read these before the first line of a program runs.
        again = subprocess.run([sys.executable, *sys.argv], env={**os.environ, **hospital.WORKER_ENVIRONMENT})
        sys.exit(again.returncode)
    seconds, spent = measure(given.patients, given.preset)
    print(f"`{given.preset}`, {given.patients} patients, one thread of {processor()}\n")
    print("| part | ms a patient | share |\n|---|---|---|")
    spent["everything else"] = seconds - sum(spent.values())
    for row, part in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"| {row} | {1000 * part / given.patients:.1f} | {part / seconds:.0%} |")
    print(
        f"| in all: {given.patients / seconds:.1f} patients a second | {1000 * seconds / given.patients:.1f} | 100% |"
    )


if __name__ == "__main__":
    main()
