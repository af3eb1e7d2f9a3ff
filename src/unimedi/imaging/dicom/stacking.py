"""Planes in space become a volume: ordered along their normal, checked, and corrected where that is exact or harmless.

A correction is noted; what would be a guess is refused. Positions are millimetres in the patient (x to the left, y to
the back, z to the head), as DICOM gives them.
"""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from unimedi.imaging.axes import affine_of
from unimedi.imaging.dicom.passes import EVEN, SAME_PLACE, UNEVEN, one_pass
from unimedi.imaging.dicom.plane import Grid, Plane
from unimedi.imaging.image import ImagingError, Volume
from unimedi.imaging.intensity import AIR_HU, MIN_SLICES


def stack(planes: Sequence[Plane], grid: Grid, name: str) -> Volume:
    """The planes as a volume, with notes of what was corrected.

    Notes: ``duplicates_dropped`` (the same plane twice), ``other_acquisition_dropped`` (a pass of several, see
    ``passes.py``), ``uneven_resampled`` (uneven steps, brought to even ones), ``tilt_corrected`` (a tilted gantry).

    Raises:
        ImagingError: ``bad_orientation``, ``bad_spacing``, ``too_few_slices``, ``duplicate_slices`` (one place, other
            pixels; or passes that cannot be told apart), ``missing_slices`` or ``uneven_slices``.
    """
    _check(grid, name)
    if not all(np.isfinite(plane.position).all() for plane in planes):
        raise ImagingError("uneven_slices", f"{name}: a slice without a finite position in the patient")
    one = one_pass(planes, grid.normal, name)
    notes = ["other_acquisition_dropped"] if len(one) < len(planes) else []
    kept, arrays = _without_duplicates(one, grid, name, notes)
    if len(kept) < MIN_SLICES:
        raise ImagingError("too_few_slices", f"{name}: {len(kept)} different slices; one slab needs {MIN_SLICES}")
    voxels = np.stack(arrays)
    places = np.array([plane.position for plane in kept])
    step = _step(places @ grid.normal, name)
    advance = (places[-1] - places[0]) / (len(places) - 1)
    along = places @ grid.normal
    if np.abs(np.diff(along) - step).max() > EVEN * step:
        voxels, places = _evened(voxels, places, along)
        step = float((places[1] - places[0]) @ grid.normal)
        advance = places[1] - places[0]
        notes.append("uneven_resampled")
    strays = np.linalg.norm(places - places[0] - np.arange(len(places))[:, None] * advance, axis=1).max()
    if strays > EVEN * step:
        raise ImagingError("uneven_slices", f"{name}: slices lie {strays:.1f} mm beside one line")
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((grid.spacing[1], grid.spacing[0], step))
    sideways = advance - step * grid.normal
    if np.linalg.norm(sideways) > EVEN * step:
        image = _untilted(image, grid, advance)
        notes.append("tilt_corrected")
    else:
        image.SetDirection(np.stack([*grid.cosines, grid.normal], axis=1).ravel().tolist())
    image.SetOrigin((np.array(image.GetOrigin()) + places[0]).tolist())
    image = sitk.DICOMOrient(image, "LPS")
    spacing = image.GetSpacing()
    voxels = sitk.GetArrayFromImage(image)
    return Volume(voxels, (spacing[2], spacing[1], spacing[0]), tuple(notes), affine=affine_of(image))


def _check(grid: Grid, name: str) -> None:
    lengths = np.linalg.norm(grid.cosines, axis=1)
    if (
        not np.isfinite(grid.cosines).all()
        or np.abs(lengths - 1).max() > 0.01
        or abs(grid.cosines[0] @ grid.cosines[1]) > 0.01
    ):
        raise ImagingError("bad_orientation", f"{name}: rows and columns point to {grid.cosines.round(3).tolist()}")
    if not all(np.isfinite(side) and side > 0 for side in grid.spacing):
        raise ImagingError("bad_spacing", f"{name}: spacing must be positive mm, got {grid.spacing}")


