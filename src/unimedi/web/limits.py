"""What a visitor may ask of the machine: bytes, seconds, how many at a time."""

from dataclasses import dataclass, field, fields
from typing import Final

from unimedi.errors import InputError
from unimedi.inputs import sandbox

GIB: Final = 1 << 30
UPLOADS: Final = "/api/uploads"  # where files are sent


@dataclass(frozen=True)
class Limits:
    """Limits of a server."""

    body: int = 2 * GIB
    """bytes of an uploaded file"""
    small_body: int = 1 << 20
    """bytes of the body of any other request"""
    receive_seconds: float = 120.0
    """for a file to arrive"""
    receiving: int = 4
    """files that arrive or are read at a time; one more is told to come again"""
    read: sandbox.Limits = field(default_factory=lambda: sandbox.Limits(seconds=60.0, memory=3 * GIB))
    """what reading one file may take"""
    kept: int = 16
    """uploads that are held in memory; the one that was not used for longest makes room"""
    kept_bytes: int = 4 * GIB
    """bytes of all of these"""
    kept_seconds: float = 1800.0
    """after its last use an upload is dropped"""
    in_flight: int = 200
    """requests at a time"""
    request_seconds: float = 300.0
    """for a request to be answered, the answer to be taken"""
    head_seconds: float = 15.0
    """for a request's first lines to arrive"""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not isinstance(value, sandbox.Limits) and value <= 0:
                raise InputError(f"expected a positive limit, got {one.name}={value}")

    def body_at(self, path: str) -> int:
        """Bytes of the body of a request to ``path``."""
        return self.body if path == UPLOADS else self.small_body
