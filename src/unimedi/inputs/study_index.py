"""The index of a store: where the arrays of each study lie, and all else of it.

One file, ``studies.arrow``, with the columns of the parts; ``pixels`` and ``mask`` are places (part, offset, bytes) in
place of bytes. With it, a store that lies elsewhere opens with three small requests, and a study is one more.
"""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from unimedi.files.atomic import write_bytes

FILE: Final = "studies.arrow"
KINDS: Final = ("pixels", "mask")  # columns of compressed arrays
_PLACE: Final = pa.struct({"part": pa.int32(), "offset": pa.int64(), "bytes": pa.int64()})


def write_index(path: Path, files: Sequence[str]) -> dict[str, Any]:
    """Write the index of the parts ``files`` of the store ``path``.

    Returns:
        What ``store.json`` says of it: its file, bytes and CRC-32.
    """
    tables = [_placed(path / file, number) for number, file in enumerate(files)]
    sink = pa.BufferOutputStream()
    if tables:
        whole = pa.concat_tables(tables)
        with pa.ipc.new_stream(sink, whole.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(whole)
    data = sink.getvalue().to_pybytes()
    write_bytes(path / FILE, data)
    return {"file": FILE, "bytes": len(data), "crc32": zlib.crc32(data)}


def read_index(data: bytes | memoryview) -> pa.Table:
    """The table that :func:`write_index` wrote."""
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()


def mapped(file: Path) -> tuple[pa.Table, int]:
    """A part as a table in the memory map of its file, and the address at which the map begins."""
    buffer = pa.memory_map(str(file)).read_buffer()
    return pa.ipc.open_stream(buffer).read_all(), buffer.address


def _placed(file: Path, number: int) -> pa.Table:
    table, start = mapped(file)
    for kind in KINDS:
        places = pa.array(_places(table[kind], number, start), _PLACE)
        table = table.set_column(table.column_names.index(kind), kind, places)
    return table.replace_schema_metadata(None)


def _places(column: pa.ChunkedArray, number: int, start: int) -> Iterator[dict[str, int] | None]:
    """Where each array lies in its part; None where there is none."""
    for chunk in column.chunks:
        _, offsets, data = chunk.buffers()  # a scalar's own buffer is a copy
        if not len(chunk) or data is None:
            yield from [None] * len(chunk)
            continue
        ends = np.frombuffer(offsets, np.int32)[chunk.offset :].tolist()
        for i, there in enumerate(chunk.is_valid().to_pylist()):
            first, last = ends[i], ends[i + 1]
            place = {"part": number, "offset": data.address - start + first, "bytes": last - first}
            yield place if there else None
