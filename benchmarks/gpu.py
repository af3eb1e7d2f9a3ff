"""What a GPU is asked, in ten minutes: ``python benchmarks/gpu.py --out FOLDER``.

1. ``base`` at the paper's sizes from random weights: its step by part, with and without compiled layers, and written
   naively (benchmarks/step.py); MFU and memory stand in its tables.
2. The largest batch of ``base``: the recipe's, doubled until it no longer fits, each in a process of its own.
3. ``small`` on the phantom, for what is left of the time, and its evaluation.

The hospital and its store are made meanwhile, by the processor's cores. Each part's output is a file in FOLDER, written
as it comes, so a run that is cut off leaves what it had. Without a GPU all of it runs on the CPU, where ``--memory``
says how much counts as full: ``--base tiny --small tiny --preset micro --memory 3 --seconds 300`` is a rehearsal.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from unimedi.errors import InputError
from unimedi.pretraining.recipe_file import load_recipe

BASE_WORDS = (
    "--text.pretrained", "", "--text.vocab_size", "28996", "--text.hidden_size", "768", "--text.num_hidden_layers",
    "12", "--text.num_attention_heads", "12",
)  # fmt: skip
BENCHMARKS = Path(__file__).parent
EVALUATION = 60.0  # seconds that are kept for it
TRIAL = 12  # steps that say how many fit
UNIMEDI = (sys.executable, "-m", "unimedi")


def told(out: Path, name: str, *command: object, seconds: float) -> bool:
    """Run it for so many seconds at most; what it prints goes to ``out/name.txt``. True if it ended well."""
    with (out / f"{name}.txt").open("w") as file:
        run = subprocess.Popen([*map(str, command)], stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = run.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)  # with the processes that it has started
            code = run.wait()
    print(f"{name}: {'done' if code == 0 else f'ended with {code}'}", flush=True)
    return code == 0


def largest_batch(out: Path, config: str, words: tuple[str, ...], memory: float, until: float) -> None:
    """A row for each size of a micro-batch that fits."""
    batch, rows = load_recipe(config, [*words]).batch, list[str]()
    scale = 1
    while time.monotonic() < until:
        size = batch.radiographs * scale, batch.volumes * scale
        sized = (*words, "--batch.radiographs", size[0], "--batch.volumes", size[1])
        figures, name = out / f"batch-{scale}.json", f"batch-{scale}"
        step = (sys.executable, BENCHMARKS / "step.py", "--config", config, "--once", "--whole", "--json", figures)
        if not told(out, name, *step, *sized, seconds=until - time.monotonic()):
            rows.append(f"| {sum(size)} | does not fit, or not in time | |")
            break
        ours = json.loads(figures.read_text())["ours"][0]
        rows.append(f"| {sum(size)} | {sum(size) / ours['step']:.1f} | {ours['memory']:.1f} |")
        if ours["memory"] > memory:
            break
        scale *= 2
    table = "\n".join(["| images at once | images/s | memory, GiB |", "|---|---|---|", *rows])
    (out / "largest.md").write_text(table + "\n")
    print(table, flush=True)


def trained(out: Path, config: str, store: Path, until: float) -> None:
    """A run of as many steps as a short one before it says that fit, and its evaluation."""
    trial, run = out / "trial", out / "run"
    pretrain = (*UNIMEDI, "pretrain", "--config", config, "--data", store)
    if not told(out, "trial", *pretrain, "--out", trial, "--steps", TRIAL, seconds=until - time.monotonic()):
        return
    lines = [json.loads(line) for line in (trial / "log.jsonl").read_text().splitlines()]
    images = load_recipe(config, []).batch
    second_a_step = (images.radiographs + images.volumes) / lines[-1]["examples_per_second"]
    steps = int((until - time.monotonic() - EVALUATION) / second_a_step)
    if steps < TRIAL:
        raise InputError(f"{steps} steps of {second_a_step:.2f} s are left for training: give it more --seconds")
    if told(out, "train", *pretrain, "--out", run, "--steps", steps, seconds=until - time.monotonic()):
        told(out, "evaluate", *UNIMEDI, "evaluate", run, "--data", store, seconds=until + EVALUATION - time.monotonic())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=560.0)
    parser.add_argument("--base", default="base")
    parser.add_argument("--small", default="small")
    parser.add_argument("--preset", default="tiny", help="of the phantom that `small` is trained on")
    parser.add_argument("--memory", type=float, help="GiB above which no larger batch is tried (default: the GPU's)")
    given = parser.parse_args()
    out, end = given.out, time.monotonic() + given.seconds
    out.mkdir(parents=True, exist_ok=True)
    memory = given.memory or torch.cuda.get_device_properties(0).total_memory / 2**30
    hospital, store = out / "hospital", out / "store"
    making = " && ".join(
        " ".join([*UNIMEDI, *words])
        for words in (
            ("phantom", str(hospital), "--preset", given.preset),
            ("cohort", "phantom", str(hospital), "--out", str(hospital / "cohort.csv")),
            ("prepare", str(hospital / "cohort.csv"), "--out", str(store), "--config", given.small),
        )
    )
    with (out / "store.txt").open("w") as file:
        store_made = subprocess.Popen(["sh", "-c", making], stdout=file, stderr=subprocess.STDOUT)
    words = BASE_WORDS if given.base == "base" else ()
    step = (sys.executable, BENCHMARKS / "step.py", "--config", given.base, "--compiled")
    told(out, "step", *step, "--json", out / "step.json", *words, seconds=given.seconds / 3)
    largest_batch(out, given.base, words, memory, time.monotonic() + given.seconds / 5)
    if store_made.wait() == 0:
        trained(out, given.small, store, end - EVALUATION)
    else:
        print(f"no store was made: see {out / 'store.txt'}")


if __name__ == "__main__":
    main()
