"""The same image twice: groups of equal keys, and pairs of hashes that differ in few bits."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

NEAR = 15  # bits of 256: compression and scaling change fewer; one pair of patients in a million differs in 20 or less
ALIKE = 0.997  # correlation of two miniatures: 0.998 and more after compression, 0.996 at most between two patients
CHUNKS = 16  # one more than NEAR: two hashes within 15 bits agree in one of 16 pieces at least
BLOCK = 2048  # hashes compared at a time


def groups(keys: Iterable[Hashable]) -> list[list[int]]:
    """Positions that share a key, for each key that stands twice or more; an empty key is no key."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for position, key in enumerate(keys):
        if key:
            found[key].append(position)
    return [positions for positions in found.values() if len(positions) > 1]


def near_images(looks: Sequence[bytes], miniatures: Sequence[bytes]) -> list[tuple[int, int, int]]:
    """Pairs (first, second, bits) of images of one dimension that look the same: few bits of their ``looks`` differ,
    and their miniatures correlate, which tells two patients with much the same chest apart."""
    found = []
    for first, second, bits in near_pairs(looks):
        if _correlation(miniatures[first], miniatures[second]) > ALIKE:
            found.append((first, second, bits))
    return found


def near_pairs(hashes: Sequence[bytes]) -> list[tuple[int, int, int]]:
    """All pairs (first, second, bits that differ) of 32-byte hashes within ``NEAR`` bits, in order; exact.

    Only hashes that agree in one sixteenth of their bits are compared, which misses none (the pigeonhole principle).
    """
    if len(hashes) < 2:
        return []
    packed = np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(hashes), -1)
    words = packed.view(np.uint64)
    found: dict[tuple[int, int], int] = {}
    for piece in _pieces(packed).T:
        order = np.argsort(piece, kind="stable")
        edges = np.flatnonzero(np.diff(piece[order])) + 1
        for bucket in np.split(order, edges):
            if len(bucket) > 1:
                _compare(bucket, words, found)
    return [(first, second, bits) for (first, second), bits in sorted(found.items())]


def _correlation(first: bytes, second: bytes) -> float:
    a, b = (np.frombuffer(values, dtype=np.uint8).astype(np.float64) for values in (first, second))
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-12))


def _pieces(packed: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Every sixteenth bit together: neighbouring terms say the same, and pieces of them would fill few buckets."""
    bits = np.unpackbits(packed, axis=1).reshape(len(packed), -1, CHUNKS)
    return np.packbits(bits.transpose(0, 2, 1), axis=2).view(np.uint16)[:, :, 0]


def _compare(bucket: NDArray[np.int64], words: NDArray[np.uint64], found: dict[tuple[int, int], int]) -> None:
    for start in range(0, len(bucket), BLOCK):
        some = bucket[start : start + BLOCK]
        for other in range(start, len(bucket), BLOCK):
            rest = bucket[other : other + BLOCK]
            bits = np.zeros((len(some), len(rest)), dtype=np.uint16)
            for word in range(words.shape[1]):
                bits += np.bitwise_count(words[some, word][:, None] ^ words[rest, word][None])
            for i, j in np.argwhere(bits <= NEAR).tolist():
                first, second = sorted((int(some[i]), int(rest[j])))
                if first != second:
                    found[first, second] = int(bits[i, j])
