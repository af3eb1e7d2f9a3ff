"""The phantom hospital as a cohort: its ``index.csv`` is a manifest with a few columns more."""

import json
from collections.abc import Sequence
from pathlib import Path

from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.study import Study
from unimedi.errors import MissingError


def phantom_cohort(root: str | Path) -> list[Study]:
    """The studies of a finished phantom hospital, with labels and masks, in the index's order.

    Raises:
        MissingError: ``root`` holds no phantom hospital, or one that was interrupted.
        ManifestError: the index does not agree with the files.
    """
    root = Path(root)
    if not (root / "hospital.json").is_file():
        what = "an unfinished phantom hospital" if (root / ".building").is_dir() else "no phantom hospital"
        raise MissingError(f"{root} holds {what}: run `unimedi phantom {root}` (it goes on where it stopped)")
    return read_manifest(root / "index.csv")


def is_phantom(studies: Sequence[Study]) -> bool:
    """Whether every image lies in a hospital that `unimedi phantom` wrote: then figures of it are the phantom's."""
    hospitals: list[Path] = []
    for study in studies:
        if any(study.image.is_relative_to(hospital) for hospital in hospitals):
            continue
        hospital = next((folder for folder in study.image.parents if _is_hospital(folder)), None)
        if hospital is None:
            return False
        hospitals.append(hospital)
    return bool(hospitals)


def _is_hospital(folder: Path) -> bool:
    try:
        return "phantom" in json.loads((folder / "hospital.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False
