"""How fast the page answers: ``python benchmarks/page.py ARCHIVE MODEL``, on this machine, a row a question.

A real server on loopback, asked one question after the other. An upload counts from the first byte sent to the last
byte of its study's page: read in the sandbox, encoded, compared with the archive, its findings answered.
"""

import argparse
import json
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import uvicorn
from PIL import Image

from unimedi.archive.archive import Archive
from unimedi.representation.embedder import Embedder
from unimedi.web.app import create_app
from unimedi.web.server import configured
from unimedi.web.site import Site

WORDS = ("right lower lobe consolidation", "small left pleural effusion", "pneumothorax", "enlarged heart", "lung mass")
XRAY, CT = (2500, 2048), (256, 256, 128)  # pixels; voxels to the right, the front, the head
TIMES = 40


def served(site: Site) -> tuple[str, Callable[[], None]]:
    """A server in a thread: its address, and what ends it."""
    server = uvicorn.Server(configured(create_app(site), site.limits))
    server.config.port = 0
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)

    def end() -> None:
        server.should_exit = True
        thread.join()
        site.close()

    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/", end


def timed(ask: Callable[[int], object], times: int) -> list[float]:
    """Seconds of each."""
    seconds = []
    for number in range(times):
        start = time.perf_counter()
        ask(number)
        seconds.append(time.perf_counter() - start)
    return seconds


def files(folder: Path) -> dict[str, Path]:
    """An X-ray and a CT of usual sizes, with noise, which packs as badly as anything."""
    draws = np.random.default_rng(0)
    Image.fromarray(draws.integers(0, 65535, XRAY).astype(np.uint16)).save(folder / "xray.png")
    voxels = draws.normal(-300, 300, CT).clip(-1000, 1000).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, -1.0, 2.0, 1.0])), folder / "ct.nii.gz")
    return {"X-ray of 2500 x 2048, PNG": folder / "xray.png", "CT of 128 x 256 x 256, NIfTI": folder / "ct.nii.gz"}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("archive")
    words.add_argument("model", type=Path)
    given = words.parse_args()
    site = Site(Archive(given.archive), Embedder.from_pretrained(given.model))
    site.reader.warm()
    address, end = served(site)

    def get(path: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(address + path, data)) as answer:
            return bytes(answer.read())

    def search(kind: str, number: int) -> bytes:
        return get(f"{kind}q={WORDS[number % len(WORDS)].replace(' ', '+')}+{number}")

    rows: dict[str, list[float]] = {}
    try:
        timed(lambda number: search("api/search?", number + 1000), 5)
        rows["search by words, as JSON"] = timed(lambda number: search("api/search?", number), TIMES)
        rows["the same as a page"] = timed(lambda number: search("?", number), TIMES)
        hits = json.loads(get(f"api/search?q=consolidation&modality=CT&k={TIMES}"))["hits"]
        refs = [f"image=study:{hit['study_id']}" for hit in hits]
        rows["slice of a CT that matches"] = timed(lambda n: get(f"api/match?q=consolidation&{refs[n]}"), len(refs))
        rows["plane of a CT"] = timed(lambda n: get(f"images/plane?{refs[0]}&plane={n % 16}"), TIMES)
        rows["attention over a plane"] = timed(lambda n: get(f"images/overlay?{refs[n]}&plane=9"), len(refs))
        with tempfile.TemporaryDirectory() as folder:
            for name, path in files(Path(folder)).items():
                data = path.read_bytes()

                def upload(_: int, path: Path = path, data: bytes = data) -> bytes:
                    return get(json.loads(get(f"api/uploads?name={path.name}", data))["url"])

                rows[f"upload: {name}"] = timed(upload, 8)
    finally:
        end()
    print(f"{site.archive.stats().studies:,} studies\n\n| asked | p50 ms | p95 ms |\n|---|---|---|")
    for name, seconds in rows.items():
        p50, p95 = np.percentile(seconds, (50, 95)) * 1000
        print(f"| {name} | {p50:.0f} | {p95:.0f} |")


if __name__ == "__main__":
    main()
