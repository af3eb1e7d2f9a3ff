"""A CT as a folder of 8-bit pictures, a slice each, as CC-CCII publishes it: no Hounsfield units and no geometry."""

import re
from pathlib import Path

import numpy as np

from unimedi.imaging.bounded import check_size
from unimedi.imaging.image import ImagingError, Volume
from unimedi.imaging.pictures import is_picture, read_picture

WHITE = 255
HU_RANGE = (-1000.0, 1000.0)  # what black and white become: the ends of the model's window
SPACING = (1.0, 1.0, 1.0)  # mm; the pictures do not say, and the note does
NOTES = ("grey_as_hu", "spacing_unknown")


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
    low, high = HU_RANGE
    for number, file in enumerate(files):
        grey = read_picture(file)
        if grey.shape != first.shape:
            raise ImagingError("wrong_dimension", f"{file}: a slice of {grey.shape}, the first has {first.shape}")
        if grey.max() > WHITE:
            raise ImagingError("unsupported", f"{file}: a slice of more than 8 bits, whose units are not known")
        voxels[number] = np.rint(grey * np.float32((high - low) / WHITE) + np.float32(low))
    return Volume(voxels, SPACING, NOTES)


def _files(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_place)


def _place(path: Path) -> tuple[list[int], str]:
    """``IM2.png`` stands before ``IM10.png``."""
    return [int(digits) for digits in re.findall(r"\d+", path.stem)], path.name


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(132)
