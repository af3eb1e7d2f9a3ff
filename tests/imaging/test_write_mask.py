"""A mask lies where its image lies: found again by the place in the patient, whatever axes the image's file has."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from PIL import Image
from pydicom.uid import CTImageStorage, generate_uid

from tests.imaging.malformed_dicom import plain
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.read import read_image, read_mask
from unimedi.imaging.write_mask import mask_suffix, write_mask
from unimedi.inputs.preprocess import Preprocess

SHAPE = (40, 36, 24)  # along x, y, z of the patient
SPACING = (1.5, 1.5, 3.0)
CUBE = (slice(6, 14), slice(20, 30), slice(3, 9))  # near one corner: no flip or change of axes maps it on itself
SAME_GRID = Preprocess(
    radiograph_size=(36, 40), hires_shape=(24, 36, 40), volume_shape=(8, 12, 12), slice_size=(12, 12)
)
# No voxel of the image lies just between two of the stored array: which is nearest has one answer.
OTHER_GRID = Preprocess(radiograph_size=(48, 48), hires_shape=(31, 61, 63), volume_shape=(8, 16, 16))
ORIENTATIONS = ["RAS", "LPS", "LAS", "RPI", "PSR", "SLA", "AIL"]


def body() -> np.ndarray:
    """Air with a cube of 900 HU, in RAS."""
    voxels = np.full(SHAPE, -1000, np.int16) + np.arange(SHAPE[0], dtype=np.int16)[:, None, None]
    voxels[CUBE] = 900
    return voxels


def oblique() -> np.ndarray:
    turn = np.deg2rad(9)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = rotation * SPACING, (-31.0, 12.5, 700.0)
    return affine


def stored_as(orientation: str) -> tuple[np.ndarray, np.ndarray]:
    """The same body, its axes stored in another order and direction: (voxels, affine)."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(orientation))
    return nib.orientations.apply_orientation(body(), turn), oblique() @ inv_ornt_aff(turn, SHAPE)


def predicted(path: Path, target: Path, preprocess: Preprocess) -> Path:
    """What is bright in the stored array, as if a network had marked it, brought back to the image."""
    image = read_image(path)
    stored = preprocess.stored(image)
    bits = (stored > (2048 if image.ndim == 2 else 500)).astype(np.uint16)
    mask = preprocess.own_mask(bits, image) != 0
    write_mask(mask, image, path, target)
    return target


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("packed", [".nii", ".nii.gz"])
def test_the_mask_of_a_nifti_image_has_its_axes_and_its_affine(tmp_path: Path, orientation: str, packed: str) -> None:
    voxels, affine = stored_as(orientation)
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / f"ct{packed}")
    mask = nib.load(predicted(tmp_path / f"ct{packed}", tmp_path / "mask.nii.gz", SAME_GRID))
    assert np.array_equal(np.asarray(mask.dataobj), voxels == 900)
    assert mask.get_data_dtype() == np.uint8
    assert np.array_equal(mask.affine, nib.load(tmp_path / f"ct{packed}").affine)
    assert mask.header.get_xyzt_units() == ("mm", "unknown")
    assert np.array_equal(read_mask(tmp_path / "mask.nii.gz"), read_image(tmp_path / f"ct{packed}").voxels == 900)


@pytest.mark.parametrize("unit", [("meter", 0.001), ("micron", 1000.0)])
def test_units_of_the_image_are_those_of_the_mask(tmp_path: Path, unit: tuple[str, float]) -> None:
    name, of_a_mm = unit
    voxels, affine = stored_as("LPS")
    image = nib.Nifti2Image(voxels.astype(">i2"), np.diag([of_a_mm] * 3 + [1]) @ affine)
    image.header.set_xyzt_units(name)
    image.set_qform(None, 0)
    nib.save(image, tmp_path / "ct.nii")
    assert np.allclose(read_image(tmp_path / "ct.nii").affine, affine, atol=1e-3)  # type: ignore[union-attr]
    mask = nib.load(predicted(tmp_path / "ct.nii", tmp_path / "mask.nii.gz", SAME_GRID))
    assert isinstance(mask, nib.Nifti2Image)
    assert np.array_equal(np.asarray(mask.dataobj), voxels == 900)
    assert np.allclose(mask.affine, nib.load(tmp_path / "ct.nii").affine)


def itk_image(orientation: str) -> sitk.Image:
    """Of a NIfTI-like body: ITK counts to the left and to the back."""
    voxels, affine = stored_as(orientation)
    image = sitk.GetImageFromArray(voxels.T)
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    lengths = np.linalg.norm(to_lps[:3, :3], axis=0)
    image.SetSpacing(lengths.tolist())
    image.SetOrigin(to_lps[:3, 3].tolist())
    image.SetDirection((to_lps[:3, :3] / lengths).ravel().tolist())
    return image


