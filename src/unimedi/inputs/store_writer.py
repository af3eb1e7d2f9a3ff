"""Writing a store: studies become rows, rows become parts, finished parts become a store.

A part is done or it is not: its marker ``part-00003.json`` is written after ``part-00003.arrow``. So preparing can be
resumed. ``store.json`` comes last and makes a store of the folder. No pickle anywhere.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unimedi.files.atomic import atomic_file, leftovers, write_json
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import FORMAT, Store, StoredStudy, StoreError
from unimedi.inputs.store_rules import RULES
from unimedi.inputs.study_index import write_index

BATCH_BYTES = 8 << 20  # an Arrow record batch is closed at this size, so that a writer never holds a whole part


@dataclass(frozen=True, slots=True)
class Record:
    """A study with its stored arrays."""

    study: StoredStudy
    pixels: NDArray[np.int16]  # (height, width) in 0..4095, or (depth, height, width) in HU
    mask: NDArray[np.uint16] | None = None  # same shape; bit j is the store's finding j
    notes: tuple[str, ...] = ()  # codes of what was corrected when its file was read


Packed = dict[str, Any]  # a record as a row of the store: pixels and mask compressed, digest and notes added
Refusal = dict[str, str]  # of a study that was left out: study_id, reason, message; limit where a higher one could help


def write_store(
    path: str | Path, records: Iterable[Record], preprocess: Preprocess, findings: Sequence[str] = ()
) -> Store:
    """Write a whole store from arrays at hand (tests, small imports).

    Args:
        path: its folder, made where it is missing.
        records: studies with arrays of the sizes that ``preprocess`` names.
        preprocess: what the store will say of its arrays; none is changed here.
        findings: names of the labels, in the order of the masks' bits; at most 16 can have a mask.

    Returns:
        The store, opened.

    Raises:
        StoreError: an array of another dtype or number of axes, or a label that ``findings`` does not name.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    write_part(path, 0, records, findings)
    finish_store(path, preprocess, findings, parts=1)
    return Store.open(path)


def write_part(
    path: Path,
    number: int,
    records: Iterable[Record | Packed | Refusal],
    findings: Sequence[str],
    inputs: str = "",
) -> None:
    """Write part ``number`` of a store, whole or not at all; one Arrow record batch is in memory at a time.

    Args:
        records: the studies of the part in order; a :class:`Refusal` stands for one that was left out.
        findings: the store's, in the order of the masks' bits.
        inputs: fingerprint of what the part was made from (``part_is_done`` compares it).
    """
    name = part_name(number)
    schema, digests, refused, notes, rows, size = _schema(), [], [], [], [], 0
    with atomic_file(path / f"{name}.arrow") as temporary:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for record in records:
                row = pack(record, findings) if isinstance(record, Record) else record
                if "reason" in row:
                    refused.append(row)
                    continue
                rows.append(row)
                digests.append(row["digest"])
                notes += [{"study_id": row["study_id"], "note": note} for note in row["notes"]]
                size += len(row["pixels"])
                if size >= BATCH_BYTES:
                    writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
                    rows, size = [], 0
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
        bytes_ = temporary.stat().st_size
        (path / f"{name}.json").unlink(missing_ok=True)
    about = {"file": f"{name}.arrow", "inputs": inputs, "bytes": bytes_}
    write_json(path / f"{name}.json", {**about, "digests": digests, "refused": refused, "notes": notes})


def part_name(number: int) -> str:
    return f"part-{number:05d}"


def part_is_done(path: Path, number: int, inputs: str) -> bool:
    """Whether part ``number`` is complete on disk and was made from ``inputs``."""
    try:
        marker = json.loads((path / f"{part_name(number)}.json").read_text(encoding="utf-8"))
        size = (path / marker["file"]).stat().st_size
    except (OSError, ValueError, KeyError):
        return False
    return bool(marker["inputs"] == inputs and marker["bytes"] == size)


def read_markers(path: Path, parts: int) -> list[dict[str, Any]]:
    """What each of ``parts`` finished parts says of itself: file, inputs, bytes, a digest a study, refused, notes."""
    return [json.loads((path / f"{part_name(number)}.json").read_text(encoding="utf-8")) for number in range(parts)]


