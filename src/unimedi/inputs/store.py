"""The store: the prepared cohort, which training, evaluation and the pages read, on disk or at a URI.

A folder that is a Hugging Face dataset (``datasets.load_from_disk`` opens it) with one more file, ``store.json``.
It holds Arrow parts, memory-mapped; pixels are blosc2 bytes (bitshuffle + LZ4) with a CRC-32. ``store_writer.py``
writes it, ``remote_store.py`` reads it elsewhere. No pickle anywhere.
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import blosc2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Modality, Split
from unimedi.errors import InputError
from unimedi.files.store_address import StoreAddress, StorePlace, find_place
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.preprocess_settings import PreprocessSettings
from unimedi.inputs.study_index import KINDS, mapped

FORMAT = 1
MAX_MASKS = 16  # findings that can have a mask: bits of a uint16


class StoreError(InputError):
    """A store that cannot be read as asked: unfinished, damaged, or prepared with another policy."""


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A prepared study without its pixels."""

    study_id: str
    patient_id: str
    modality: Modality
    split: Split
    report: str  # the text that trains and retrieves: impression + findings; "" where there is none
    language: str = "en"
    labels: dict[str, bool | None] = field(default_factory=dict)  # finding -> there, not there, not known
    has_mask: bool = False
    spacing: tuple[float, ...] = ()  # mm between the stored pixels or voxels, one an axis; () where no file said it

    @property
    def image_kind(self) -> ImageKind:
        return self.modality.image_kind

    @property
    def ndim(self) -> int:
        return self.image_kind.ndim


class Store:
    """A prepared cohort, opened for reading by index. Cheap to pass to worker processes: it pickles as its path.

    Attributes:
        path: its folder, or its address.
        remote: whether its arrays come over a network.
        studies: a ``StoredStudy`` each, in the order of the cohort; an index into it is what all methods take.
        findings: names of the labels, in the order of a mask's bits.
        preprocess: sizes (pixels) and Hounsfield window of the stored arrays.
        fingerprint: sha256 of everything stored; the same content has the same.
        phantom: whether all of it is of a phantom hospital.
        rules: by which it was prepared, see ``store_rules.py``.
        refused: studies that were left out: study_id, reason and message of each.
    """

    remote: ClassVar[bool] = False

    def __init__(
        self, path: Path | StoreAddress, header: dict[str, Any], refused: list[dict[str, str]], table: pa.Table
    ) -> None:
        self.path = path
        self.preprocess = Preprocess.from_dict(header["preprocess"])
        self.findings: tuple[str, ...] = tuple(header["findings"])
        self.fingerprint: str = header["fingerprint"]
        self.software: str = header["software"]
        self.phantom: bool = header.get("phantom", False)
        self.rules: int = header.get("rules", 1)
        self.refused = refused
        self.studies = _studies(table, self.findings)
        self._bytes = {kind: table[kind] for kind in KINDS}
        self._crc = {kind: table[f"{kind}_crc32"].to_pylist() for kind in KINDS}
        self._verified = {kind: bytearray(len(table)) for kind in KINDS}
        self._shape = table["shape"].to_pylist()

    @classmethod
    def open(cls, path: StorePlace, expect: PreprocessSettings | None = None) -> "Store":
        """Open a finished store; pixels stay where they are until asked for.

        Args:
            path: its folder, or a URI (``s3://…``), which is read with the user's cache, or a ``StoreAddress``.
            expect: how it must have been prepared.

        Raises:
            StoreError: no store there, not finished, damaged, or not prepared with ``expect`` (differences named).
        """
        path = find_place(path)
        if isinstance(path, StoreAddress):
            from unimedi.inputs.remote_store import open_remote  # its client, only where it is needed

            return open_remote(path, expect)
        if not (path / "store.json").is_file():
            found = (
                "its preparation has not finished; run the same `unimedi prepare` again"
                if path.is_dir()
                else "no such folder"
            )
            raise StoreError(f"{path} is not a store: {found}")
        header = json.loads((path / "store.json").read_text(encoding="utf-8"))
        check_header(path, header, expect)
        refused = json.loads((path / "refused.json").read_text(encoding="utf-8"))
        return cls(path, header, refused, pa.concat_tables([_part_table(path, part) for part in header["parts"]]))

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

        Args:
            split: ``train``, ``validation`` or ``test``; None: all.
            image_kind: ``xray`` or ``ct``; None: all.
            reported: only those with a report.
        """
        wanted = None if split is None else Split(split)
        kind = None if image_kind is None else ImageKind(image_kind)
        return [
            i
            for i, s in enumerate(self.studies)
            if wanted in (None, s.split) and kind in (None, s.image_kind) and (s.report or not reported)
        ]

    def ahead(self, indices: Iterable[int], trains: bool = False) -> None:
        """Say whose pixels are wanted next, in this order: a remote store begins to fetch them.

        Args:
            indices: each is then asked for once.
            trains: by the loop that trains; what else is read meanwhile does not wait behind it.
        """

    def not_ahead(self, trains: bool = False) -> None:
        """What was said by :meth:`ahead` and not asked for is not wanted any more."""

    def _array(self, kind: str, index: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        index = range(len(self))[index]  # IndexError for a bad index, negative ones resolved
        array = np.empty(self._shape[index], dtype=dtype)
        blosc2.decompress2(self._packed(kind, index), dst=array, nthreads=1)
        return array

    def _packed(self, kind: str, index: int) -> memoryview:
        """The compressed array, its checksum verified."""
        packed = memoryview(self._bytes[kind][index].as_buffer())
        if not self._verified[kind][index]:  # once a process: a quarter of the time of reading goes into it
            if zlib.crc32(packed) != self._crc[kind][index]:
                name = self.studies[index].study_id
                raise StoreError(
                    f"{self.path}: the {kind} of study {name} are damaged (checksum differs); prepare again"
                )
            self._verified[kind][index] = True
        return packed


def check_header(path: Path | StoreAddress, header: dict[str, Any], expect: PreprocessSettings | None) -> None:
    """StoreError where ``store.json`` is of another format, or says another policy than ``expect``."""
    if header.get("format") != FORMAT:
        raise StoreError(f"{path}: store format {header.get('format')}, this version reads {FORMAT}; prepare again")
    if expect is not None:
        _same_policy(path, Preprocess.from_dict(header["preprocess"]).to_dict(), expect.to_dict())


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
        return mapped(file)[0]
    except pa.ArrowInvalid as error:
        raise StoreError(f"{path}: {part['file']} is damaged ({error}); prepare again") from error


def _same_policy(path: Path | StoreAddress, stored: dict[str, Any], expected: dict[str, Any]) -> None:
    keys = sorted(set(stored) | set(expected))
    differ = [
        f"{k}: store {stored.get(k)}, expected {expected.get(k)}" for k in keys if stored.get(k) != expected.get(k)
    ]
    if differ:
        raise StoreError(f"{path} was prepared with another policy ({'; '.join(differ)}); prepare again or change it")
