"""The same image twice: hashes of its file, its pixels and its coarse structure, and which studies share them."""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from unimedi.imaging.resample import resize_array

BITS = 256  # of a perceptual hash; 64, as is usual, do not tell one chest X-ray from the next
FLAT, DEEP = (32, 32), (16, 32, 32)  # sizes before the cosine transform: four times what is kept of each axis, or more
WINDOW = (-1000.0, 400.0)  # HU: lung and tissue, without the bright end that a stored format may clip
SMALL_FLAT, SMALL_DEEP = (32, 32), (8, 16, 16)  # what confirms that two images look the same: 1 or 2 KB a study
NEAR = 15  # bits of 256: compression and scaling change fewer; one pair of patients in a million differs in 20 or less
ALIKE = 0.997  # correlation of two miniatures: 0.998 and more after compression, 0.996 at most between two patients
CHUNKS = 16  # one more than NEAR: two hashes within 15 bits agree in one of 16 pieces at least
BLOCK = 2048  # hashes compared at a time


def file_hash(path: Path) -> str:
    """BLAKE2b of a file; of a folder, of its files' hashes in their own order, so that renaming changes nothing."""
    if path.is_dir():
        parts = sorted(file_hash(file) for file in path.iterdir() if file.is_file())
        return hashlib.blake2b("".join(parts).encode(), digest_size=16).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def pixel_hash(array: NDArray[np.generic]) -> str:
    """BLAKE2b of shape and values: the same image in another container has the same."""
    hashed = hashlib.blake2b(repr(array.shape).encode(), digest_size=16)
    hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()


def perceptual_hash(array: NDArray[np.generic]) -> bytes:
    """256 bits of a radiograph's or a volume's coarse structure: which of its lowest cosine terms exceed their median.

    Rescaling, compression, a slight crop and a change of contrast leave most of the bits as they are.
    """
    if array.ndim == 2:
        terms = dctn(resize_array(array, FLAT), norm="ortho")[:16, :16]
    else:
        terms = dctn(resize_array(np.clip(array, *WINDOW), DEEP), norm="ortho")[:4, :8, :8]
    flat = terms.ravel()[: BITS + 1]
    bits = flat > np.median(flat[1:])
    bits[0] = False  # the mean: exposure, not structure
    return bytes(np.packbits(bits).tobytes())


def miniature(array: NDArray[np.generic]) -> bytes:
    """The image on a coarse grid, stretched to 0..255: it confirms that images of nearly the same hash are alike."""
    flat = array.ndim == 2
    small = resize_array(array if flat else np.clip(array, *WINDOW), SMALL_FLAT if flat else SMALL_DEEP)
    low, high = float(small.min()), float(small.max())
    return bytes(np.rint((small - low) * (255 / max(high - low, 1e-6))).astype(np.uint8).tobytes())


def groups(keys: Iterable[Hashable]) -> list[list[int]]:
    """Positions that share a key, for each key that stands twice or more; an empty key is no key."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for position, key in enumerate(keys):
        if key:
            found[key].append(position)
    return [positions for positions in found.values() if len(positions) > 1]


def near_images(hashes: Sequence[bytes], miniatures: Sequence[bytes]) -> list[tuple[int, int, int]]:
    """Pairs (first, second, bits) of images of one dimension that look the same: few bits of their hashes differ,
    and their miniatures correlate, which tells two patients with much the same chest apart."""
    found = []
    for first, second, bits in near_pairs(hashes):
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
