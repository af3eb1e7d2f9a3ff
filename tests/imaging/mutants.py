"""Files spoilt on purpose, by a seed: what a broken disk, a cut transfer or somebody with intent could leave.

``mutate`` knows three things of formats: that numbers stand in a header, binary or as text, that a gzip stream must be
packed anew for its inside to be reached, and so must the checksums of PNG. It works on the bytes of any format.
"""

import gzip
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np

Rng = np.random.Generator
PNG, GZIP = b"\x89PNG\r\n\x1a\n", b"\x1f\x8b"
HEADER = 600  # bytes in which the formats here keep what they say of themselves
EXTREMES = [
    *(struct.pack("<h", n) for n in (0, 1, -1, 7, 8, 255, 32767, -32768)),
    *(struct.pack("<i", n) for n in (0, -1, 2**31 - 1, -(2**31), 65536)),
    *(struct.pack("<f", n) for n in (0.0, -1.0, 1e38, -1e-38, float("nan"), float("inf"), 352.5)),
    *(struct.pack(">i", n) for n in (0, 1, 60000, 2**31 - 1)),
    *(struct.pack("<q", n) for n in (0, -1, 2**62)),
]
WORDS = [
    b"0",
    b"-1",
    b"1",
    b"99999999",
    b"32768",
    b"1e400",
    b"nan",
    b"../x",
    b"/etc/passwd",
    b"LIST",
    b"gzip",
    b"raw",
    b"",
]
MAGICS = [
    PNG,
    GZIP,
    b"II*\0",
    b"NRRD0004\n",
    b"ObjectType = Image\n",
    b"\xff\xd8\xff\xe0",
    b"\x5c\x01\0\0",
    b"\x1c\x02\0\0",
]


def flip_bits(data: bytes, rng: Rng) -> bytes:
    """One to eight bits, half of the time within the header."""
    out = bytearray(data)
    end = min(HEADER, len(out)) if rng.random() < 0.5 else len(out)
    for place in rng.integers(0, end, size=rng.integers(1, 9)):
        out[place] ^= 1 << int(rng.integers(8))
    return bytes(out)


def truncate(data: bytes, rng: Rng) -> bytes:
    """The end is missing."""
    return data[: int(rng.integers(0, len(data)))]


def splice(data: bytes, rng: Rng) -> bytes:
    """A piece is left out, doubled, or lies where another should be."""
    start, end = sorted(int(n) for n in rng.integers(0, len(data), size=2))
    at = int(rng.integers(0, len(data)))
    return [data[:start] + data[end:], data[:end] + data[start:], data[:at] + data[start:end] + data[at:]][
        rng.integers(3)
    ]


def edit_field(data: bytes, rng: Rng) -> bytes:
    """An extreme number in the header, where fields begin (at even bytes)."""
    value = EXTREMES[rng.integers(len(EXTREMES))]
    at = 2 * int(rng.integers(0, max(min(HEADER, len(data)) // 2, 1)))
    return data[:at] + value + data[at + len(value) :]


def edit_word(data: bytes, rng: Rng) -> bytes:
    """Another word in a header of text."""
    found = list(re.finditer(rb"[-+.\w]+", data[:HEADER]))
    if not found:
        return edit_field(data, rng)
    word = found[rng.integers(len(found))]
    return data[: word.start()] + WORDS[rng.integers(len(WORDS))] + data[word.end() :]


def edit_magic(data: bytes, rng: Rng) -> bytes:
    """The first bytes of another format, or of none."""
    magic = MAGICS[rng.integers(len(MAGICS))] if rng.random() < 0.5 else rng.bytes(4)
    return magic + data[len(magic) :]


MUTATIONS: list[Callable[[bytes, Rng], bytes]] = [flip_bits, truncate, splice, edit_field, edit_word, edit_magic]


def mutate(data: bytes, rng: Rng) -> bytes:
    """One mutant of a file; the same for the same state of ``rng``."""
    change = MUTATIONS[rng.integers(len(MUTATIONS))]
    inside = rng.random() < 0.7
    if inside and data.startswith(GZIP):
        return gzip.compress(change(gzip.decompress(data), rng), 1, mtime=0)
    mutant = change(data, rng)
    return _checksums(mutant) if inside and mutant.startswith(PNG) else mutant


def _checksums(png: bytes) -> bytes:
    """Right checksums for the chunks of a PNG, as far as chunks can be made out."""
    out, at = bytearray(png), len(PNG)
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4])
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(out)
