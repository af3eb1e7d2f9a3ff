"""How fast is an archive searched, and how exactly? ``python benchmarks/archive.py`` prints a table.

Unit vectors, two a study (image and report), and reports of 30 words are written into an archive in a temporary folder
(or ``--folder``). The same queries then go, in this one process, to NumPy, to faiss (flat, HNSW) and to the archive:
exact, with a filter, by its index of vectors, by words, and all together. With ``--model`` a query is a sentence that
the model embeds first, which is what a person waits for. Milliseconds depend on the machine and its other work: compare
the rows. All is made first; then each query goes to every way in turn, so that other work meets all alike.

How the vectors are drawn decides what an index is worth: random ones have no neighbours, tight clusters are found by
any. Here half of the variance is of 1,000 centres of unequal sizes (the n-th has a share like 1 / n^.7) and half lies
around them, both along random directions whose standard deviations fall like 1 / i. Clusters overlap; printed are the
effective rank, and the cosines with the nearest and the tenth. Queries are drawn the same way and are no rows.

``--rows 1000000`` takes 7 GB of memory (the vectors of images, faiss's copies of them, those of images and reports
again for exact search, and the index) and 10 GB of disk. ``OMP_NUM_THREADS=1 taskset -c 1`` gives all of them one core.
"""

import argparse
import datetime
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import psutil

from unimedi.archive.archive import Archive
from unimedi.archive.filters import Filter
from unimedi.archive.query import Query
from unimedi.archive.recall import measured_recall
from unimedi.archive.study import ArchivedStudy

CLUSTERS, K, STEP = 1000, 10, 20_000
HEAD = "| search | p50 ms | p95 ms | recall@10 | memory, MB | disk, MB | built in, s |\n|---|---|---|---|---|---|---|"
VOCABULARY = (
    "no left right upper lower lobe lung lungs pleural effusion consolidation nodule mass pneumothorax heart "
    "enlarged clear mild moderate large small unchanged new fracture rib opacity ground glass emphysema fibrosis "
    "atelectasis hilar normal mediastinum contour seen without evidence of acute process in the with and is are "
)
FILTER = Filter(modality=("CT",), since=datetime.date(2024, 3, 1), finding=("nodule",))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Mixture:
    """Draws unit vectors around centres; see above."""

    def __init__(self, dim: int, draws: np.random.Generator) -> None:
        self.dim, self.draws = dim, draws
        self.spread = (1 / np.arange(1, dim + 1)).astype(np.float32)
        self.turned = np.linalg.qr(draws.standard_normal((dim, dim)))[0].astype(np.float32)
        self.centres = draws.standard_normal((CLUSTERS, dim), dtype=np.float32) * self.spread
        shares = 1 / np.arange(1, CLUSTERS + 1) ** 0.7
        self.shares = shares / shares.sum()

    def rows(self, count: int) -> np.ndarray:
        """A block at a time, as little is to be in memory."""
        drawn = np.empty((count, self.dim), np.float32)
        for start in range(0, count, STEP):
            size = min(STEP, count - start)
            centre = self.centres[self.draws.choice(CLUSTERS, size, p=self.shares)]
            around = self.draws.standard_normal((size, self.dim), dtype=np.float32) * self.spread
            drawn[start : start + size] = unit((centre + around) @ self.turned)
        return drawn


def effective_rank(rows: np.ndarray) -> float:
    """As the evaluation has it: exp of the entropy of the singular values."""
    values = np.linalg.svd(rows, compute_uv=False)
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def nearest(images: np.ndarray, query: np.ndarray) -> list[int]:
    scores = images @ query
    best = np.argpartition(-scores, K)[:K]
    return [int(place) for place in best[np.argsort(-scores[best])]]


def studies(images: np.ndarray, reports: np.ndarray, start: int, draws: np.random.Generator) -> Iterator[ArchivedStudy]:
    words = draws.choice(VOCABULARY.split(), (len(images), 30))
    for place in range(len(images)):
        number = start + place
        yield ArchivedStudy(
            f"S{number:08d}", f"P{number // 2:08d}", ("CT", "DX")[number % 2], images[place], reports[place],
            " ".join(words[place]), datetime.date(2024, 1, 1) + datetime.timedelta(number % 365), "test",
            ("nodule",) if number % 5 == 0 else (), f"images/{number}",
        )  # fmt: skip


def fill(folder: Path, images: np.ndarray, draws: np.random.Generator, mixture: Mixture) -> float:
    """Seconds that it took."""
    spent = 0.0
    for start in range(0, len(images), STEP):
        part = images[start : start + STEP]
        rows = list(studies(part, mixture.rows(len(part)), start, draws))
        started = time.perf_counter()
        Archive.create(folder, images.shape[1], "benchmark", ("en",)).add(rows, "benchmark")
        spent += time.perf_counter() - started
    started = time.perf_counter()
    Archive(folder, ann_from=len(images) + 1).optimise()
    return spent + time.perf_counter() - started


@dataclass
class Way:
    """One way to search: what it answers, what it cost to make, and how long each query took."""

    name: str
    ask: Callable[[int], list[int]]
    memory: float
    disk: float = 0
    build: float = 0
    spent: list[float] = field(default_factory=list)  # ms
    answers: list[list[int]] = field(default_factory=list)

    def line(self, truth: list[list[int]] | None) -> str:
        pairs = zip(self.answers, truth or [], strict=True)
        found = f"{np.mean([len(set(a) & set(b)) / K for a, b in pairs]):.3f}" if truth else ""
        cells = [f"{np.median(self.spent):.1f}", f"{np.quantile(self.spent, 0.95):.1f}", found, f"{self.memory:.0f}"]
        cells += [f"{self.disk:.0f}" if self.disk else "", f"{self.build:.0f}" if self.build else ""]
        return f"| {self.name} | {' | '.join(cells)} |"


