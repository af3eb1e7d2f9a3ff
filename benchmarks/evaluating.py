"""How long does ``unimedi evaluate`` take? ``python benchmarks/evaluating.py`` prints a table.

A phantom hospital with 500 test patients, each with an X-ray and a CT (1,000 test studies), is written to a temporary
folder (or kept in ``--folder``) and prepared; the tiny recipe trains for two steps, since what the weights know costs
no time; then the command is run in a process of its own, and asked how often it encoded a study.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from unimedi.cohort.manifest import read_manifest
from unimedi.inputs.prepare import prepare
from unimedi.inputs.store import Store
from unimedi.phantom.hospital import build_hospital
from unimedi.pretraining.recipe_file import load_recipe

PATIENTS = {"train_xray": 400, "train_ct": 400, "validation_paired": 120, "test_paired": 500}
COUNT = """
import sys
from unimedi.cli import main
from unimedi.representation.embedder import Embedder
own, count = Embedder.encode, [0]
def counted(self, stored):
    count[0] += len(stored)
    return own(self, stored)
Embedder.encode = counted
code = main(sys.argv[1:])
print(f"encoded {count[0]}")
sys.exit(code)
"""


def run(folder: Path, recipe: str) -> list[tuple[str, str]]:
    """Rows (what, value)."""
    build_hospital(folder / "hospital", "tiny", seed=0, overrides=PATIENTS)
    prepare(read_manifest(folder / "hospital" / "index.csv"), folder / "store", load_recipe(recipe).preprocess)
    words = ["--data", str(folder / "store")]
    shutil.rmtree(folder / "run", ignore_errors=True)  # of another version
    train = [sys.executable, "-m", "unimedi", "pretrain", *words, "--out", str(folder / "run")]
    subprocess.run([*train, "--config", recipe, "--steps", "2"], check=True, stdout=subprocess.DEVNULL)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", COUNT, "evaluate", str(folder / "run"), *words],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    store = Store.open(folder / "store")
    tested = len(store.select(split="test"))
    encoded = int(done.stdout.rsplit("encoded ", 1)[1])
    return [
        ("test studies", str(tested)),
        ("training and validation studies for probes", str(encoded // 2 - tested)),
        ("encodings by the model and by the untrained reference", str(encoded)),
        ("threads", str(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0))))),
        ("seconds in all", f"{seconds:.0f}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="kept, and gone on with (default: a temporary one)")
    parser.add_argument("--recipe", default="tiny")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        print("| | |\n|---|---|")
        for what, value in run(arguments.folder or Path(temporary), arguments.recipe):
            print(f"| {what} | {value} |")


if __name__ == "__main__":
    main()
