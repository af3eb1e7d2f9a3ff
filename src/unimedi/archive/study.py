"""A study as the archive keeps it, and the table that many of them are."""

import datetime
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unimedi.errors import InputError

FORMAT: Final = "1"
MODEL, LANGUAGES, VERSION = b"unimedi.model", b"unimedi.languages", b"unimedi.format"
SEPARATOR: Final = "\n"  # before, between and after the findings of a study
UNIT: Final = 1e-3  # how far the length of a vector may be from 1
# Lance compresses text, and the dictionaries of repeated texts: a search of all bytes for an id would be blind.
PLAIN: Final = {b"lance-encoding:compression": b"none", b"lance-encoding:dict-values-compression": b"none"}


@dataclass(frozen=True, slots=True)
class ArchivedStudy:
    """One study of an archive.

    Attributes:
        study_id: a study that is added with the same id takes its place.
        patient_id: '' where it is not known.
        modality: DICOM's code: CT, DX ...
        vector: of the image, float32 (dim,), of length 1.
        report_vector: of the report, the same; None where there is no report.
        date: of the examination.
        split: train, validation or test; '' where there is none.
        findings: names of what is labelled as present.
        image: path of the image file or folder, or of the store that holds it.
        stamp: changes where the files of the study do; what is indexed again is told by it.
    """

    study_id: str
    patient_id: str
    modality: str
    vector: NDArray[np.float32]
    report_vector: NDArray[np.float32] | None = None
    report: str = ""
    date: datetime.date | None = None
    split: str = ""
    findings: tuple[str, ...] = ()
    image: str = ""
    stamp: str = ""


def schema(dim: int, model: str, languages: Sequence[str] = ()) -> pa.Schema:
    """Columns of an archive whose vectors have ``dim`` numbers, made by ``model`` (its fingerprint).

    ``key`` is a random number of each row, by which rows are named: no predicate holds a patient's id. The id of the
    study stands first (a merge on a key that does not has lost rows).
    """
    fields = [pa.field("study_id", pa.string(), False, PLAIN), pa.field("key", pa.int64(), False)]
    fields += [pa.field(name, pa.string(), False, PLAIN) for name in ("patient_id", "modality", "split")]
    fields += [pa.field("date", pa.date32())]
    fields += [pa.field(name, pa.string(), False, PLAIN) for name in ("findings", "report", "image", "stamp")]
    fields += [pa.field(name, pa.list_(pa.float32(), dim), True, PLAIN) for name in ("vector", "report_vector")]
    return pa.schema(fields, {MODEL: model.encode(), LANGUAGES: json.dumps(list(languages)).encode(), VERSION: FORMAT})


def to_table(studies: Sequence[ArchivedStudy], columns: pa.Schema) -> pa.Table:
    """The studies as rows of ``columns``; of several with one id the last.

    Raises:
        InputError: an id is empty, a text is none, or a vector is not finite, of another size or not of length 1; the
            sentence names the study.
    """
    last = list({study.study_id: study for study in studies}.values())
    dim = columns.field("vector").type.list_size
    for study in last:
        _check_texts(study)
        for name in ("vector", "report_vector"):
            if (vector := getattr(study, name)) is not None:
                check_vector(vector, dim, f"study {study.study_id}: {name}")
    texts = ("study_id", "patient_id", "modality", "split", "date", "report", "image", "stamp")
    values: dict[str, Any] = {name: [getattr(study, name) for study in last] for name in texts}
    values["key"] = [secrets.randbits(63) for _ in last]
    values["findings"] = [joined(study.findings) for study in last]
    values["vector"] = _vectors([study.vector for study in last], dim)
    values["report_vector"] = _vectors([study.report_vector for study in last], dim)
    return pa.table({name: values[name] for name in columns.names}, schema=columns)


def check_vector(vector: NDArray[Any], dim: int, name: str) -> None:
    """InputError unless it has ``dim`` finite numbers and length 1."""
    expected = f"{name}: expected a vector of {dim} finite numbers and length 1"
    if vector.shape != (dim,):
        raise InputError(f"{expected}, got shape {tuple(vector.shape)}")
    if not np.isfinite(vector).all():
        raise InputError(f"{expected}, got NaN or infinity")
    if abs(length := float(np.linalg.norm(vector.astype(np.float64)))) - 1 > UNIT or length < 1 - UNIT:
        raise InputError(f"{expected}, got length {length:.3g}")


def joined(findings: Sequence[str]) -> str:
    """Findings as one text in which each stands between separators; '' of none."""
    return f"{SEPARATOR}{SEPARATOR.join(findings)}{SEPARATOR}" if findings else ""


def parted(findings: str) -> tuple[str, ...]:
    """What :func:`joined` joined."""
    return tuple(findings.strip(SEPARATOR).split(SEPARATOR)) if findings else ()


def _check_texts(study: ArchivedStudy) -> None:
    if not study.study_id:
        raise InputError("expected studies with an id, got one without")
    texts = (study.study_id, study.patient_id, study.modality, study.split, study.report, study.image, *study.findings)
    if any("\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text) for text in texts):
        raise InputError(f"study {study.study_id!r}: expected texts in Unicode, got a NUL or half a character")
    if any(not name or SEPARATOR in name for name in study.findings):
        raise InputError(f"study {study.study_id}: expected findings of one line each, got {study.findings}")


def _vectors(rows: Sequence[NDArray[np.float32] | None], dim: int) -> pa.Array:
    missing = np.array([row is None for row in rows], dtype=bool)
    flat = np.zeros((len(rows), dim), np.float32)
    for place, row in enumerate(rows):
        if row is not None:
            flat[place] = row
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), dim, mask=pa.array(missing))
