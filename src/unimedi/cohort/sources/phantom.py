"""The phantom hospital as a cohort: its ``index.csv`` is a manifest with a few columns more."""

from pathlib import Path

from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.study import Study


def phantom_cohort(root: str | Path) -> list[Study]:
    """The studies of a finished phantom hospital, with labels and masks, in the index's order.

    Raises:
        FileNotFoundError: ``root`` holds no phantom hospital, or one that was interrupted.
        ManifestError: the index does not agree with the files.
    """
    root = Path(root)
    if not (root / "hospital.json").is_file():
        what = "an unfinished phantom hospital" if (root / ".building").is_dir() else "no phantom hospital"
        raise FileNotFoundError(f"{root} holds {what}: run `unimedi phantom {root}` (it goes on where it stopped)")
    return read_manifest(root / "index.csv")
