"""Collections of CTs with label images: ``dataset.json``, as the Decathlon introduced it and others took over, and a
study of an image and its labels."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.study import Mask, Modality, Split


def add_segmented_ct(
    cohort: SourceCohort,
    what: str,
    image: Path,
    labels: Path,
    names: Mapping[int, str],
    split: Split = Split.TRAIN,
    name: str = "",
) -> None:
    """Add a CT whose patient is not told, with a mask for each of ``names`` by its value in the label image."""
    if image.is_file() and not labels.is_file():
        return cohort.skip(what, "no label")
    masks = {finding: Mask(labels, value) for value, finding in names.items()}
    return cohort.add(what, image, Modality.CT, None, name or what, name or what, split=split, masks=masks)


def read_dataset_json(path: Path, **entries: type) -> dict[str, Any]:
    """The content of a ``dataset.json``; ``entries`` must be there, each of its type.

    Raises:
        SourceError: no JSON, no object, an entry that is missing or of another type.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: no JSON: {error}") from error
    for name, expected in entries.items():
        if not isinstance(content, dict) or not isinstance(content.get(name), expected):
            raise SourceError(f"{path}: expected {name!r} as a {expected.__name__}")
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
