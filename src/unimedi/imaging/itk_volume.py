"""NRRD and MetaImage by SimpleITK, attached or with the voxels in a file of their own.

``text_header.py`` checks what the header says before ITK reads it: ITK's parsers have buffers of fixed length, follow
any path, and believe any size.
"""

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from unimedi.imaging.axes import affine_of
from unimedi.imaging.bounded import check_deflated, check_finite, check_length
from unimedi.imaging.image import ImagingError
from unimedi.imaging.intensity import check_no_slice
from unimedi.imaging.text_header import Stored, parse_metaimage, parse_nrrd

sitk.ProcessObject.SetGlobalWarningDisplay(False)  # ITK writes its warnings straight to the terminal

READERS = {"nrrd": ("NrrdImageIO", parse_nrrd), "metaimage": ("MetaImageIO", parse_metaimage)}


def read_itk(path: Path, file_format: str) -> tuple[NDArray[np.generic], tuple[float, ...], NDArray[np.float64] | None]:
    """Read an NRRD or MetaImage file.

    Args:
        path: the header, with the voxels behind it or in a file of their own.
        file_format: ``nrrd`` or ``metaimage``.

    Returns:
        Array, spacing in mm and affine, as ``read_nifti``.

    Raises:
        ImagingError: ``unreadable``, ``unsupported``, ``wrong_dimension``, ``too_large``, ``unsafe_path``,
            ``missing`` (the file of the voxels), ``bad_scaling``, ``bad_spacing``, ``bad_orientation``,
            ``no_orientation``, ``nan`` or ``too_few_slices``.
    """
    name, parse = READERS[file_format]
    stored = parse(path)
    _check_data(stored)
    image = _read(path, name, stored)
    if len(stored.shape) == 3 and stored.shape[2] > 1:
        image = sitk.DICOMOrient(image, "LPS")
    elif not np.allclose(image.GetDirection(), np.eye(len(stored.shape)).ravel(), atol=1e-3):
        # Which side is the patient's right cannot be told from a rotated plane.
        raise ImagingError("unsupported", f"{path}: a plane with a turned direction; save it as DICOM or PNG")
    array, spacing = sitk.GetArrayFromImage(image), tuple(reversed(image.GetSpacing()))
    check_finite(array, path)
    if array.ndim == 3 and len(array) == 1:
        array, spacing = array[0], spacing[1:]
        check_no_slice(array, str(path))
    return array, spacing, affine_of(image) if array.ndim == 3 else None


def _check_data(stored: Stored) -> None:
    promised = math.prod(stored.shape) * stored.itemsize
    if stored.packed:
        check_deflated(stored.data, stored.start, stored.packed_size, promised)
    else:
        check_length(stored.data.stat().st_size - stored.start, promised, stored.data)


def _read(path: Path, name: str, stored: Stored) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(name)
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        if reader.GetNumberOfComponents() != 1 or reader.GetSize() != stored.shape:
            found = f"{reader.GetSize()} with {reader.GetNumberOfComponents()} values a voxel"
            raise ImagingError("wrong_dimension", f"{path}: expected {stored.shape}, one value a voxel; got {found}")
        return reader.Execute()
    except RuntimeError as error:
        raise ImagingError("unreadable", f"{path}: {str(error).strip().splitlines()[-1].strip()}") from error
