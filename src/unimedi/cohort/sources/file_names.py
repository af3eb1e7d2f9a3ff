"""What a file may be by its name: a volume, a picture or a text."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

VOLUMES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
TEXTS = (".txt", ".rtf", ".html", ".htm")  # what a report may be


def suffix(name: str) -> str:
    """The suffix in lower case, ``.nii.gz`` as one."""
    return ".nii.gz" if name.lower().endswith(".nii.gz") else Path(name).suffix.lower()


def stem(name: str) -> str:
    """The name without a suffix that is known here; the dots in a folder's name stay."""
    known = suffix(name) in (*VOLUMES, *PICTURES, ".dcm", ".dicom", *TEXTS)
    return name[: -len(suffix(name))] if known else name


def count_suffixes(names: Iterable[str]) -> str:
    """How many files there are of each suffix, as ``12 .png, 3 .docx``; of the five most frequent."""
    counts = Counter(suffix(name) or "without a suffix" for name in names).most_common(5)
    return ", ".join(f"{count} {ending}" for ending, count in counts)
