"""An X-ray in a format of volumes: two axes, or a third of length 1, as writers of pictures make it."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from unimedi.imaging.image import ImagingError, Radiograph
from unimedi.imaging.read import read_image, read_mask

PLANE = np.random.default_rng(0).integers(0, 4096, size=(20, 16)).astype(np.int16)  # (height, width)
SPACING = (0.3, 0.2)


def nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    diagonal = [-SPACING[1], -SPACING[0], 1, 1]
    nib.save(nib.Nifti1Image(array, np.diag(diagonal) if affine is None else affine), path)  # type: ignore[no-untyped-call]
    return path


def itk(path: Path, array: np.ndarray, direction: list[float] | None = None) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((*reversed(SPACING), 1.0)[: array.ndim])
    if direction is not None:
        image.SetDirection(direction)
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.nrrd", "x.nhdr", "x.mha", "x.mhd"])
@pytest.mark.parametrize("axes", [2, 3])
def test_a_plane_of_two_or_three_axes_is_a_radiograph(tmp_path: Path, name: str, axes: int) -> None:
    path = tmp_path / name
    if ".nii" in name:
        nifti(path, PLANE.T if axes == 2 else PLANE.T[:, :, None])
    else:
        itk(path, PLANE if axes == 2 else PLANE[None])
    image = read_image(path)
    assert isinstance(image, Radiograph)
    assert np.array_equal(image.pixels, PLANE)
    assert image.spacing == pytest.approx(SPACING)
    assert np.array_equal(read_mask(path), PLANE > 0)


@pytest.mark.parametrize("more", [(1,), (1, 1), (1, 1, 1, 1, 1)])
def test_axes_of_length_1_at_the_end_do_not_count(tmp_path: Path, more: tuple[int, ...]) -> None:
    image = read_image(nifti(tmp_path / "x.nii", PLANE.T.reshape(*PLANE.T.shape, *more)))
    assert np.array_equal(image.pixels, PLANE)  # type: ignore[union-attr]


@pytest.mark.parametrize("shape", [(1, 16, 20), (16, 1, 20)])
def test_a_plane_along_other_axes_is_refused_with_the_axes(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    for path in (
        nifti(tmp_path / "x.nii", PLANE.reshape(shape)),
        itk(tmp_path / "x.nrrd", PLANE.reshape(shape[::-1])),
    ):
        with pytest.raises(ImagingError, match=r"an X-ray has the axes \(x, y\) or \(x, y, 1\)") as caught:
            read_image(path)
        assert caught.value.reason == "wrong_dimension"


def test_a_turned_plane_is_refused(tmp_path: Path) -> None:
    turned = nifti(tmp_path / "x.nii", PLANE.T[:, :, None], np.eye(4))
    mirrored = itk(tmp_path / "x.mha", PLANE[None], [-1.0, 0, 0, 0, 1, 0, 0, 0, 1])
    for path in (turned, mirrored):
        with pytest.raises(ImagingError, match="turned direction") as caught:
            read_image(path)
        assert caught.value.reason == "unsupported"


def test_one_slice_of_a_ct_is_no_radiograph(tmp_path: Path) -> None:
    hu = PLANE - np.int16(1000)
    for path in (nifti(tmp_path / "x.nii", hu.T[:, :, None]), itk(tmp_path / "x.mha", hu[None])):
        with pytest.raises(ImagingError, match="slice of a CT") as caught:
            read_image(path)
        assert caught.value.reason == "too_few_slices"
