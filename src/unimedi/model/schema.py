"""Schema versions of a pretrained folder, and what brings an older one to today's names.

Version 1 is every folder without a number, of before 2026-12-01: its ``config.json`` may have old names and values, its
``preprocessor_config.json`` too (``RENAMED`` in ``inputs/stored_form.py``, for stores as well), and its weights may
have one running mean for all sequences of a CT. Version 2 is the first that says its number.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import safe_open
from torch import Tensor

from unimedi.errors import InputError
from unimedi.inputs import stored_form
from unimedi.model.sequence_kind import SequenceKind

SCHEMA_VERSION: Final = 2
RENAMED: Final = {"cls_start": "cls_init", "projection": "projection_norm"}
NEW_VALUES: Final = {
    "cls_init": {"learnt": "learned", "strongest": "max_pool"},
    "slab_pooling": {"last_but_one": "penultimate"},
}
GONE: Final = {"slice_gap": 1}  # and the one value that means what is done now

SHARED: Final = SequenceKind.VOLUME  # where version 1 kept the mean of all sequences of a CT


class SchemaError(InputError):
    """A pretrained folder that this version cannot read; the sentence says why."""


def version_of(saved: Mapping[str, Any], file: str) -> int:
    """The schema version that a ``config.json`` or ``preprocessor_config.json`` says.

    Raises:
        SchemaError: a later version than this package knows, or none that is a number.
    """
    version = saved.get("schema_version", 1)
    if not isinstance(version, int) or version < 1:
        raise SchemaError(f"{file}: expected schema_version to be a whole number from 1, got {version!r}")
    if version > SCHEMA_VERSION:
        raise SchemaError(
            f"{file} is of schema version {version}, and this unimedi reads up to {SCHEMA_VERSION}: install a newer one"
        )
    return version


def migrated_config(saved: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a ``config.json`` of any version, under the names of today.

    Raises:
        SchemaError: as :func:`version_of`; or it has what was taken out, with another value than what is done now.
    """
    values = dict(saved)
    if version_of(saved, "config.json") == 1:
        for name, kept in GONE.items():
            if (value := values.pop(name, kept)) != kept:
                raise SchemaError(f"config.json: {name} has been taken out, expected {kept}, got {value}")
        values = {RENAMED.get(name, name): value for name, value in values.items()}
        for name, new in NEW_VALUES.items():
            if name in values:
                values[name] = new.get(values[name], values[name])
        if sizes := values.get("preprocess"):
            values["preprocess"] = {stored_form.RENAMED.get(name, name): size for name, size in sizes.items()}
    return values | {"schema_version": SCHEMA_VERSION}


def older_weights(folder: str | Path) -> dict[str, Tensor] | None:
    """The weights of a folder of version 1 with a mean for each kind of sequence: that of all CTs, three times.

    None where they have these already, or are somewhere else than in the folder's ``model.safetensors``.
    """
    file = Path(folder) / "model.safetensors"
    if not file.is_file():
        return None
    with safe_open(file, "pt") as weights:
        names = set(weights.keys())
        shared = {name for name in names if name.startswith(_mean(SHARED))}
        if not shared or any(name.startswith((_mean(SequenceKind.PAIR), _mean(SequenceKind.SLICES))) for name in names):
            return None
        values = {name: weights.get_tensor(name) for name in names}
    for kind in (SequenceKind.PAIR, SequenceKind.SLICES):
        values |= {_mean(kind) + name.removeprefix(_mean(SHARED)): values[name].clone() for name in shared}
    return values


def _mean(kind: SequenceKind) -> str:
    return f"image_projection.centre.{kind.place}."
