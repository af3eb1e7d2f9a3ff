"""The store: the prepared cohort on disk, which training, evaluation and the pages read.

A folder that is a Hugging Face dataset (``datasets.load_from_disk`` opens it) with one more file, ``store.json``.
It holds Arrow parts, memory-mapped; pixels are blosc2 bytes (bitshuffle + LZ4) with a CRC-32. A part is done or it is
not: ``part-00003.json`` beside ``part-00003.arrow`` says so, which is how preparing resumes. No pickle anywhere.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Modality, Split
from unimedi.errors import InputError
from unimedi.files.atomic import atomic_file, leftovers, write_json
from unimedi.inputs.mended import RULES
from unimedi.inputs.preprocess import Preprocess

FORMAT = 1
BATCH_BYTES = 8 << 20  # an Arrow record batch is closed at this size, so that a writer never holds a whole part
MAX_MASKS = 16  # findings that can have a mask: bits of a uint16


class StoreError(InputError):
    """A store that cannot be read as asked: unfinished, damaged, or prepared with another policy."""


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A prepared study without its pixels. ``spacing``: mm of the stored array (``()`` where the file did not say)."""

    study_id: str
    patient_id: str
    modality: Modality
    split: Split
    report: str  # the text that trains and retrieves: impression + findings; "" where there is none
    language: str = "en"
    labels: dict[str, bool | None] = field(default_factory=dict)
    has_mask: bool = False
    spacing: tuple[float, ...] = ()

    @property
    def image_kind(self) -> ImageKind:
        return self.modality.image_kind

    @property
    def ndim(self) -> int:
        return self.image_kind.ndim


@dataclass(frozen=True, slots=True)
class Record:
    """A study with its stored arrays: ``pixels`` int16, ``mask`` uint16 bit field of the same shape or None; ``notes``
    say what was corrected when its file was read."""

    study: StoredStudy
    pixels: NDArray[np.int16]
    mask: NDArray[np.uint16] | None = None
    notes: tuple[str, ...] = ()


Packed = dict[str, Any]  # a record as a row of the store: pixels and mask compressed, digest and notes added


