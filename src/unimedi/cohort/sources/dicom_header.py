"""Just enough of a DICOM header for the standard library: is it one, and which modality does it state."""

import re
from pathlib import Path

from unimedi.cohort.study import Modality

HEAD = 1 << 16  # bytes in which (0008,0060) is sought; it stands near the beginning
# Tag (0008,0060), little endian; explicit VR "CS" with a 2-byte length, or implicit with a 4-byte length.
_MODALITY = re.compile(rb"\x08\x00\x60\x00(?:CS[\x02-\x10]\x00|[\x02-\x10]\x00\x00\x00)([A-Z]{2,})")


def is_dicom(path: Path) -> bool:
    """Whether it is a file (no pipe, no broken link) that begins with DICOM's 128 bytes and ``DICM``."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def modality_name(path: Path) -> str:
    """The modality that the header states, whether we know it or not; empty where it states none."""
    with path.open("rb") as file:
        found = _MODALITY.search(file.read(HEAD))
    return found[1].decode("ascii") if found else ""


def modality_of(path: Path) -> Modality | None:
    """The modality the header states; None where it states none, or one that we do not know."""
    try:
        return Modality(modality_name(path))
    except ValueError:
        return None
