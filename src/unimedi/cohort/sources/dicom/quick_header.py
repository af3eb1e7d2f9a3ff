"""Whether a file is DICOM, and its modality: from the first bytes, without pydicom. ``header.py`` reads the rest."""

import re
import struct
import zlib
from pathlib import Path

from unimedi.cohort.study import Modality

HEAD = 1 << 16  # bytes in which (0008,0060) is sought; it stands near the beginning
START = 1 << 10  # bytes that tell whether a file is DICOM
FEWEST = 3  # elements in a row that no other format begins with
LONGEST = 1 << 16  # bytes of an early element; the long ones, pixels above all, come late
LAST_GROUP = 0x0054  # of the early elements
LONG_VR = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT")  # a length of 4 bytes
SHORT_VR = tuple(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
DEFLATED = b"1.2.840.10008.1.2.1.99"  # a transfer syntax: all behind the meta group is packed
# Tag (0008,0060): explicit VR "CS" with a 2-byte length, or implicit with a 4-byte length; then big endian.
_MODALITY = re.compile(
    rb"(?:\x08\x00\x60\x00(?:CS[\x02-\x10]\x00|[\x02-\x10]\x00\x00\x00)|\x00\x08\x00\x60CS\x00[\x02-\x10])([A-Z]{2,})"
)


def is_dicom(path: Path) -> bool:
    """Whether it is a file (no pipe, no broken link) that begins as DICOM does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return begins_dicom(file.read(START))


def begins_dicom(start: bytes) -> bool:
    """Whether the first bytes of a file (``START`` of them) are DICOM's: 128 of any value and ``DICM``; or, as old
    archives write it, the elements at once, with or without their meta group, in any byte order."""
    return start[128:132] == b"DICM" or any(
        _begins_with_elements(start, order, explicit) for order, explicit in (("<", True), ("<", False), (">", True))
    )


def modality_name(path: Path) -> str:
    """The modality that the header states, whether we know it or not; empty where it states none."""
    with path.open("rb") as file:
        found = _MODALITY.search(_inflated(file.read(HEAD)))
    return found[1].decode("ascii") if found else ""


def modality_of(path: Path) -> Modality | None:
    """The modality the header states; None where it states none, or one that we do not know."""
    try:
        return Modality(modality_name(path))
    except ValueError:
        return None


def _begins_with_elements(start: bytes, order: str, explicit: bool) -> bool:
    """Whether ``FEWEST`` elements stand at the beginning, of rising tags, the first of a group that may be first."""
    place, last = 0, (0, 0)
    for number in range(FEWEST):
        header = _element(start, place, order, explicit)
        if header is None:
            return False
        tag, length, place = header
        if number == 0 and tag[0] not in (0x0002, 0x0004, 0x0008):
            return False
        if tag <= last or tag[0] > LAST_GROUP or length > LONGEST or length % 2:
            return False
        last, place = tag, place + length
    return True


def _element(start: bytes, place: int, order: str, explicit: bool) -> tuple[tuple[int, int], int, int] | None:
    """Tag, length and the place of the value; None where no element can stand."""
    if place + 12 > len(start):
        return None
    tag: tuple[int, int] = struct.unpack_from(f"{order}2H", start, place)
    if not explicit:
        return tag, struct.unpack_from(f"{order}I", start, place + 4)[0], place + 8
    vr = start[place + 4 : place + 6]
    if vr in LONG_VR:
        return tag, struct.unpack_from(f"{order}I", start, place + 8)[0], place + 12
    return (tag, struct.unpack_from(f"{order}H", start, place + 6)[0], place + 8) if vr in SHORT_VR else None


def _inflated(head: bytes) -> bytes:
    """The beginning of a file, unpacked where its transfer syntax says that it is deflated."""
    if DEFLATED not in head[:START]:
        return head
    meta = 132 if head[128:132] == b"DICM" else 0
    try:
        (length,) = struct.unpack_from("<I", head, meta + 8)
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(head[meta + 12 + length :], HEAD)
    except (struct.error, zlib.error):
        return head
