"""A mask written as a file that lies on its image: NIfTI for a volume, PNG for a radiograph; a volume's map, too.

A NIfTI image gives its mask its own header, so that both have the same axes, affine and units. The mask of any other
volume has the axes of ``read_image`` (to the left, the back and the head) and an affine that puts it where the volume
lies. A radiograph's mask is turned as the radiograph is shown.
"""

from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1Image
from nibabel.nifti2 import Nifti2Header, Nifti2Image
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from numpy.typing import NDArray
from PIL import Image

from unimedi.files.atomic import atomic_file
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.nifti import LPS, first_bytes, is_nifti, stored_header

INSIDE = 255  # of a PNG


def mask_suffix(image: Radiograph | Volume) -> str:
    """What the file of a mask of ``image`` is called: ``.png`` or ``.nii.gz``."""
    return ".png" if isinstance(image, Radiograph) else ".nii.gz"


def write_mask(mask: NDArray[np.bool_], image: Radiograph | Volume, source: Path, target: Path) -> None:
    """Write a mask, whole or not at all.

    Args:
        mask: True inside, of the shape of ``image.array``.
        image: the image that it belongs to, as ``read_image`` gave it.
        source: what ``image`` was read from; a NIfTI file lends the mask its axes, affine and units.
        target: the file to write; :func:`mask_suffix` says how its name ends.
    """
    with atomic_file(target) as temporary:  # its ending says how it is packed
        if isinstance(image, Radiograph):
            Image.fromarray(mask.astype(np.uint8) * INSIDE).save(temporary)
        else:
            _nifti(mask.astype(np.uint8), image, source).to_filename(temporary)


def write_map(values: NDArray[np.float32], image: Volume, source: Path | None, target: Path) -> None:
    """Write a map of real numbers over a volume as NIfTI, whole or not at all; viewers begin with 0 to its maximum.

    Args:
        values: of the shape of ``image.voxels``.
        image, source, target: as :func:`write_mask`; None where ``image`` was not read from a file.
    """
    written = _nifti(values, image, source)
    written.header["cal_max"] = max(float(values.max()), 0.0)
    with atomic_file(target) as temporary:
        written.to_filename(temporary)


def _nifti(values: NDArray[np.generic], image: Volume, source: Path | None) -> Nifti1Image:
    array = values.T  # (width, height, depth), as an affine counts
    if source is None or not source.is_file() or not is_nifti(first_bytes(source)):
        return Nifti1Image(array, _affine(image), _in_mm())
    header = stored_header(source)
    affine = header.get_best_affine()
    array = apply_orientation(array, ornt_transform(LPS, io_orientation(affine)))
    header = header.as_byteswapped("<")
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_slope_inter(1, 0)
    header["cal_min"], header["cal_max"] = 0, 0
    image_class = Nifti2Image if isinstance(header, Nifti2Header) else Nifti1Image
    written: Nifti1Image = image_class(array, affine, header)
    return written


def _affine(image: Volume) -> NDArray[np.float64]:
    """Affine of the volume; where its file does not say it, one with the right spacing and an arbitrary origin."""
    if image.affine is not None:
        return image.affine
    depth, height, width = image.spacing
    return np.diag([-width, -height, depth, 1.0])


def _in_mm() -> Nifti1Header:
    header = Nifti1Header()
    header.set_xyzt_units("mm")
    return header
