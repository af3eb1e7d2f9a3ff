"""What a forgotten study could have left in the bytes of an archive, and whether it did."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from unimedi.archive.connection import Place
from unimedi.archive.snapshot import BATCH, VECTORS

BLOCK: Final = 1 << 24  # bytes read at a time
LEAST: Final = 6  # bytes: what is shorter is in any large file by chance
SHINGLE: Final = 40  # characters of a report
NUMBERS: Final = 8  # of a vector
TEXTS: Final = ("study_id", "patient_id", "image", "report")


@dataclass(frozen=True, slots=True)
class Trace:
    """Bytes that tell of a study; ``what`` says without them what they are."""

    what: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed, and what shows it.

    Attributes:
        studies: removed.
        looked_for: traces that the bytes showed before, and show no more.
        shared: traces that are there, since studies that stay have the same: they prove nothing.
        unseen: traces that the bytes did not show before either, as short ids or pieces across two blocks of a file.
    """

    studies: int
    looked_for: int
    shared: int
    unseen: int


def traces_of(rows: pa.Table) -> list[Trace]:
    """Ids, paths, pieces of the reports and beginnings of the vectors of these rows."""
    found = [Trace(what, text.encode()) for what in TEXTS[:3] for text in _distinct(rows[what].to_pylist())]
    for report in _distinct(rows["report"].to_pylist()):
        places = {0, max(len(report) // 2 - SHINGLE, 0), max(len(report) - SHINGLE, 0)}
        found += [Trace("report", report[place : place + SHINGLE].encode()) for place in sorted(places)]
    for name in VECTORS.values():
        found += [Trace(name, _head(row)) for row in rows[name].to_pylist() if row is not None]
    return [trace for trace in dict.fromkeys(found) if len(trace.data) >= LEAST]


def seen(place: Place, traces: Sequence[Trace]) -> dict[Trace, str]:
    """Each trace that the archive's bytes, or the names of its files, hold, and a file that does."""
    where: dict[Trace, str] = {}
    for name, block in _blocks(place, max((len(trace.data) for trace in traces), default=1)):
        where |= {trace: name for trace in traces if trace not in where and trace.data in block}
    return where


def shared_by(traces: Sequence[Trace], table: Any) -> set[Trace]:
    """Those that prove nothing, as a row of LanceDB's table has the same: an equal report, or P1 in P10."""
    shared: set[Trace] = set()
    waiting = list(traces)
    for batch in table.search().select([*TEXTS, *VECTORS.values()]).to_batches(batch_size=BATCH) if waiting else ():
        heads = {_head(row) for name in VECTORS.values() for row in _heads(batch.column(name))}
        for trace in waiting:
            if trace.what in VECTORS.values():
                known = trace.data in heads
            else:
                pattern = trace.data.decode()
                known = any(pc.any(pc.match_substring(batch.column(name), pattern)).as_py() for name in TEXTS)
            shared |= {trace} if known else set()
        waiting = [trace for trace in waiting if trace not in shared]
    return shared


def old_versions(place: Place) -> list[str]:
    """Files of versions before the last, and lists of deleted rows: after a removal there must be none."""
    names = [name for name, _ in _files(place)]
    manifests = [name for name in names if name.endswith(".manifest")]
    return [name for name in names if "/_deletions/" in name] + (manifests if len(manifests) > 1 else [])


def _heads(column: pa.Array) -> Iterator[Any]:
    dim = column.type.list_size
    numbers = np.asarray(column.values.slice(column.offset * dim, len(column) * dim)).reshape(-1, dim)[:, :NUMBERS]
    return (row for row, there in zip(numbers, column.is_valid().to_pylist(), strict=True) if there)


def _head(row: Any) -> bytes:
    return np.asarray(row, np.float32)[:NUMBERS].tobytes()


def _distinct(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]


def _blocks(place: Place, overlap: int) -> Iterator[tuple[str, bytes]]:
    """All bytes of an archive, file by file, in blocks that overlap; its files' names first."""
    for name, file in _files(place):
        yield name, name.encode()
        before = b""
        with file as stream:
            while block := stream.read(BLOCK):
                yield name, before + block
                before = block[-overlap:]


def _files(place: Place) -> Iterator[tuple[str, Any]]:
    system, root = _file_system(place)
    for info in system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True)):
        if info.type == fs.FileType.File:
            yield info.path.removeprefix(root).lstrip("/"), system.open_input_stream(info.path)


def _file_system(place: Place) -> tuple[Any, str]:
    if place.folder is not None:
        return fs.LocalFileSystem(), str(Path(place.folder).resolve())
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT")
    if place.name.startswith("s3://") and endpoint:
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        scheme, _, host = endpoint.partition("://")
        return fs.S3FileSystem(endpoint_override=host, scheme=scheme, region=region), place.name.removeprefix("s3://")
    system, root = fs.FileSystem.from_uri(place.name)
    return system, root
