"""A volume stored along any axes, in any direction and format, comes back the same; resampling is SimpleITK's."""

import gzip
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from unimedi.imaging.image import Volume
from unimedi.imaging.read import read_image
from unimedi.imaging.resample import resize_array

SPACING = (5.0, 3.0, 2.0)  # mm, depth, height, width
CT = np.random.default_rng(0).integers(-1000, 1000, size=(8, 9, 10)).astype(np.int16)
CT[0, 0, 0], CT[-1, 0, 0], CT[0, -1, 0], CT[0, 0, -1] = 2000, 2001, 2002, 2003  # nothing looks the same when turned
STORED = [(axes, flips) for axes in itertools.permutations(range(3)) for flips in itertools.product((1, -1), repeat=3)]
FORMATS = {"nifti": ".nii", "nifti-gz": ".nii.gz", "nrrd": ".nrrd", "nhdr": ".nhdr", "mha": ".mha", "mhd": ".mhd"}

Storage = tuple[tuple[int, ...], tuple[int, ...]]


def stored(storage: Storage) -> tuple[np.ndarray, tuple[float, ...], np.ndarray, np.ndarray]:
    """As a file has it: array, spacing, directions (columns; x, y, z of LPS) and origin, slowest axis first."""
    axes, flips = storage
    turned = CT.transpose(axes)[tuple(slice(None, None, flip) for flip in flips)]
    directions, origin = np.zeros((3, 3)), np.array([-40.0, 30.0, -100.0])
    for place, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        directions[2 - axis, place] = flip  # axis 0 of the array is z, axis 2 is x
        if flip < 0:
            origin[2 - axis] += SPACING[axis] * (CT.shape[axis] - 1)
    return np.ascontiguousarray(turned), tuple(SPACING[axis] for axis in axes), directions, origin


def write(storage: Storage, path: Path, packed: bool = False) -> Path:
    array, spacing, directions, origin = stored(storage)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[::-1])
    image.SetDirection(directions[:, ::-1].ravel().tolist())
    image.SetOrigin(origin.tolist())
    sitk.WriteImage(image, str(path), packed)
    return path


def write_dicom(storage: Storage, folder: Path) -> Path:
    """The slices lie along the first axis; a mirrored volume is one whose slices come from the other end."""
    array, spacing, directions, origin = stored(storage)
    folder.mkdir()
    series = generate_uid()
    for k, plane in enumerate(array):
        header = pydicom.Dataset()
        header.file_meta = pydicom.dataset.FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = CTImageStorage
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid()
        header.Modality, header.PatientID, header.StudyInstanceUID, header.SeriesInstanceUID = "CT", "p", "1.2", series
        header.Rows, header.Columns = plane.shape
        header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 1
        header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
        header.RescaleSlope, header.RescaleIntercept, header.RescaleType = 1, 0, "HU"
        header.PixelSpacing = list(spacing[1:])
        header.ImageOrientationPatient = [*directions[:, 2].tolist(), *directions[:, 1].tolist()]
        header.ImagePositionPatient = (origin + k * spacing[0] * directions[:, 0]).tolist()
        header.PixelData = plane.tobytes()
        header.save_as(folder / f"{generate_uid()[-9:]}.dcm", enforce_file_format=True)
    return folder


def check_same(path: Path) -> None:
    image = read_image(path)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    assert image.spacing == pytest.approx(SPACING, abs=1e-5)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))), ids=str)
def test_all_ways_to_store_a_volume_are_read_alike(axes: tuple[int, ...], tmp_path: Path) -> None:
    """6 x 8 storages x {DICOM, NIfTI}: 96 times the same."""
    for number, flips in enumerate(itertools.product((1, -1), repeat=3)):
        check_same(write((axes, flips), tmp_path / f"{number}.nii"))
        check_same(write_dicom((axes, flips), tmp_path / str(number)))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read_alike(name: str, tmp_path: Path) -> None:
    for number, storage in enumerate(STORED[::5]):
        check_same(write(storage, tmp_path / f"{number}{FORMATS[name]}", packed=bool(number % 2)))


