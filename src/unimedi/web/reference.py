"""What an address names: a study of the archive, or a file dropped on the page."""

from dataclasses import dataclass
from typing import Final

from unimedi.errors import InputError

STUDY: Final = "study"
UPLOAD: Final = "upload"
LONGEST: Final = 4096  # characters: an id may be a path


@dataclass(frozen=True, slots=True)
class ImageRef:
    """``study:ID`` or ``upload:ID``. An id is only ever looked up, never opened as a path."""

    kind: str
    id: str

    @classmethod
    def parse(cls, text: str) -> "ImageRef":
        """InputError where it is neither."""
        kind, _, name = text.partition(":")
        if kind not in (STUDY, UPLOAD) or not name or len(name) > LONGEST:
            raise InputError(f"expected study:ID or upload:ID, got {text[:60]!r}")
        return cls(kind, name)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"
