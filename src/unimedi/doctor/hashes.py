"""What an image is known by: the bytes of its file, its pixels, and its looks."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from unimedi.imaging.resample import resize_array

BITS = 256  # of a hash of looks; 64, as is usual, do not tell one chest X-ray from the next
FLAT, DEEP = (32, 32), (16, 32, 32)  # sizes before the cosine transform: four times what is kept of each axis, or more
WINDOW = (-1000.0, 400.0)  # HU: lung and tissue, without the bright end that a stored format may clip


SMALL_FLAT, SMALL_DEEP = (32, 32), (8, 16, 16)  # what confirms that two images look the same: 1 or 2 KB a study


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
    """The image on a coarse grid, stretched to 0..255: what a likeness of ``looks`` is confirmed by."""
    flat = array.ndim == 2
    small = resize_array(array if flat else np.clip(array, *WINDOW), SMALL_FLAT if flat else SMALL_DEEP)
    low, high = float(small.min()), float(small.max())
    return bytes(np.rint((small - low) * (255 / max(high - low, 1e-6))).astype(np.uint8).tobytes())
