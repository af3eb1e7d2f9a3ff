"""RAD-ChestCT's NumPy archives: one array without geometry, which is known from the code that wrote them.

``ct`` is int16 Hounsfield units (slices, rows, columns), 0.8 mm in every direction; slices run from head to feet, rows
front to back, columns right to left (rachellea/ct-volume-preprocessing at fe533e7). Nothing is unpickled: an array of
objects is refused.
"""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from unimedi.imaging.bounded import SLACK, check_finite, check_length, check_size
from unimedi.imaging.image import ImagingError, Volume, unreadable_if_damaged
from unimedi.imaging.intensity import to_hu

ENTRY = "ct.npy"
SPACING = (0.8, 0.8, 0.8)  # mm
NOTE = "geometry_by_collection"


def read_radchestct(path: Path) -> Volume:
    """The volume, feet first; its note says that the geometry is the collection's and not the file's.

    Raises:
        ImagingError: ``unsupported`` (an archive of something else), ``unreadable``, ``wrong_dimension``, ``too_large``
            or ``nan``.
    """
    with unreadable_if_damaged(path), zipfile.ZipFile(path) as archive:
        if archive.namelist() != [ENTRY]:
            message = f"{path}: an archive; only RAD-ChestCT's NumPy archives are read, with the one array 'ct'"
            raise ImagingError("unsupported", message)
        with archive.open(ENTRY) as stream:
            return _volume(stream, path)


def _volume(stream: Any, path: Path) -> Volume:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ImagingError("unsupported", f"{path}: a NumPy array of version {version}; expected 1.0 or 2.0")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ImagingError("unsupported", f"{path}: an array of {dtype}; expected Hounsfield units")
    if len(shape) != 3:
        raise ImagingError("wrong_dimension", f"{path}: expected (slices, rows, columns), got {shape}")
    check_size(shape, path)
    promised = math.prod(shape) * dtype.itemsize
    data = stream.read(promised + SLACK + 1)  # to the end of a sound file, where its checksum is verified
    check_length(len(data), promised, path)
    array = np.frombuffer(data, dtype, math.prod(shape)).reshape(shape, order="F" if fortran else "C")
    check_finite(array, path)
    return Volume(np.ascontiguousarray(to_hu(array, str(path))[::-1]), SPACING, (NOTE,))
