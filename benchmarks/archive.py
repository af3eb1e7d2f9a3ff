"""How fast is an archive searched, and how exactly? ``python benchmarks/archive.py`` prints a table.

Unit vectors, two a study (image and report), and reports of 30 words are written into an archive in a temporary folder
(or ``--folder``). The same queries then go, in this one process, to NumPy, to faiss (flat, HNSW) and to the archive:
exact, with a filter, by its index of vectors, by words, and all together. With ``--model`` a query is a sentence that
the model embeds first, which is what a person waits for. Milliseconds depend on the machine and its other work: compare
the rows.

How the vectors are drawn decides what an index is worth: random ones have no neighbours, tight clusters are found by
any. Here half of the variance is of 1,000 centres of unequal sizes (the n-th has a share like 1 / n^.7) and half lies
around them, both along random directions whose standard deviations fall like 1 / i. Clusters overlap; printed are the
effective rank, and the cosines with the nearest and the tenth. Queries are drawn the same way and are no rows.

``--rows 1000000`` takes 5 GB of memory (the vectors of images, those of images and reports again for exact search, and
what the libraries need) and 10 GB of disk. ``OMP_NUM_THREADS=1 taskset -c 1`` gives all of them one core.
"""

import argparse
import datetime
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
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


def timed(ask: Callable[[int], list[int]], count: int) -> tuple[np.ndarray, list[list[int]]]:
    """Milliseconds of each query, and its answers; the first is asked twice, as it loads what it needs."""
    ask(0)
    spent, answers = [], []
    for number in range(count):
        started = time.perf_counter()
        answers.append(ask(number))
        spent.append(1000 * (time.perf_counter() - started))
    return np.array(spent), answers


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
    print(HEAD)

    def row(
        name: str,
        ask: Callable[[int], list[int]],
        before: float,
        disk: float = 0,
        build: float = 0,
        truth: list[list[int]] | None = None,
    ) -> list[list[int]]:
        spent, answers = timed(ask, count)
        pairs = zip(answers, truth or [], strict=True)
        found = np.mean([len(set(a) & set(b)) / K for a, b in pairs]) if truth else None
        cells = [f"{np.median(spent):.1f}", f"{np.quantile(spent, 0.95):.1f}", "" if found is None else f"{found:.3f}"]
        cells += [f"{max(memory() - before, 0):.0f}", f"{disk:.0f}" if disk else "", f"{build:.0f}" if build else ""]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
        return answers

    before = memory() - images.nbytes / 1e6
    row("NumPy: product, argpartition", lambda number: nearest(images, queries[number]), before, truth=exact)
    makers = [("faiss, flat", lambda: faiss.IndexFlatIP(dim))]
    for name, make in [*makers, ("faiss, HNSW 32", lambda: hnsw(dim))] if with_hnsw else makers:
        before, started = memory(), time.perf_counter()
        index = make()
        index.add(images)
        build = time.perf_counter() - started
        asked = lambda number, index=index: index.search(queries[number][None], K)[1][0].tolist()  # noqa: E731
        row(name, asked, before, 0, build, exact)
        del index, asked
    del images

    def by(archive: Archive, ways: tuple[str, ...], allowed: Filter | None = None) -> Callable[[int], list[int]]:
        return lambda n: numbers(archive, Query(queries[n], "benchmark", sentences[n], ways), allowed)

    before, disk = memory(), size(folder)
    archive = Archive(folder, ann_from=rows + 1)
    row("archive, exact: images", by(archive, ("image",)), before, disk, filled, exact)
    filtered = row("archive, exact: images, three filters", by(archive, ("image",), FILTER), before)
    row("archive: words", by(archive, ("text",)), before)
    row("archive: words, three filters", by(archive, ("text",), FILTER), before)
    row("archive: images, reports and words", by(archive, ("image", "report", "text")), before)
    if model is not None:
        row("archive: all of these, sentence embedded first", end_to_end(archive, model, sentences), before)
    del archive
    before, started = memory(), time.perf_counter()
    Archive(folder, ann_from=1).optimise()
    build = time.perf_counter() - started
    archive = Archive(folder, ann_from=1)
    row("archive, IVF_SQ: images", by(archive, ("image",)), before, size(folder), build, exact)
    row("archive, IVF_SQ: images, three filters", by(archive, ("image",), FILTER), before, truth=filtered)
    row("archive, IVF_SQ: images, reports and words", by(archive, ("image", "report", "text")), before)
    started = time.perf_counter()
    told = ", ".join(f"{way}s {share:.3f}" for way, share in measured_recall(archive).items())
    print(f"\nrecall@10 as unimedi index measures it: {told} ({time.perf_counter() - started:.0f} s)")
    started = time.perf_counter()
    done = archive.forget(patient="P00000007")
    seconds = time.perf_counter() - started
    print(f"forgetting {done.studies} of {rows} studies, {done.looked_for} traces looked for: {seconds:.1f} s")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"the most memory that this process held: {most:.1f} GiB")


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
