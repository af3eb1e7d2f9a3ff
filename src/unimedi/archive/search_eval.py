"""``unimedi search-eval``: does search find the right studies? nDCG@10 and P@10 by finding and kind of image.

A query is a sentence of the zero-shot prompts that says a finding is there; a study is right if its labels say so,
and every figure of a finding is the mean over its sentences. Full text reads the very report that a radiologist wrote
of the image, and hybrid search reads it as well: what they reach is what an archive with reports can do, and says
nothing of the images. What the model reads in images alone is the row ``image``: it is the one to look at where
studies have no reports yet. ``chance`` is the share of studies with the finding, which a list in random order has as
P@10.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from unimedi.archive.archive import Archive
from unimedi.archive.filters import Filter
from unimedi.archive.query import Query
from unimedi.archive.study import parted
from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Modality
from unimedi.errors import InputError
from unimedi.evaluation.zero_shot.prompts import prompts_for, read_prompts
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, average_estimates
from unimedi.metrics.formatting import with_interval
from unimedi.metrics.measurement import Measurement, Measurements, with_findings
from unimedi.metrics.ranked import ndcg_estimate, precision_estimate
from unimedi.progress import progress_bar
from unimedi.representation.embedder import Embedder

K: Final = 10
DEEP: Final = 200  # hits that are looked at: resamples lack a third of the patients, and still need ten
METHODS: Final = {
    "image": ("image",),
    "report": ("report",),
    "text": ("text",),
    "hybrid": ("image", "report", "text"),
}  # each a list of ways to compare
METRICS: Final = {f"ndcg@{K}": ndcg_estimate, f"p@{K}": precision_estimate}


def search_eval(
    uri: str, model: Path, split: str = "test", prompts: Path | None = None, resamples: int = 1000, seed: int = 0
) -> Measurements:
    """Measure searches of an archive by the labels of its own studies.

    Args:
        uri: the archive.
        model: that it was indexed with.
        split: whose studies are found; '': all.
        prompts: a prompt file; by default one in the model's language.

    Returns:
        ``ndcg@10`` and ``p@10``, mean over findings and of each, by modality (``xray``, ``ct``) and method (``image``,
        ``report``: vectors; ``text``; ``hybrid``), with 95 % intervals by patient of the archive; ``prevalence``.

    Raises:
        InputError: no study of the split has a finding with prompts, or the archive is of another model.
    """
    archive, embedder = Archive(uri), Embedder.from_pretrained(model)
    archive.refuse_other(embedder.fingerprint)
    chosen = read_prompts(prompts or prompts_for(archive.languages)[0])
    kinds = {kind: _Kind(archive, kind, split, resamples, seed) for kind in ImageKind}
    asked = {
        kind: [name for name in chosen.findings if 0 < found.relevant(name).sum() < len(found.ids)]
        for kind, found in kinds.items()
    }
    if not any(asked.values()):
        which = f"studies of the split {split or 'any'!r} with, and others without, a finding of {chosen.name}"
        raise InputError(f"{uri}: expected {which}, found none")
    rows: list[Measurement] = []
    with progress_bar("searching", sum(map(len, asked.values()))) as advance:
        for kind, findings in asked.items():
            by_method: dict[tuple[str, str], dict[str, Estimate]] = {}
            for name in findings:
                sentences = chosen.findings[name].present
                vectors = embedder.texts(sentences)
                for method, ways in METHODS.items():
                    queries = [
                        Query(vector, embedder.fingerprint, text, ways)
                        for text, vector in zip(sentences, vectors, strict=True)
                    ]
                    for metric, estimate in kinds[kind].measured(queries, name).items():
                        by_method.setdefault((method, metric), {})[name] = estimate
                prevalence = float(kinds[kind].relevant(name).mean())
                by_method.setdefault(("", "prevalence"), {})[name] = Estimate(prevalence, n=len(kinds[kind].ids))
                advance(1)
            for (method, metric), estimates in by_method.items():
                mean = average_estimates(list(estimates.values()), len(kinds[kind].ids))
                rows += with_findings(metric, mean, estimates).named(
                    task="search", modality=kind.value, method=method
                ).values()  # fmt: skip
    return Measurements(rows)


class _Kind:
    """The studies of a split and a kind of image: what can be found, and what is right."""

    def __init__(self, archive: Archive, kind: ImageKind, split: str, resamples: int, seed: int) -> None:
        self.archive = archive
        modalities = tuple(str(one) for one in Modality if one.image_kind is kind)
        self.allowed = Filter(modality=modalities, split=(split,) if split else ())
        columns = archive.columns(self.allowed)
        self.ids: list[str] = columns["study_id"].to_pylist()
        self.place = {study_id: place for place, study_id in enumerate(self.ids)}
        self.findings = [frozenset(parted(names)) for names in columns["findings"].to_pylist()]
        self.bootstrap = PatientBootstrap(columns["patient_id"].to_pylist(), resamples, seed)

    def relevant(self, finding: str) -> Bool[ndarray, "studies"]:
        return np.array([finding in names for names in self.findings], dtype=bool)

    def measured(self, queries: Sequence[Query], finding: str) -> dict[str, Estimate]:
        """Each metric, as the mean over the queries."""
        right, rankings = self.relevant(finding), [self._ranking(query) for query in queries]
        return {
            metric: average_estimates([measure(ranking, right, self.bootstrap, K) for ranking in rankings])
            for metric, measure in METRICS.items()
        }

    def _ranking(self, query: Query) -> Int[ndarray, "hits"]:
        hits = self.archive.search(query, self.allowed, DEEP)
        return np.array([self.place[hit.study_id] for hit in hits], dtype=np.int64)


def as_tables(found: Measurements) -> str:
    """A Markdown table a metric: a row for each kind of image and finding, a column for each method."""
    return "\n\n".join(_table(found, metric) for metric in METRICS)


def _table(found: Measurements, metric: str) -> str:
    lines = [f"| {metric} | studies | share | {' | '.join(METHODS)} |", "|---|---|---|" + "---|" * len(METHODS)]
    for share in found.select(metric="prevalence").values():
        cells = [_cell(found, share, method, metric) for method in METHODS]
        label = f"{share.modality}, {share.finding or 'mean'}"
        lines.append(f"| {label} | {share.n} | {share.value:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: Measurements, row: Measurement, method: str, metric: str) -> str:
    name = {"task": "search", "modality": row.modality, "method": method, "metric": metric, "finding": row.finding}
    one = found.one(**name)
    return with_interval(one) if one is not None else ""
