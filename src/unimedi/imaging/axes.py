"""The axes of a stored volume: they must span a box, and its sides give the spacing; where they lie in the patient."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from unimedi.imaging.image import ImagingError

SHEAR = 0.02  # cosine between two axes of the grid: more than 1 degree off a right angle is a sheared volume


def box_spacing(columns: NDArray[np.float64], path: Path) -> tuple[float, ...]:
    """Spacing in mm along each axis of the grid.

    Args:
        columns: (space, axes), the step in mm from a voxel to the next along each axis.

    Raises:
        ImagingError: ``bad_orientation`` where the axes are not finite, have no length or are not at right angles.
    """
    lengths = np.linalg.norm(columns, axis=0)
    if not np.isfinite(lengths).all() or (lengths <= 0).any():
        raise ImagingError("bad_orientation", f"{path}: the axes of the grid have the lengths {lengths.tolist()} mm")
    units = columns / lengths
    between = np.abs(units.T @ units - np.eye(columns.shape[1])).max()
    if between > SHEAR:
        message = f"{path}: the axes of the grid are not at right angles (cosine {between:.3f}); resample the volume"
        raise ImagingError("bad_orientation", message)
    return tuple(lengths.tolist())


def affine_of(volume: sitk.Image) -> NDArray[np.float64]:
    """Affine (4, 4) from an index (x, y, z) to mm to the right, the front and the head, as NIfTI counts.

    ITK and DICOM count to the left and the back.
    """
    affine = np.eye(4)
    affine[:3, :3] = np.array(volume.GetDirection()).reshape(3, 3) * volume.GetSpacing()
    affine[:3, 3] = volume.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