def turned_by(degrees: float, path: Path) -> Path:
    image = sitk.GetImageFromArray(CT)
    image.SetSpacing(SPACING[::-1])
    turn = sitk.Euler3DTransform((0, 0, 0), *(np.radians(degrees) * np.array([1, -0.7, 0.5])).tolist())
    image.SetDirection(turn.GetMatrix())
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("degrees", [3, -17, 30])
def test_an_oblique_volume_stays_on_its_own_grid(suffix: str, degrees: float, tmp_path: Path) -> None:
    check_same(turned_by(degrees, tmp_path / f"oblique{suffix}"))


SIDES = st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(2, 9))


@settings(deadline=None, max_examples=25)
@given(old=SIDES, more=st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), seed=st.integers(0, 99))
def test_growing_agrees_with_simpleitk(old: tuple[int, ...], more: tuple[int, ...], seed: int) -> None:
    """Within 1 HU, inside: where SimpleITK has a voxel on either side."""
    new = tuple(a + b for a, b in zip(old, more, strict=True))
    voxels = np.random.default_rng(seed).integers(-1024, 3072, size=old).astype(np.float32)
    image = sitk.GetImageFromArray(voxels)
    ratio = [o / n for o, n in zip(old, new, strict=True)][::-1]
    origin = [(r - 1) / 2 for r in ratio]  # the corners of both grids coincide, not the centres
    grid = (list(new[::-1]), sitk.Transform(), sitk.sitkLinear, origin, ratio, image.GetDirection(), -9999.0)
    theirs = sitk.GetArrayFromImage(sitk.Resample(image, *grid))
    centres = [(np.arange(n) + 0.5) * o / n - 0.5 for o, n in zip(old, new, strict=True)]
    inside = np.ix_(*((place >= 0) & (place <= o - 1) for place, o in zip(centres, old, strict=True)))
    ours = resize_array(voxels, new)
    assert np.abs(ours[inside] - theirs[inside]).max() < 1


@settings(deadline=None, max_examples=25)
@given(new=st.tuples(*[st.integers(1, 4)] * 3), by=st.tuples(*[st.integers(1, 4)] * 3), seed=st.integers(0, 99))
def test_shrinking_by_whole_factors_agrees_with_simpleitk(new: tuple[int, ...], by: tuple[int, ...], seed: int) -> None:
    old = tuple(n * f for n, f in zip(new, by, strict=True))
    voxels = np.random.default_rng(seed).integers(-1024, 3072, size=old).astype(np.float32)
    theirs = sitk.GetArrayFromImage(sitk.BinShrink(sitk.GetImageFromArray(voxels), list(by[::-1])))
    assert np.abs(resize_array(voxels, new) - theirs).max() < 0.01  # HU


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_2_is_read_with_its_slope(order: str, suffix: str, tmp_path: Path) -> None:
    header = nibabel.Nifti2Header(endianness=order)
    header.set_data_shape(CT.T.shape)
    header.set_data_dtype(f"{order}i2")
    header.set_sform(np.diag([-2.0, -3.0, 5.0, 1.0]), 1)
    header["pixdim"][1:4], header["vox_offset"], header["scl_slope"], header["scl_inter"] = SPACING[::-1], 544, 1, -1024
    content = header.binaryblock + bytes(4) + (CT + 1024).astype(f"{order}i2").tobytes()
    (tmp_path / f"ct{suffix}").write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    check_same(tmp_path / f"ct{suffix}")


def test_an_nrrd_in_another_space_is_turned(tmp_path: Path) -> None:
    path = write(((0, 1, 2), (1, 1, 1)), tmp_path / "ct.nrrd")
    content = path.read_bytes().replace(b"left-posterior-superior", b"right-anterior-superior")
    path.write_bytes(content.replace(b"(2,0,0) (0,3,0)", b"(-2,0,0) (0,-3,0)"))
    check_same(path)