def time_all(ways: list[Way], queries: int) -> None:
    """Each query goes to every way in turn, so that what else the machine does meets all of them alike."""
    for number in range(queries):
        for way in ways:
            started = time.perf_counter()
            way.answers.append(way.ask(number))
            way.spent.append(1000 * (time.perf_counter() - started))


def size(folder: Path) -> float:
    """MB on disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def memory() -> float:
    """MB of this process."""
    return psutil.Process().memory_info().rss / 1e6


def numbers(archive: Archive, query: Query, allowed: Filter | None = None) -> list[int]:
    return [int(hit.study_id[1:]) for hit in archive.search(query, allowed, K)]


def measure(folder: Path, rows: int, dim: int, count: int, seed: int, model: Path | None, with_hnsw: bool) -> None:
    draws = np.random.default_rng(seed)
    mixture = Mixture(dim, draws)
    images, queries = mixture.rows(rows), mixture.rows(count)
    filled = fill(folder, images, draws, mixture)
    exact = [nearest(images, query) for query in queries]
    sentences = [" ".join(draws.choice(VOCABULARY.split(), 5)) for _ in range(count)]
    near, tenth = (np.mean([images[ids[k]] @ q for ids, q in zip(exact, queries, strict=True)]) for k in (0, K - 1))
    rank = effective_rank(images[:5000])
    told = f"mean cosine with the nearest {near:.2f}, the tenth {tenth:.2f}"
    print(f"{rows:,} x {dim}, seed {seed}, effective rank {rank:.0f}; {told}")
    ways: list[Way] = []

    def add(name: str, ask: Callable[[int], list[int]], before: float, disk: float = 0, build: float = 0) -> Way:
        """The first answer loads what it needs; memory is what the process grew by until then."""
        ask(0)
        ways.append(Way(name, ask, max(memory() - before, 0), disk, build))
        return ways[-1]

    def by(archive: Archive, compared: tuple[str, ...], allowed: Filter | None = None) -> Callable[[int], list[int]]:
        return lambda n: numbers(archive, Query(queries[n], "benchmark", sentences[n], compared), allowed)

    judged = [
        add("NumPy: product, argpartition", lambda n: nearest(images, queries[n]), memory() - images.nbytes / 1e6)
    ]
    makers = [("faiss, flat", lambda: faiss.IndexFlatIP(dim))]
    for name, make in [*makers, ("faiss, HNSW 32", lambda: hnsw(dim))] if with_hnsw else makers:
        before, started = memory(), time.perf_counter()
        index = make()
        index.add(images)
        build = time.perf_counter() - started
        judged.append(add(name, partial(by_faiss, index, queries), before, 0, build))
    without = size(folder)
    started = time.perf_counter()
    Archive(folder, ann_from=1).optimise()
    indexed = time.perf_counter() - started
    everything, before = ("image", "report", "text"), memory()
    archive = Archive(folder, ann_from=rows + 1)
    judged.append(add("archive, exact: images", by(archive, ("image",)), before, without, filled))
    filtered = add("archive, exact: images, three filters", by(archive, ("image",), FILTER), before)
    add("archive: words", by(archive, ("text",)), before)
    add("archive: words, three filters", by(archive, ("text",), FILTER), before)
    add("archive: images, reports and words", by(archive, everything), before)
    if model is not None:
        add("archive: all of these, sentence embedded first", end_to_end(archive, model, sentences), before)
    before = memory()
    archive = Archive(folder, ann_from=1)
    judged.append(add("archive, IVF_SQ: images", by(archive, ("image",)), before, size(folder), filled + indexed))
    few = add("archive, IVF_SQ: images, three filters", by(archive, ("image",), FILTER), before)
    add("archive, IVF_SQ: images, reports and words", by(archive, everything), before)
    time_all(ways, count)
    print(HEAD)
    for way in ways:
        truth = exact if way in judged else filtered.answers if way is few else None
        print(way.line(truth))
    started = time.perf_counter()
    told = ", ".join(f"{way}s {share:.3f}" for way, share in measured_recall(archive).items())
    print(f"\nrecall@10 as unimedi index measures it: {told} ({time.perf_counter() - started:.0f} s)")
    started = time.perf_counter()
    done = archive.forget(patient="P00000007")
    seconds = time.perf_counter() - started
    print(f"forgetting {done.studies} of {rows} studies, {done.looked_for} traces looked for: {seconds:.1f} s")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"the most memory that this process held: {most:.1f} GiB")


def by_faiss(index: faiss.Index, queries: np.ndarray, number: int) -> list[int]:
    return [int(place) for place in index.search(queries[number][None], K)[1][0]]


def hnsw(dim: int) -> faiss.IndexHNSWFlat:
    index = faiss.IndexHNSWFlat(dim, 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 100, 64
    return index


def end_to_end(archive: Archive, model: Path, sentences: list[str]) -> Callable[[int], list[int]]:
    from unimedi.representation.embedder import Embedder

    embedder = Embedder.from_pretrained(model)

    def ask(number: int) -> list[int]:
        vector = embedder.texts([sentences[number]])[0]
        return numbers(archive, Query(vector, "benchmark", sentences[number]))

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=256, help="as of the model, where one is given")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="a pretrained folder that embeds sentences")
    parser.add_argument("--folder", type=Path, help="of the archive, kept (default: a temporary one)")
    parser.add_argument("--no-hnsw", action="store_true", help="leave out what takes longest to build")
    given = parser.parse_args()
    faiss.omp_set_num_threads(int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0)))))
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "archive"
        measure(folder, given.rows, given.dim, given.queries, given.seed, given.model, not given.no_hnsw)


if __name__ == "__main__":
    main()