def _without_duplicates(
    planes: list[Plane], grid: Grid, name: str, notes: list[str]
) -> tuple[list[Plane], list[NDArray[np.int16]]]:
    kept: list[Plane] = []
    arrays: list[NDArray[np.int16]] = []
    for plane in planes:
        voxels = plane.voxels()
        if arrays and voxels.shape != arrays[0].shape:
            raise ImagingError("wrong_dimension", f"{name}: slices of {arrays[0].shape} and of {voxels.shape} pixels")
        if kept and (plane.position - kept[-1].position) @ grid.normal < SAME_PLACE:
            if not np.array_equal(voxels, arrays[-1]):
                where = f"{float(plane.position @ grid.normal):.1f} mm"
                raise ImagingError("duplicate_slices", f"{name}: two different slices at {where} along the series")
            if "duplicates_dropped" not in notes:
                notes.append("duplicates_dropped")
            continue
        kept.append(plane)
        arrays.append(voxels)
    return kept, arrays


def _step(along: NDArray[np.float64], name: str) -> float:
    """Mm between planes: the median, if the others are near it."""
    steps = np.diff(along)
    step = float(np.median(steps))
    multiples = np.rint(steps / step)
    gaps = (multiples >= 2) & (np.abs(steps - multiples * step) <= EVEN * step)
    if gaps.any() and (np.abs(steps[~gaps] - step) <= EVEN * step).all():
        first = int(np.argmax(gaps))
        lost, where = int(multiples[gaps].sum() - gaps.sum()), f"{along[first]:.1f} and {along[first + 1]:.1f} mm"
        raise ImagingError(
            "missing_slices", f"{name}: {lost} of {len(along) + lost} slices are missing, first between {where}"
        )
    if np.abs(steps - step).max() > UNEVEN * step:
        span = f"{steps.min():.2f} to {steps.max():.2f} mm"
        raise ImagingError("uneven_slices", f"{name}: {len(along)} slices in steps of {span}")
    return step


def _evened(
    voxels: NDArray[np.int16], places: NDArray[np.float64], along: NDArray[np.float64]
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Linear interpolation at even steps of the smallest step, so that nothing thin falls between."""
    count = round(float((along[-1] - along[0]) / np.diff(along).min())) + 1
    wanted = np.linspace(along[0], along[-1], count)
    above = np.clip(np.searchsorted(along, wanted), 1, len(along) - 1)
    share = ((wanted - along[above - 1]) / (along[above] - along[above - 1]))[:, None, None].astype(np.float32)
    mixed = voxels[above - 1] * (1 - share) + voxels[above] * share
    line = places[0] + (places[-1] - places[0]) * ((wanted - along[0]) / (along[-1] - along[0]))[:, None]
    return np.rint(mixed).astype(np.int16), line


def _untilted(image: sitk.Image, grid: Grid, advance: NDArray[np.float64]) -> sitk.Image:
    """Resample a sheared stack, whose table moves along ``advance`` and whose planes are tilted, onto right angles.

    The depth follows the table; the middle row keeps its place; what no plane reached is air.
    """
    depth = advance / np.linalg.norm(advance)
    row = grid.cosines[0] - (grid.cosines[0] @ depth) * depth
    row /= np.linalg.norm(row)
    column = np.cross(depth, row)
    lean = float(grid.cosines[1] @ column)  # cosine of the tilt
    width, height, slices = image.GetSize()
    image.SetSpacing((grid.spacing[1], grid.spacing[0], float(np.linalg.norm(advance))))
    image.SetDirection(np.stack([*grid.cosines, depth], axis=1).ravel().tolist())
    spacing = (grid.spacing[1], grid.spacing[0] * lean, float(np.linalg.norm(advance)))
    middle = (height - 1) / 2
    origin = grid.cosines[1] * grid.spacing[0] * middle - column * spacing[1] * middle
    direction = np.stack([row, column, depth], axis=1).ravel().tolist()
    size, same = (width, height, slices), sitk.Transform()
    return sitk.Resample(
        image, size, same, sitk.sitkLinear, origin.tolist(), spacing, direction, AIR_HU, sitk.sitkInt16
    )
