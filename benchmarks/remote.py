"""How fast is training read from an object store? ``python benchmarks/remote.py`` prints a table.

A store of phantom images of the demo's sizes lies in a folder and, the same files, behind an HTTP server that waits
before each answer; the server is a process of its own. The training loader gives the demo's micro-batches from
the folder, over the network without a cache, and with a warm one. "alone" takes each batch at once; with a step,
whoever takes it is busy elsewhere for that long (an accelerator that computes). The batches are compared before they
are timed. On one core the server's own work is in the times, so the loader's own CPU time stands beside them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unimedi.cohort.study import Modality, Split
from unimedi.files.store_address import StoreAddress, StorePlace
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.inputs.dataset import TrainingSteps, training_loader
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import Store, StoredStudy
from unimedi.inputs.store_writer import Record, write_store
from unimedi.phantom.ct import render_ct
from unimedi.phantom.patient.patient import sample_patient

PREPROCESS = Preprocess((128, 128), (64, 128, 128), (16, 64, 64), (128, 128))
BATCH = BatchRecipe(radiographs=64, volumes=30)
MODELS = 4  # phantoms that are rendered; the others are one of them, a few HU brighter


def records(radiographs: int, volumes: int) -> Iterator[Record]:
    scans = [render_ct(sample_patient(f"P{k}", 0), PREPROCESS.hires_shape).voxels for k in range(MODELS)]
    for k in range(radiographs + volumes):
        scan = scans[k % MODELS]
        modality, array = (Modality.DX, np.clip(scan[32] + 1024, 0, 4000)) if k < radiographs else (Modality.CT, scan)
        study = StoredStudy(f"s{k}", f"p{k}", modality, Split.TRAIN, f"Report {k}. Clear lungs.")
        yield Record(study, array.astype(np.int16) + np.int16(k // MODELS % 64))


def tokenize(sentences: Sequence[str]) -> dict[str, Tensor]:
    lengths = torch.tensor([[len(sentence)] for sentence in sentences])
    return {"input_ids": lengths, "attention_mask": torch.ones_like(lengths)}


class Range(BaseHTTPRequestHandler):
    """One range of a file, after ``latency`` seconds, with as little work as can be."""

    protocol_version = "HTTP/1.1"
    root = Path()
    latency = 0.0

    def do_GET(self) -> None:
        time.sleep(self.latency)
        with (self.root / self.path.lstrip("/")).open("rb") as file:
            whole = os.fstat(file.fileno())
            asked = self.headers.get("Range")
            first, last = map(int, asked.removeprefix("bytes=").split("-")) if asked else (0, whole.st_size - 1)
            self.send_response(206 if asked else 200)
            for name, value in (
                ("Content-Length", str(last - first + 1)),
                ("Content-Range", f"bytes {first}-{last}/{whole.st_size}"),
                ("ETag", f'"{whole.st_mtime_ns}"'),
                ("Last-Modified", formatdate(whole.st_mtime, usegmt=True)),
            ):
                self.send_header(name, value)
            self.end_headers()
            while first <= last:
                first += os.sendfile(self.connection.fileno(), file.fileno(), first, last + 1 - first)

    def log_message(self, format: str, *args: object) -> None:
        return


def serve(root: Path, latency: float) -> None:
    """Serve ``root`` until the input ends; the address is the first line of the output, CPU seconds the last."""
    Range.root, Range.latency = root, latency
    with ThreadingHTTPServer(("127.0.0.1", 0), Range) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{listening.server_address[1]}", flush=True)
        used = time.process_time()
        sys.stdin.read()
        print(time.process_time() - used, flush=True)
        os._exit(0)  # its threads wait for connections that are kept


@contextmanager
def server(root: Path, latency: float) -> Iterator[str]:
    words = [sys.executable, str(Path(__file__).resolve()), "--serve", str(root), "--latency", str(1000 * latency)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        said, _ = process.communicate("")
        print(f"\nthe server's CPU time: {float(said):.1f} s in all")


def steps_of(place: StorePlace, count: int) -> TrainingSteps:
    return TrainingSteps(Store.open(place), BATCH, tokenize, seed=0, count=count)


def timed(steps: TrainingSteps, busy: float, workers: int) -> tuple[float, float]:
    """Studies a second, and CPU ms of this process a study; the first two batches are not timed."""
    loader = training_loader(steps, range(len(steps)), workers)
    for _ in range(2):
        next(loader)
    started, used, seen = time.perf_counter(), time.process_time(), 0
    for batch in loader:
        seen += len(batch.study_ids)
        time.sleep(busy)
    return seen / (time.perf_counter() - started), 1000 * (time.process_time() - used) / seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=50.0, help="ms before each answer")
    parser.add_argument("--radiographs", type=int, default=640)
    parser.add_argument("--volumes", type=int, default=300)
    parser.add_argument("--steps", type=int, default=12, help="micro-batches of a way, two of them not timed")
    parser.add_argument("--busy", type=float, nargs="*", default=[0.0, 0.8], help="s that a step takes elsewhere")
    parser.add_argument("--workers", type=int, default=0, help="processes that read, 0: a thread")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve(given.serve, given.latency / 1000)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "bucket").mkdir()
        local = write_store(root / "bucket" / "store", records(given.radiographs, given.volumes), PREPROCESS)
        megabytes = sum(path.stat().st_size for path in (root / "bucket").rglob("*.arrow")) / 1e6
        print(f"{len(local)} studies, {megabytes:.0f} MB; {given.latency:.0f} ms before each answer\n")
        cache = root / "cache"
        with server(root / "bucket", given.latency / 1000) as url:
            places: dict[str, StorePlace] = {
                "the folder": local.path,
                "the server, no cache": StoreAddress(f"{url}/store", cache_bytes=0),
                "the server, warm cache": StoreAddress(f"{url}/store", cache),
            }
            for one, other in zip(*(training_loader(steps_of(places[name], given.steps), range(given.steps)) for name in
                                    ("the folder", "the server, warm cache")), strict=True):  # fmt: skip
                if not torch.equal(one.hires_volumes, other.hires_volumes) or one.study_ids != other.study_ids:
                    raise AssertionError("batches differ")
            print("| read from | step, s | studies a second | share of the folder's | CPU ms a study |")
            print("|---|---|---|---|---|")
            for busy in given.busy:
                found = {
                    name: timed(steps_of(place, given.steps), busy, given.workers) for name, place in places.items()
                }
                for name, (rate, used) in found.items():
                    share = rate / found["the folder"][0]
                    print(f"| {name} | {busy or 'alone'} | {rate:.0f} | {share:.2f} | {used:.2f} |")
    return None


if __name__ == "__main__":
    main()
