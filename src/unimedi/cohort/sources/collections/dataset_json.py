"""``dataset.json`` as the Decathlon introduced it and others took over: lists of images in folders beside it."""

import json
from pathlib import Path
from typing import Any

from unimedi.cohort.sources.source_cohort import SourceError


def read_dataset_json(path: Path, **kinds: type) -> dict[str, Any]:
    """The content; ``kinds`` are the entries that must be there, each with its type.

    Raises:
        SourceError: no JSON, no object, an entry that is missing or of another type.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: no JSON: {error}") from error
    for name, kind in kinds.items():
        if not isinstance(content, dict) or not isinstance(content.get(name), kind):
            raise SourceError(f"{path}: expected {name!r} as a {kind.__name__}")
    return dict(content)


def listed_file(folder: Path, entry: Any, what: str = "image") -> Path:
    """The file of an entry, which is a path (``./imagesTr/lung_001.nii.gz``) or has one under ``what``.

    Raises:
        SourceError: no path, or one that is no file of a folder beside the list.
    """
    path = entry.get(what) if isinstance(entry, dict) else entry
    parts = Path(path).parts if isinstance(path, str) else ()
    if len(parts) != 2 or ".." in parts or Path(*parts).is_absolute():
        raise SourceError(f"{folder / 'dataset.json'}: expected a file in a folder beside it, got {str(path)[:80]!r}")
    return folder.joinpath(*parts)