def on_the_grid_of(image: sitk.Image, mask: Path) -> np.ndarray:
    """ITK's own resampling of a mask onto an image, by places in the patient."""
    same = sitk.Resample(sitk.ReadImage(str(mask)), image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return sitk.GetArrayFromImage(same)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_the_mask_of_another_volume_lies_on_it_in_the_patient(tmp_path: Path, orientation: str, suffix: str) -> None:
    image = itk_image(orientation)
    sitk.WriteImage(image, str(tmp_path / f"ct{suffix}"))
    mask = predicted(tmp_path / f"ct{suffix}", tmp_path / "mask.nii.gz", SAME_GRID)
    assert np.array_equal(on_the_grid_of(image, mask), sitk.GetArrayFromImage(image) == 900)


def write_series(image: sitk.Image, folder: Path) -> None:
    """Each plane of the image as a slice, where ITK says that it lies."""
    folder.mkdir()
    voxels, uid = sitk.GetArrayFromImage(image), generate_uid()
    cosines = np.array(image.GetDirection()).reshape(3, 3)[:, :2].T.ravel().tolist()
    for number, plane in enumerate(voxels):
        header = plain(SOPClassUID=CTImageStorage, SOPInstanceUID=generate_uid(), SeriesInstanceUID=uid, Modality="CT")
        header.file_meta.MediaStorageSOPClassUID = CTImageStorage
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.PixelRepresentation, header.RescaleSlope, header.RescaleIntercept = 1, 1, 0
        (header.Rows, header.Columns), header.PixelData = plane.shape, plane.tobytes()
        header.PixelSpacing = [image.GetSpacing()[1], image.GetSpacing()[0]]
        place = image.TransformIndexToPhysicalPoint((0, 0, number))
        header.ImagePositionPatient = [round(mm, 9) for mm in place]
        header.ImageOrientationPatient = [round(cosine, 12) for cosine in cosines]
        header.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PIR"])
def test_the_mask_of_a_dicom_series_lies_on_it_in_the_patient(tmp_path: Path, orientation: str) -> None:
    image = itk_image(orientation)
    write_series(image, tmp_path / "series")
    mask = predicted(tmp_path / "series", tmp_path / "mask.nii.gz", SAME_GRID)
    assert np.array_equal(on_the_grid_of(image, mask), sitk.GetArrayFromImage(image) == 900)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_between_other_grids_it_is_itks_nearest_voxel(tmp_path: Path, orientation: str) -> None:
    """The stored array as an image of its own, resampled by ITK onto the image that it was made of."""
    voxels, affine = stored_as(orientation)
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "ct.nii")
    image = read_image(tmp_path / "ct.nii")
    assert isinstance(image, Volume)
    assert image.affine is not None
    bits = (OTHER_GRID.stored(image) > 0).astype(np.uint8)
    spacing = OTHER_GRID.stored_spacing(image)
    assert spacing is not None
    extent = np.array(image.voxels.shape) * image.spacing  # mm; the stored array is centred on it in a plane
    padding = (np.array(bits.shape) * spacing - extent) / 2
    padding[0] = 0
    offset = -padding + np.array(spacing) / 2 - np.array(image.spacing) / 2  # of the first stored voxel's centre
    small = sitk.GetImageFromArray(bits)
    small.SetSpacing(spacing[::-1])
    small.SetOrigin(offset[::-1].tolist())
    like = sitk.GetImageFromArray(image.voxels)
    like.SetSpacing(image.spacing[::-1])
    expected = sitk.GetArrayFromImage(sitk.Resample(small, like, sitk.Transform(), sitk.sitkNearestNeighbor, 0))
    ours = OTHER_GRID.own_mask(bits.astype(np.uint16), image)
    assert np.array_equal(ours, expected)
    cube = image.voxels == 900
    assert 2 * (ours[cube] != 0).sum() / (cube.sum() + (ours != 0).sum()) > 0.75  # Dice: it is where the cube is


def test_the_mask_of_a_radiograph_is_a_png_of_its_shape(tmp_path: Path) -> None:
    pixels = np.tile(np.arange(40, dtype=np.uint8), (36, 1))
    pixels[4:12, 22:30] = 250
    Image.fromarray(pixels).save(tmp_path / "chest.png")
    image = read_image(tmp_path / "chest.png")
    assert isinstance(image, Radiograph)
    assert mask_suffix(image) == ".png"
    for preprocess in (SAME_GRID, OTHER_GRID):
        mask = np.array(Image.open(predicted(tmp_path / "chest.png", tmp_path / "mask.png", preprocess)))
        assert set(np.unique(mask)) == {0, 255}
        assert mask.shape == pixels.shape
        assert ((mask == 255) != (pixels == 250)).mean() < 0.03
    assert not list(tmp_path.glob(".*"))


def test_a_volume_that_does_not_say_where_it_lies_still_has_its_spacing(tmp_path: Path) -> None:
    volume = Volume(np.zeros((4, 5, 6), np.int16), (3.0, 2.0, 1.5))
    write_mask(volume.voxels == 0, volume, tmp_path / "pictures", tmp_path / "mask.nii.gz")
    mask = nib.load(tmp_path / "mask.nii.gz")
    assert mask.shape == (6, 5, 4)
    assert mask.header.get_zooms() == (1.5, 2.0, 3.0)
    assert nib.aff2axcodes(mask.affine) == ("L", "P", "S")
