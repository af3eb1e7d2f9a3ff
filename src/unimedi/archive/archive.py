"""An archive of studies that can be searched: add, forget, search, optimise, stats."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from lancedb.expr import col
from lancedb.query import MatchQuery
from numpy.typing import NDArray

from unimedi.archive import traces
from unimedi.archive.connection import NOW, TABLE, ArchiveError, Place, explained, prune, twice
from unimedi.archive.filters import Filter
from unimedi.archive.indices import index_keys, index_vectors, index_words, indexed, near
from unimedi.archive.query import MOST, Hit, Query, fuse
from unimedi.archive.snapshot import BATCH, VECTORS, Ranked, Snapshot, matrix_of
from unimedi.archive.stats import ArchiveStats, counts
from unimedi.archive.study import (
    FORMAT,
    LANGUAGES,
    MODEL,
    VERSION,
    ArchivedStudy,
    check_vector,
    parted,
    schema,
    to_table,
)
from unimedi.errors import InputError, MissingError

ANN_FROM: Final = 300_000  # studies: below, a product with all vectors is as fast, and exact
DEEP: Final = 200  # places of each ranking, at least, that are fused
KEPT: Final = timedelta(hours=1)  # versions of the table: a reader may be at work on one


class Archive:
    """Five verbs over a LanceDB table. Reads see the last write; writes hold the archive's lock, one at a time.

    Args:
        uri: a folder, or ``s3://bucket/name`` and the like; see :class:`~unimedi.archive.connection.Place`.
        ann_from: studies from which vectors are searched by an approximate index, once ``optimise`` has made one.

    Raises:
        MissingError: there is no archive.
        ArchiveError: it is damaged, or of another format.
    """

    def __init__(self, uri: str | Path, ann_from: int = ANN_FROM) -> None:
        self.place, self.ann_from = Place(uri), ann_from
        self._table = self.place.open()
        self._held: _Held | None = None
        with explained(self.place):
            self.schema = self._table.schema
        about = self.schema.metadata or {}
        if about.get(VERSION, b"").decode() != FORMAT:
            raise ArchiveError(f"{self.place}: expected an archive of format {FORMAT}, as unimedi index makes it")
        self.model: str = about[MODEL].decode()
        self.languages: tuple[str, ...] = tuple(json.loads(about[LANGUAGES]))
        self.dim: int = self.schema.field("vector").type.list_size

    @classmethod
    def create(cls, uri: str | Path, dim: int, model: str, languages: Sequence[str] = ()) -> "Archive":
        """An empty archive, or the one that is there.

        Args:
            uri: where.
            dim: numbers of a vector.
            model: fingerprint of the model that makes all its vectors.
            languages: of the reports that it was trained with, ISO 639-1; the first decides how words are stemmed.

        Raises:
            InputError: the one that is there is of another model, or the folder has something else in it.
        """
        place = Place(uri)
        try:
            archive = cls(uri)
        except MissingError:
            place.make(schema(dim, model, languages))
            archive = cls(uri)
            archive.optimise()
        archive.refuse_other(model)
        return archive

    def add(self, studies: Sequence[ArchivedStudy], model: str) -> int:
        """Add studies, or put them in the place of those with the same ids: all of them or, where it fails, none.

        Each call makes files: thousands of studies at a time, then ``optimise``.

        Args:
            studies: of several with one id the last counts.
            model: fingerprint of the model that made their vectors.

        Returns:
            How many are new.

        Raises:
            InputError: the vectors are of another model, or one is not finite or not of length 1.
            LockedError: another process writes.
        """
        self.refuse_other(model)
        rows = to_table(studies, self.schema)
        if not len(rows):
            return 0
        with self.place.alone(), explained(self.place):
            merge = self._table.merge_insert("study_id").when_matched_update_all().when_not_matched_insert_all()
            done = merge.use_index(False).execute(rows, on_bad_vectors="null")  # no report: no vector of one
            if done.num_inserted_rows + done.num_updated_rows != len(rows):
                got = f"{done.num_inserted_rows} were added, {done.num_updated_rows} replaced"
                raise ArchiveError(f"{self.place}: expected {len(rows)} studies to be written, {got}")
        return int(done.num_inserted_rows)

    def forget(self, patient: str = "", study: str = "") -> traces.Forgotten:
        """Remove a patient's studies, or one study, from every byte of the archive, and look whether they are gone.

        The table is written anew without them, its indices are made anew, every earlier version is deleted. Searches of
        words are refused while they are indexed; no reader sees a removed study any more.

        Raises:
            InputError: not one of the two is given.
            MissingError: no such patient or study is there; nothing was changed.
            ArchiveError: something is still there; the sentence says in which file.
        """
        if bool(patient) == bool(study):
            raise InputError("expected a patient or a study to forget, one of the two")
        column, name = ("patient_id", patient) if patient else ("study_id", study)
        with self.place.alone(), explained(self.place):
            rows = self._table.search().where(col(column).isin([name])).to_arrow()
            wanted = traces.traces_of(rows) or [traces.Trace(column, name.encode())]
            before = traces.seen(self.place, wanted)
            if not len(rows) and (len(name) < traces.LEAST or not before.keys() - self._shared(before)):
                what = "patient" if patient else "study"
                raise MissingError(f"{self.place}: expected {what} {name!r} in it, none is; nothing was changed")
            self._rewrite_without(rows["key"].to_pylist())
            after = traces.seen(self.place, wanted)
            shared = self._shared(after)
            found = [f"{trace.what} in {file}" for trace, file in after.items() if trace not in shared]
            found += traces.old_versions(self.place)
        if found:
            raise ArchiveError(
                f"{self.place}: {len(rows)} studies are no longer found by any search, but NOT ALL BYTES ARE GONE: "
                f"{'; '.join(found[:5])}. Delete the archive and index it again without them"
            )
        return traces.Forgotten(len(rows), len(before.keys() - shared), len(shared), len(wanted) - len(before))

    def search(self, query: Query, where: Filter | None = None, k: int = 10) -> list[Hit]:
        """The k best studies that obey the filter, best first.

        Up to ``ann_from`` studies vectors are compared exactly. Several ways to compare are fused by reciprocal rank.

        Raises:
            InputError: the query is of another model, or its vector is none of this archive's.
            ArchiveError: its files are damaged, or its words are being indexed anew.
        """
        if not 1 <= k <= MOST:
            raise InputError(f"expected 1 to {MOST} hits, got {k}")
        if query.vector is not None:
            self.refuse_other(query.model)
            check_vector(query.vector, self.dim, "query")
        allowed = where or Filter()
        with explained(self.place):
            return twice(lambda: self._search(query, allowed, k))

    def optimise(self) -> None:
        """Merge small files, index new reports and, from ``ann_from`` studies on, vectors; drop versions of before."""
        with self.place.alone(), explained(self.place):
            self._index(KEPT)

    def stats(self) -> ArchiveStats:
        """Counts of what is there; counted once for each version of the table."""
        with explained(self.place):
            held = twice(self._hold)
            held.stats = held.stats or self._counted(held)
        return held.stats

    def _counted(self, held: "_Held") -> ArchiveStats:
        columns = held.snapshot.columns
        return ArchiveStats(
            studies=len(columns),
            patients=len(counts(columns, "patient_id").keys() - {""}),
            reports=int(self._table.count_rows("report != ''")),
            modalities=counts(columns, "modality"),
            splits=counts(columns, "split"),
            findings=counts(columns, "findings"),
            model=self.model,
            languages=self.languages,
            dim=self.dim,
            version=held.snapshot.version,
            exact=not held.approximate,
        )

    def stamps(self) -> dict[str, str]:
        """The stamp of each study by its id."""
        columns = self.columns()
        return dict(zip(columns["study_id"].to_pylist(), columns["stamp"].to_pylist(), strict=True))

    def columns(self, where: Filter | None = None) -> pa.Table:
        """What is known of each study that obeys the filter, but for its report, vectors and image: a row a study."""
        with explained(self.place):
            columns = twice(self._hold).snapshot.columns
        return columns.filter((where or Filter()).mask(columns))

    def vectors(self, way: str) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """All vectors of images, or of reports, some thousand at a time: ids, and (rows, dim) float32."""
        column = VECTORS[way]
        with explained(self.place):
            asked = self._table.search().where(f"{column} IS NOT NULL").select(["study_id", column])
            for batch in asked.to_batches(batch_size=BATCH):
                yield batch["study_id"].to_pylist(), matrix_of(batch[column])[0]

    def study(self, study_id: str) -> ArchivedStudy:
        """One study with its vectors; MissingError where it is not there."""
        with explained(self.place):
            rows = twice(lambda: self._table.search().where(col("study_id").isin([study_id])).to_arrow()).to_pylist()
        if not rows:
            raise MissingError(f"{self.place}: expected study {study_id!r} in it, none is")
        row = rows[0]
        vector, report = (None if row[name] is None else np.array(row[name], np.float32) for name in VECTORS.values())
        assert vector is not None
        return ArchivedStudy(
            row["study_id"], row["patient_id"], row["modality"], vector, report, row["report"], row["date"],
            row["split"], parted(row["findings"]), row["image"], row["stamp"],
        )  # fmt: skip

    def _search(self, query: Query, allowed: Filter, k: int) -> list[Hit]:
        held = self._hold()
        depth = k if len(query.asked) == 1 else max(k, DEEP)
        rankings: dict[str, Ranked] = {}
        for way in query.asked:
            if way == "text":
                rankings[way] = self._by_words(held, query.text, allowed, depth)
            elif held.approximate:
                rankings[way] = self._by_index(way, query.vector, allowed, depth)  # type: ignore[arg-type]
            else:
                rankings[way] = held.snapshot.nearest(way, query.vector, allowed, depth)  # type: ignore[arg-type]
        return self._hits(fuse(rankings)[:k])

    def _by_words(self, held: "_Held", text: str, allowed: Filter, k: int) -> Ranked:
        if not held.has_words:
            raise ArchiveError(f"{self.place}: its words are being indexed anew; ask again in a moment, or index again")
        asked = self._table.search(MatchQuery(text, "report"), query_type="fts")
        return self._ranked(asked, allowed, k, "_score", lambda score: score)

    def _by_index(self, way: str, vector: NDArray[np.float32], allowed: Filter, k: int) -> Ranked:
        asked = near(self._table, VECTORS[way], vector, bool(allowed))
        return self._ranked(asked, allowed, k, "_distance", lambda distance: 1 - distance)

    def _ranked(self, asked: Any, allowed: Filter, k: int, column: str, score: Any) -> Ranked:
        if (expression := allowed.expression()) is not None:
            asked = asked.where(expression, prefilter=True)
        found = asked.select(["key", column]).limit(k).to_arrow()
        scored = zip(found["key"].to_pylist(), found[column].to_pylist(), strict=True)
        return [(key, score(value)) for key, value in scored if value is not None]

    def _hits(self, ranked: Sequence[tuple[int, float, dict[str, float]]]) -> list[Hit]:
        """The rows as they are now: one that has been removed in between is left out."""
        if not ranked:
            return []
        names = [name for name in Hit.__dataclass_fields__ if name not in ("score", "scores")]
        asked = self._table.search().where(col("key").isin([key for key, _, _ in ranked])).select(["key", *names])
        rows = {row.pop("key"): row for row in asked.to_arrow().to_pylist()}
        return [
            Hit(**rows[key] | {"findings": parted(rows[key]["findings"])}, score=score, scores=scores)
            for key, score, scores in ranked
            if key in rows
        ]

    def _hold(self) -> "_Held":
        """What is in memory, read anew where the table has changed."""
        version, held = self._table.version, self._held
        if held is None or held.snapshot.version != version:
            done = indexed(self._table)
            approximate = "vector" in done and self._table.count_rows() >= self.ann_from
            held = _Held(Snapshot(self._table, version, vectors=not approximate), approximate, "report" in done)
            self._held = held
        return held

    def _shared(self, found: dict[traces.Trace, str]) -> set[traces.Trace]:
        return traces.shared_by(list(found), self._table)

    def _rewrite_without(self, keys: Sequence[int]) -> None:
        rows = self._table.search()
        living = (rows.where(~col("key").isin(list(keys))) if keys else rows).to_batches(batch_size=BATCH)
        self._table = self.place.connect().create_table(
            TABLE, data=living, schema=self.schema, mode="overwrite", on_bad_vectors="null"
        )
        self._index(NOW)

    def _index(self, older: timedelta) -> None:
        if "report" not in indexed(self._table):
            index_words(self._table, self.languages)
        if "key" not in indexed(self._table):
            index_keys(self._table)
        if self._table.count_rows() >= self.ann_from:
            index_vectors(self._table)
        prune(self._table, older)

    def refuse_other(self, model: str) -> None:
        """InputError where vectors of ``model``, a fingerprint, cannot be compared with those of this archive."""
        if model != self.model:
            raise InputError(
                f"{self.place} holds vectors of the model {self.model[:12]}, got some of {model[:12] or 'no model'}: "
                "name the model that it was indexed with, or index into another place"
            )


@dataclass(slots=True)
class _Held:
    snapshot: Snapshot
    approximate: bool
    has_words: bool
    stats: ArchiveStats | None = None  # once they are asked for
