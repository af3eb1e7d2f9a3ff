"""An evaluation's record on disk, in plain formats: ``evaluation/record.json`` and ``evaluation/arrays.npz``.

Dataclasses become objects, tuples lists, NaN null; an array becomes ``{"array": name}``, where the name is a hash of
what is in it: a picture that stands in several sections is kept once. No pickle.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints
from zipfile import BadZipFile

import numpy as np

from unimedi.errors import InputError, MissingError
from unimedi.evaluation.record import EvaluationRecord
from unimedi.files.atomic import atomic_folder, write_json
from unimedi.metrics.measurement import Measurements

FOLDER, RECORD, ARRAYS = "evaluation", "record.json", "arrays.npz"
FORMAT = 1  # raised when a field of the record changes

Arrays = dict[str, np.ndarray]


def save(record: EvaluationRecord, folder: Path) -> Path:
    """Write a record below a run folder, whole or not at all.

    Args:
        record: what was measured.
        folder: where ``metrics.json`` lies; ``evaluation/`` is made in it.

    Returns:
        The folder ``evaluation``.
    """
    arrays: Arrays = {}
    content = _plain(record, arrays)
    with atomic_folder(folder / FOLDER) as partial:
        np.savez_compressed(partial / ARRAYS, allow_pickle=False, **arrays)
        write_json(partial / RECORD, {"format": FORMAT, "record": content})
    return folder / FOLDER


def load(folder: Path) -> EvaluationRecord:
    """Read what :func:`save` wrote.

    Args:
        folder: the folder that was given to :func:`save`.

    Returns:
        The record, equal to the one that was saved.

    Raises:
        MissingError: there is no evaluation in the folder.
        InputError: it was written by another version, or is damaged.
    """
    file = folder / FOLDER / RECORD
    if not file.is_file():
        raise MissingError(f"expected {file}, which unimedi evaluate writes; evaluate this run first")
    damaged = f"{file}: damaged; evaluate this run again"
    try:
        whole = json.loads(file.read_text(encoding="utf-8"))
        with np.load(file.with_name(ARRAYS), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(damaged) from error
    if whole.get("format") != FORMAT:
        raise InputError(f"{file}: written by another version of unimedi; evaluate this run again")
    try:
        return _typed(EvaluationRecord, whole["record"], arrays)  # type: ignore[no-any-return]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(damaged) from error


def _plain(value: Any, arrays: Arrays) -> Any:
    """As JSON has it; arrays are left in ``arrays``."""
    if isinstance(value, np.ndarray):
        name = _digest(f"{value.dtype} {value.shape} ".encode() + value.tobytes())
        arrays[name] = value
        return {"array": name}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name), arrays) for field in fields(value)}
    if isinstance(value, Measurements):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key: _plain(one, arrays) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one, arrays) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _typed(kind: Any, value: Any, arrays: Arrays) -> Any:
    """A value of type ``kind`` again."""
    if isinstance(value, dict) and value.keys() == {"array"}:
        return arrays[value["array"]]
    if kind is float:
        return math.nan if value is None else float(value)
    if kind is Measurements:
        return Measurements.from_json(value, RECORD)
    origin, inside = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return None if value is None else _typed(next(one for one in inside if one is not type(None)), value, arrays)
    if origin is tuple:
        kinds = [inside[0]] * len(value) if inside[-1] is Ellipsis else inside
        return tuple(_typed(one, part, arrays) for one, part in zip(kinds, value, strict=True))
    if origin is Mapping:
        return {key: _typed(inside[1], one, arrays) for key, one in value.items()}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _typed(hints[name], one, arrays) for name, one in value.items()})  # type: ignore[operator]
    return value


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
