"""PNG, JPEG and TIFF by Pillow, as grey values; a folder of such slices, as CC-CCII publishes them, as a CT.

Such slices have 8 bits, no Hounsfield units and no geometry; the notes of the volume say so.
"""

import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from unimedi.imaging.bounded import check_size
from unimedi.imaging.image import ImagingError, Volume, unreadable_if_damaged

STARTS = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF and BigTIFF, either byte order
)
FORMATS = ("PNG", "JPEG", "TIFF")  # Pillow knows many more, some of which start other programs
PHOTOMETRIC, SAMPLE_FORMAT = 262, 339  # TIFF tags
WHITE_IS_ZERO, UNSIGNED = 0, 1  # their values
# A slice of a CT as a picture of 8 bits: black and white become the ends of the model's window.
WHITE = 255
SLICE_HU = (-1000.0, 1000.0)  # of black and white
SLICE_SPACING = (1.0, 1.0, 1.0)  # mm; the pictures do not say, and the note does
SLICE_NOTES = ("grey_as_hu", "spacing_unknown")


def is_picture(head: bytes) -> bool:
    """Whether the first bytes are those of a PNG, JPEG or TIFF file."""
    return head.startswith(STARTS)


def read_picture(path: Path) -> NDArray[np.float32]:
    """Grey values, float32 (height, width); colour becomes BT.601 luma, the EXIF rotation is applied.

    Raises:
        ImagingError: ``unreadable``, ``unsupported``, ``too_large`` or ``wrong_dimension`` (several pages or frames).
    """
    with unreadable_if_damaged(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large pictures, which check_size refuses, and of odd metadata
        try:
            # From a stream: Pillow 12.3 maps a plain TIFF that it opens by name, and garbles one that is turned.
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as picture:
                return grey_values(picture, str(path))
        except Image.DecompressionBombError as error:
            raise ImagingError("too_large", f"{path}: {error}") from error


def grey_values(picture: Image.Image, name: str) -> NDArray[np.float32]:
    """As :func:`read_picture`, of a picture that somebody opened; ``name`` says in messages which one it was."""
    with unreadable_if_damaged(name):  # its bytes are decoded here
        check_size((picture.height, picture.width), name)
        if getattr(picture, "is_animated", False):  # n_frames would walk through all of a hostile chain of pages
            raise ImagingError("wrong_dimension", f"{name}: a picture of several pages or frames; expected one")
        return _grey(picture, name)


def _grey(picture: Image.Image, name: str) -> NDArray[np.float32]:
    tags = dict(picture.tag_v2) if isinstance(picture, TiffImageFile) else {}
    upright = ImageOps.exif_transpose(picture)
    wide = upright.mode in ("I", "F") or upright.mode.startswith("I;16")
    pixels = np.asarray(upright if wide or upright.mode == "L" else upright.convert("L"))
    if upright.mode == "I" and tags.get(SAMPLE_FORMAT, (UNSIGNED,)) in (UNSIGNED, (UNSIGNED,)) and pixels.min() < 0:
        raise ImagingError("unsupported", f"{name}: unsigned 32-bit values beyond 2147483647")
    if wide and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow turns only pictures of 8 bits and less
        if not upright.mode.startswith("I;16"):
            raise ImagingError("unsupported", f"{name}: a TIFF of {upright.mode} values in which white is zero")
        pixels = np.uint16(65535) - pixels
    return pixels.astype(np.float32)


def is_slice_folder(folder: Path) -> bool:
    """Whether a folder holds pictures and nothing else; hidden files do not count."""
    files = _files(folder)
    return bool(files) and all(path.is_file() and is_picture(_head(path)) for path in (files[0], files[-1]))


def read_slices(folder: Path) -> Volume:
    """The pictures by the numbers in their names, from the feet on; grey 0 to 255 as -1000 to 1000 HU.

    Raises:
        ImagingError: as ``read_picture``; ``wrong_dimension`` (pictures of several sizes), ``unsupported`` (values
            beyond 8 bits) or ``too_large``.
    """
    files = _files(folder)
    first = read_picture(files[0])
    check_size((len(files), *first.shape), folder)
    voxels = np.empty((len(files), *first.shape), np.int16)
    low, high = SLICE_HU
    for number, file in enumerate(files):
        grey = read_picture(file)
        if grey.shape != first.shape:
            raise ImagingError("wrong_dimension", f"{file}: a slice of {grey.shape}, the first has {first.shape}")
        if grey.max() > WHITE:
            raise ImagingError("unsupported", f"{file}: a slice of more than 8 bits, whose units are not known")
        voxels[number] = np.rint(grey * np.float32((high - low) / WHITE) + np.float32(low))
    return Volume(voxels, SLICE_SPACING, SLICE_NOTES)


def _files(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_place)


def _place(path: Path) -> tuple[list[int], str]:
    """``IM2.png`` stands before ``IM10.png``."""
    return [int(digits) for digits in re.findall(r"\d+", path.stem)], path.name


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(132)
