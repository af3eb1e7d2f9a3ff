"""How long does ``make demo`` take from a fresh clone? ``python3 benchmarks/demo.py`` prints one row of a table.

Clones this repository into a temporary folder (or ``--folder``, kept) and makes the demo there part by part, as ``make
demo`` does: any Python will do, since each part runs in the clone's own environment. The row says the kind of CPU, the
seconds of each part and the figures that were reached; docs/performance.md has such rows of several kinds of CPU.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

PARTS = {
    "environment": ".venv/ready",
    "hospital": "runs/demo/hospital/cohort.csv",
    "store": "runs/demo/store/store.json",
    "training": "demo-trained",
    "evaluation": "demo",
}
FIGURES = {
    "zero-shot X-ray / CT": ("zero_shot/xray/auroc", "zero_shot/ct/auroc"),
    "report R@10 X-ray / CT": ("retrieval/xray/image_to_report/r@10", "retrieval/ct/image_to_report/r@10"),
    "X-ray → CT R@10": ("cross_modal/xray_to_ct/paired/r@10",),
}


def timed(clone: Path, words: list[str]) -> dict[str, float]:
    """Seconds of each part."""
    seconds = {}
    for part, target in PARTS.items():
        started = time.perf_counter()
        subprocess.run(["make", target, *words], cwd=clone, check=True)
        seconds[part] = time.perf_counter() - started
    return seconds


def row(clone: Path, seconds: dict[str, float]) -> dict[str, str]:
    run = clone / "runs" / "demo"
    environment = json.loads((run / "environment.json").read_text())
    figures = json.loads((run / "metrics.json").read_text())
    told = {
        "processor": environment["processor"],
        "precision, threads": f"{environment['precision']}, {environment['threads']}",
        "minutes in all": f"{sum(seconds.values()) / 60:.1f}",
        **{f"{part}, s": f"{value:.0f}" for part, value in seconds.items()},
        "s a step": f"{seconds['training'] / environment['steps']:.2f}",
    }
    for name, keys in FIGURES.items():
        told[name] = " / ".join(f"{figures[key]['value']:.3f}" for key in keys)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="of the clone, kept (default: a temporary one)")
    parser.add_argument("words", nargs="*", metavar="NAME=VALUE", help="for make: RECIPE=FILE, SEED=1 …")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        clone = arguments.folder or Path(temporary) / "clone"
        subprocess.run(["git", "clone", "--quiet", Path(__file__).parents[1], clone], check=True)
        told = row(clone, timed(clone, arguments.words))
    print(f"| {' | '.join(told)} |\n|{'---|' * len(told)}\n| {' | '.join(told.values())} |")


if __name__ == "__main__":
    main()
