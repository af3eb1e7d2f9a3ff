"""PNG, JPEG and TIFF by Pillow, as grey values."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from unimedi.imaging.bounded import check_size
from unimedi.imaging.image import ImagingError

STARTS = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF and BigTIFF, either byte order
)
FORMATS = ("PNG", "JPEG", "TIFF")  # Pillow knows many more, some of which start other programs
PHOTOMETRIC, SAMPLE_FORMAT = 262, 339  # TIFF tags
WHITE_IS_ZERO, UNSIGNED = 0, 1  # their values


def is_picture(head: bytes) -> bool:
    """Whether the first bytes are those of a PNG, JPEG or TIFF file."""
    return head.startswith(STARTS)


def read_picture(path: Path) -> NDArray[np.float32]:
    """Grey values, float32 (height, width); colour becomes BT.601 luma, the EXIF rotation is applied.

    Raises:
        ImagingError: ``unreadable``, ``unsupported``, ``too_large`` or ``wrong_dimension`` (several pages or frames).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures, which check_size refuses, and of odd metadata
            # From a stream: Pillow 12.3 maps a plain TIFF that it opens by name, and garbles one that is turned.
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as picture:
                check_size((picture.height, picture.width), path)
                _check_single(picture, path)
                return _grey(picture, path)
    except ImagingError:
        raise
    except Image.DecompressionBombError as error:
        raise ImagingError("too_large", f"{path}: {error}") from error
    except Exception as error:  # damaged bytes make Pillow and its decoders raise nearly anything
        raise ImagingError("unreadable", f"{path}: {error}") from error


def grey_values(picture: Image.Image, name: str) -> NDArray[np.float32]:
    """As :func:`read_picture`, of a picture that somebody opened; ``name`` says in messages which one it was."""
    place = Path(name)
    try:
        check_size((picture.height, picture.width), place)
        _check_single(picture, place)
        return _grey(picture, place)
    except ImagingError:
        raise
    except Exception as error:  # its bytes are decoded here, and may be damaged
        raise ImagingError("unreadable", f"{name}: {error}") from error


def _check_single(picture: Image.Image, path: Path) -> None:
    if getattr(picture, "is_animated", False):  # n_frames would walk through all of a hostile chain of pages
        raise ImagingError("wrong_dimension", f"{path}: a picture of several pages or frames; expected one")


def _grey(picture: Image.Image, path: Path) -> NDArray[np.float32]:
    tags = dict(picture.tag_v2) if isinstance(picture, TiffImageFile) else {}
    upright = ImageOps.exif_transpose(picture)
    wide = upright.mode in ("I", "F") or upright.mode.startswith("I;16")
    pixels = np.asarray(upright if wide or upright.mode == "L" else upright.convert("L"))
    if upright.mode == "I" and tags.get(SAMPLE_FORMAT, (UNSIGNED,)) in (UNSIGNED, (UNSIGNED,)) and pixels.min() < 0:
        raise ImagingError("unsupported", f"{path}: unsigned 32-bit values beyond 2147483647")
    if wide and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow turns only pictures of 8 bits and less
        if not upright.mode.startswith("I;16"):
            raise ImagingError("unsupported", f"{path}: a TIFF of {upright.mode} values in which white is zero")
        pixels = np.uint16(65535) - pixels
    return pixels.astype(np.float32)