def finish_store(
    path: Path, preprocess: Preprocess, findings: Sequence[str], parts: int, phantom: bool = False
) -> None:
    """Bind ``parts`` finished parts into a store; ``store.json`` comes last and makes it one.

    ``phantom``: all of it is of a phantom hospital, and figures of it are called that.
    """
    from datasets import Features  # 0.9 s, only where a store is written

    from unimedi import __version__

    (path / "store.json").unlink(missing_ok=True)
    names, markers = [part_name(number) for number in range(parts)], read_markers(path, parts)
    for stale in [*path.glob("part-*"), *leftovers(path)]:  # of a larger cohort before, of a killed worker
        if stale.stem not in names:
            stale.unlink()
    hashed = hashlib.sha256(preprocess.fingerprint().encode() + "\0".join(findings).encode())
    for digest in (digest for marker in markers for digest in marker["digests"]):
        hashed.update(digest.encode())
    write_json(path / "refused.json", [row for marker in markers for row in marker["refused"]])
    write_json(path / "notes.json", [row for marker in markers for row in marker["notes"]])
    features = Features.from_arrow_schema(_schema()).to_dict()
    write_json(path / "dataset_info.json", {"citation": "", "description": "", "features": features})
    state = {"_data_files": [{"filename": m["file"]} for m in markers], "_fingerprint": hashed.hexdigest()[:16]}
    nothing = dict.fromkeys(("_format_columns", "_format_type", "_split"))
    write_json(path / "state.json", {**state, **nothing, "_format_kwargs": {}, "_output_all_columns": False})
    header = {
        "format": FORMAT,
        "software": f"unimedi {__version__}",
        "phantom": phantom,
        "rules": RULES,
        "preprocess": preprocess.to_dict(),
        "findings": list(findings),
        "fingerprint": hashed.hexdigest(),
        "parts": [{"file": m["file"], "rows": len(m["digests"]), "bytes": m["bytes"]} for m in markers],
        "index": write_index(path, [m["file"] for m in markers]),
    }
    write_json(path / "store.json", header)


def _schema() -> pa.Schema:
    from datasets import Features, List, Value

    text, whole = Value("string"), Value("int64")
    columns = dict.fromkeys(("study_id", "patient_id", "modality", "split", "report", "language", "digest"), text)
    labels, shape, spacing = List(Value("int8")), List(Value("int32")), List(Value("float64"))
    arrays = {"pixels": Value("binary"), "pixels_crc32": whole, "mask": Value("binary"), "mask_crc32": whole}
    return Features({**columns, "labels": labels, "spacing": spacing, "shape": shape, **arrays}).arrow_schema


def pack(record: Record, findings: Sequence[str]) -> Packed:
    """A record as a row of the store whose findings are ``findings``: compressing is done where it was read.

    Raises:
        StoreError: arrays of a wrong dtype or shape, or a label that is not among the findings.
    """
    study, pixels, mask = record.study, record.pixels, record.mask
    if pixels.dtype != np.int16 or pixels.ndim != study.ndim:
        found = f"{pixels.dtype} {pixels.shape}"
        raise StoreError(
            f"study {study.study_id} ({study.modality}): expected int16 with {study.ndim} axes, got {found}"
        )
    if mask is not None and (mask.dtype != np.uint16 or mask.shape != pixels.shape):
        raise StoreError(
            f"study {study.study_id}: expected a uint16 mask of {pixels.shape}, got {mask.dtype} {mask.shape}"
        )
    if unknown := set(study.labels) - set(findings):
        raise StoreError(f"study {study.study_id}: labels {sorted(unknown)} are not among the store's findings")
    codes = {True: 1, False: 0, None: -1}
    row: dict[str, Any] = {
        "study_id": study.study_id,
        "patient_id": study.patient_id,
        "modality": study.modality.value,
        "split": study.split.value,
        "report": study.report,
        "language": study.language,
        "labels": [codes[study.labels.get(finding)] for finding in findings],
        "spacing": list(study.spacing),
        "shape": list(pixels.shape),
    }
    row |= {"pixels": _pack(pixels), "mask": None if mask is None else _pack(mask)}
    hashed = hashlib.blake2b(
        json.dumps({k: row[k] for k in row if k not in ("pixels", "mask")}).encode(), digest_size=16
    )
    for kind in ("pixels", "mask"):
        row[f"{kind}_crc32"] = None if row[kind] is None else zlib.crc32(row[kind])
        hashed.update(row[kind] or b"")
    return row | {"digest": hashed.hexdigest(), "notes": list(record.notes)}  # no column: they change no pixel


def _pack(array: NDArray[Any]) -> bytes:
    settings = {"codec": blosc2.Codec.LZ4, "filters": [blosc2.Filter.BITSHUFFLE], "filters_meta": [0], "clevel": 5}
    packed: bytes = blosc2.compress2(np.ascontiguousarray(array), typesize=2, nthreads=1, **settings)
    return packed
