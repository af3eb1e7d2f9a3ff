"""Weak scaling: ``python benchmarks/scaling.py --data runs/demo/store`` trains with one process, then with two.

Each process has the recipe's micro-batch and one thread, so twice the processes do twice the work; the runs take
turns. Efficiency is the studies a second of n processes by n times those of one. What the machine itself gives n busy
cores is the row "apart": n runs of one process at the same time that know nothing of each other.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from unimedi.optimization.precision import choose_precision, processor
from unimedi.pretraining.recipe_file import load_recipe

WARM_UP = 3  # steps before the clock
TURNS = 2


def train(config: str, words: list[str], data: Path, devices: int, steps: int, out: Path) -> subprocess.Popen[bytes]:
    """A run with every part of the method on."""
    command = (
        sys.executable, "-m", "unimedi", "pretrain", "--config", config, "--data", str(data), "--out", str(out),
        "--steps", str(WARM_UP + steps), "--devices", str(devices), "--distillation.ramp_start", "0 percent",
        "--distillation.ramp_end", "0 percent", "--selection.warmup", "0 percent", *words,
    )  # fmt: skip
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)


def studies_a_second(run: subprocess.Popen[bytes], out: Path) -> float:
    """The median over its steps."""
    if run.wait():
        raise subprocess.CalledProcessError(run.returncode, run.args)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return statistics.median(line["examples_per_second"] for line in lines[WARM_UP:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="tiny")
    parser.add_argument("--data", type=Path, required=True, help="a store made by `unimedi prepare`")
    parser.add_argument("--steps", type=int, default=15)
    given, words = parser.parse_known_args()
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS):
            for name, devices, runs in (("1", 1, 1), ("2", 2, 1), ("1 and 1, apart", 1, 2)):
                outs = [Path(folder) / f"{turn} {name} {run}" for run in range(runs)]
                work = [train(given.config, words, given.data, devices, given.steps, out) for out in outs]
                rates.setdefault(name, []).append(sum(map(studies_a_second, work, outs)))
    precision = choose_precision(load_recipe(given.config, words).precision, "cpu")[0]
    print(f"{processor('cpu')[0]}, {precision}, {os.cpu_count()} cores, one thread a process, recipe {given.config}\n")
    print("| processes | studies/s, by turn | efficiency |\n|---|---|---|")
    for name, found in rates.items():
        processes, turns = 1 if name == "1" else 2, ", ".join(f"{rate:.1f}" for rate in found)
        print(f"| {name} | {turns} | {statistics.mean(found) / processes / statistics.mean(rates['1']):.2f} |")


if __name__ == "__main__":
    main()