class Store:
    """Read access by index. Cheap to pass to worker processes: it pickles as its path."""

    def __init__(self, path: Path, header: dict[str, Any], table: pa.Table) -> None:
        self.path = path
        self.preprocess = Preprocess.from_dict(header["preprocess"])
        self.findings: tuple[str, ...] = tuple(header["findings"])
        self.fingerprint: str = header["fingerprint"]
        self.software: str = header["software"]
        self.phantom: bool = header.get("phantom", False)
        self.rules: int = header.get("rules", 1)  # by which it was prepared: inputs/mended.py
        self.refused: list[dict[str, str]] = json.loads((path / "refused.json").read_text(encoding="utf-8"))
        self.studies = _studies(table, self.findings)
        self._bytes = {kind: table[kind] for kind in ("pixels", "mask")}
        self._crc = {kind: table[f"{kind}_crc32"].to_pylist() for kind in ("pixels", "mask")}
        self._verified = {kind: bytearray(len(table)) for kind in ("pixels", "mask")}
        self._shape = table["shape"].to_pylist()

    @classmethod
    def open(cls, path: str | Path, expect: Preprocess | None = None) -> "Store":
        """Open a finished store; pixels stay on disk until asked for.

        Raises:
            StoreError: no store there, not finished, damaged, or not prepared with ``expect`` (differences named).
        """
        path = Path(path)
        if not (path / "store.json").is_file():
            found = (
                "its preparation has not finished; run the same `unimedi prepare` again"
                if path.is_dir()
                else "no such folder"
            )
            raise StoreError(f"{path} is not a store: {found}")
        header = json.loads((path / "store.json").read_text(encoding="utf-8"))
        if header.get("format") != FORMAT:
            raise StoreError(f"{path}: store format {header.get('format')}, this version reads {FORMAT}; prepare again")
        if expect is not None:
            _same_policy(path, Preprocess.from_dict(header["preprocess"]).to_dict(), expect.to_dict())
        return cls(path, header, pa.concat_tables([_part_table(path, part) for part in header["parts"]]))

    def __len__(self) -> int:
        return len(self.studies)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Store.open, (self.path,))

    def pixels(self, index: int) -> NDArray[np.int16]:
        """Stored array of one study: int16 (height, width) in 0..4095 or (depth, height, width) in HU."""
        return self._array("pixels", index, np.dtype(np.int16))

    def mask(self, index: int) -> NDArray[np.uint16] | None:
        """Bit field of the shape of ``pixels(index)``; bit j is ``findings[j]``. None where the study has no mask."""
        return self._array("mask", index, np.dtype(np.uint16)) if self.studies[index].has_mask else None

    def select(
        self, split: Split | str | None = None, image_kind: ImageKind | str | None = None, reported: bool = False
    ) -> list[int]:
        """Indices of the studies of a split and/or of a kind of image, in store order.

        ``reported``: those with a report alone.
        """
        wanted = None if split is None else Split(split)
        kind = None if image_kind is None else ImageKind(image_kind)
        return [
            i
            for i, s in enumerate(self.studies)
            if wanted in (None, s.split) and kind in (None, s.image_kind) and (s.report or not reported)
        ]

    def _array(self, kind: str, index: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        index = range(len(self))[index]  # IndexError for a bad index, negative ones resolved
        packed = memoryview(self._bytes[kind][index].as_buffer())
        array = np.empty(self._shape[index], dtype=dtype)
        if not self._verified[kind][index]:  # once a process: a quarter of the time of reading goes into it
            if zlib.crc32(packed) != self._crc[kind][index]:
                name = self.studies[index].study_id
                raise StoreError(
                    f"{self.path}: the {kind} of study {name} are damaged (checksum differs); prepare again"
                )
            self._verified[kind][index] = True
        blosc2.decompress2(packed, dst=array, nthreads=1)
        return array


# -- writing ----------------------------------------------------------------------------------------------------------


def write_store(
    path: str | Path, records: Iterable[Record], preprocess: Preprocess, findings: Sequence[str] = ()
) -> Store:
    """A whole store of one part from arrays at hand (tests, small imports); returns it opened."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    write_part(path, 0, records, findings)
    finish_store(path, preprocess, findings, parts=1)
    return Store.open(path)


def write_part(
    path: Path,
    number: int,
    records: Iterable[Record | Packed],
    findings: Sequence[str],
    inputs: str = "",
    refused: Sequence[dict[str, str]] = (),
) -> None:
    """Write part ``number`` of a store, atomically; records are streamed, one record batch in memory at a time.

    ``inputs`` is the fingerprint of what the part was made from (``part_is_done`` compares it). ``refused`` is read
    after ``records`` is exhausted, so a generator of records may append to it while it runs.
    """
    name = part_name(number)
    schema, digests, notes, rows, size = _schema(), [], [], [], 0
    with atomic_file(path / f"{name}.arrow") as temporary:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for record in records:
                rows.append(row := pack(record, findings) if isinstance(record, Record) else record)
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
    write_json(path / f"{name}.json", {**about, "digests": digests, "refused": list(refused), "notes": notes})


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
    }
    write_json(path / "store.json", header)


# -- rows -------------------------------------------------------------------------------------------------------------


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


def _studies(table: pa.Table, findings: tuple[str, ...]) -> list[StoredStudy]:
    names = ("study_id", "patient_id", "modality", "split", "report", "language", "labels", "spacing", "mask_crc32")
    meanings = {1: True, 0: False, -1: None}
    studies = []
    for sid, pid, modality, split, report, language, labels, spacing, crc in zip(
        *(table[name].to_pylist() for name in names), strict=True
    ):
        known = {finding: meanings[code] for finding, code in zip(findings, labels, strict=True)}
        where = (Modality(modality), Split(split))
        studies.append(StoredStudy(sid, pid, *where, report, language, known, crc is not None, tuple(spacing)))
    return studies


def _part_table(path: Path, part: dict[str, Any]) -> pa.Table:
    """Memory-mapped: the pixel columns are addresses into the file until somebody reads them."""
    file = path / part["file"]
    size = file.stat().st_size if file.is_file() else None
    if size != part["bytes"]:
        found = "is missing" if size is None else f"has {size} bytes"
        raise StoreError(f"{path}: {part['file']} {found}, expected {part['bytes']} bytes; prepare again")
    try:
        return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()
    except pa.ArrowInvalid as error:
        raise StoreError(f"{path}: {part['file']} is damaged ({error}); prepare again") from error


def _same_policy(path: Path, stored: dict[str, Any], expected: dict[str, Any]) -> None:
    keys = sorted(set(stored) | set(expected))
    differ = [
        f"{k}: store {stored.get(k)}, expected {expected.get(k)}" for k in keys if stored.get(k) != expected.get(k)
    ]
    if differ:
        raise StoreError(f"{path} was prepared with another policy ({'; '.join(differ)}); prepare again or change it")
