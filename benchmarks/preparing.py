"""How fast is a cohort prepared, and a large manifest read? ``python benchmarks/preparing.py`` prints three tables.

A phantom hospital of CTs and X-rays is written to a temporary folder and prepared with one and with two workers, each
kind by itself; every run is a process of its own and begins with an empty store. The first run, not counted, fills the
page cache. Scaling is the rate with two workers over the rate with one, so it needs two idle cores. Then a manifest of
100,000 rows is read and checked in a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unimedi.cohort.manifest import read_manifest, write_manifest
from unimedi.cohort.study import Modality, Report, Split, Study
from unimedi.inputs.prepare import prepare
from unimedi.phantom.hospital import build_hospital
from unimedi.pretraining.recipe_file import load_recipe

ROWS = 100_000
TIMES = {3: 1, 2: 40}  # an X-ray takes some ms: starting a process must not be what is timed


def hospital(folder: Path, patients: int, preset: str) -> Path:
    """A hospital of that many patients with one CT or one X-ray each, half and half; its manifest."""
    groups = {"train_xray": patients // 2, "train_ct": patients - patients // 2}
    shares = {"validation_paired": 0, "test_paired": 0, "share_ct_dicom": 0.5, "share_ct_gzip": 0.5}
    build_hospital(folder, preset, seed=0, overrides={**groups, **shares})
    return folder / "index.csv"


def kinds(manifest: Path) -> dict[str, Path]:
    """The manifest divided into one of volumes and one of radiographs, each listed ``TIMES`` times."""
    studies = read_manifest(manifest)
    divided = {}
    for name, ndim in (("CT", 3), ("X-ray", 2)):
        divided[name] = manifest.with_name(f"{name}.csv")
        part = [study for study in studies if study.modality.ndim == ndim]
        write_manifest(
            [replace(study, study_id=f"{study.study_id}-{k}") for k in range(TIMES[ndim]) for study in part],
            divided[name],
        )
    return divided


def in_a_process(*words: object) -> dict[str, float]:
    """This script with ``words``, measured from inside."""
    done = subprocess.run([sys.executable, __file__, *map(str, words)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def one_run(manifest: Path, workers: int, recipe: str) -> dict[str, float]:
    studies = read_manifest(manifest)
    with tempfile.TemporaryDirectory(dir=manifest.parent) as folder:
        # Parts small enough that both workers have some to do.
        size = max(len(studies) // 8, 1)
        done = prepare(studies, folder, load_recipe(recipe).preprocess, workers=workers, part_size=size)
    if done.taken != done.listed:
        raise AssertionError(f"refused: {done.refused}")
    return {"rate": done.taken / done.seconds, "studies": done.taken}


def one_manifest(path: Path) -> dict[str, float]:
    started = time.perf_counter()
    studies = read_manifest(path)
    seconds = time.perf_counter() - started
    return {
        "rows": len(studies),
        "seconds": seconds,
        "peak": peak_memory(),
    }


def peak_memory() -> float:
    """GiB, of this process alone: what getrusage gives begins with the size of the process that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


def large_manifest(folder: Path, suffix: str) -> Path:
    """Every row has a file of its own and a report of a hundred words."""
    (folder / "files").mkdir(exist_ok=True)
    text = "FINDINGS: " + "No focal consolidation, effusion or pneumothorax. " * 14
    study = Study("", "", Modality.DX, folder, Report(text, "en"), Split.TRAIN, {"nodule": True, "mass": None})
    studies = []
    for k in range(ROWS):
        image = folder / "files" / f"{k}.png"
        image.touch()
        about = {"study_id": f"s{k}", "patient_id": f"p{k // 2}", "image": image}
        studies.append(replace(study, **about, report=Report(f"{text} {k}", "en")))
    write_manifest(studies, folder / f"large{suffix}")
    return folder / f"large{suffix}"


def rates(manifest: Path, recipe: str, workers: Sequence[int]) -> None:
    print("| kind | studies | " + " | ".join(f"{n} workers, a second" for n in workers) + " | scaling |")
    print("|---" * (3 + len(workers)) + "|")
    for name, part in kinds(manifest).items():
        in_a_process("--one", part, workers[0], recipe)
        found = [in_a_process("--one", part, count, recipe) for count in workers]
        shown = " | ".join(f"{run['rate']:.1f}" for run in found)
        print(f"| {name} | {found[0]['studies']:.0f} | {shown} | {found[-1]['rate'] / found[0]['rate']:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=800)
    parser.add_argument("--preset", default="tiny", help="of the phantom hospital: its sizes")
    parser.add_argument("--config", default="tiny")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS, metavar=("MANIFEST", "WORKERS", "CONFIG"))
    parser.add_argument("--manifest", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one_run(Path(given.one[0]), int(given.one[1]), given.one[2])))
        return
    if given.manifest:
        print(json.dumps(one_manifest(given.manifest)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rates(hospital(folder / "hospital", given.patients, given.preset), given.config, (1, 2))
        print(f"\nA manifest of {ROWS:,} rows, every file looked for\n")
        print("| manifest | s | peak memory, GiB |\n|---|---|---|")
        for suffix in (".csv", ".parquet"):
            found = in_a_process("--manifest", large_manifest(folder, suffix))
            print(f"| {suffix} | {found['seconds']:.1f} | {found['peak']:.2f} |")


if __name__ == "__main__":
    main()
