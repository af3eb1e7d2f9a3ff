"""NRRD and MetaImage: headers of text, voxels beside them or behind them."""

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.read import read_image, read_mask

CT = np.random.default_rng(0).integers(0, 120, size=(6, 10, 12)).astype(np.int16)
SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


def write(path: Path, array: np.ndarray = CT, packed: bool = False) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2.0, 3.0, 5.0)[: image.GetDimension()])
    sitk.WriteImage(image, str(path), packed)
    return path


def reason(path: Path) -> str:
    with pytest.raises(ImagingError, match=path.stem) as caught:
        read_image(path)
    return caught.value.reason


def edit(path: Path, pattern: str, new: str) -> Path:
    """Another line in the header."""
    content, count = re.subn(pattern.encode(), new.encode().replace(b"\\", rb"\\"), path.read_bytes(), count=1)
    assert count == 1
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", [*SUFFIXES, ".nii", ".nii.gz"])
def test_every_number_type_packed_and_not(suffix: str, packed: bool, dtype: str, tmp_path: Path) -> None:
    image = read_image(write(tmp_path / f"ct{suffix}", CT.astype(dtype), packed))
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    assert image.spacing == (5.0, 3.0, 2.0)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_plane_is_a_radiograph_and_a_mask_is_read(suffix: str, tmp_path: Path) -> None:
    image = read_image(write(tmp_path / f"x{suffix}", CT[0]))
    assert isinstance(image, Radiograph)
    assert np.array_equal(image.pixels, CT[0])
    assert image.spacing == (3.0, 2.0)
    assert np.array_equal(read_mask(write(tmp_path / f"mask{suffix}", (CT > 60).astype(np.uint8), True)), CT > 60)


def test_what_a_file_is_does_not_depend_on_its_name(tmp_path: Path) -> None:
    for suffix in (".nrrd", ".mha", ".nii", ".nii.gz"):
        path = write(tmp_path / f"ct{suffix}")
        for name in ("export.0001", "ct.png", "ct.dcm"):
            other = tmp_path / name
            other.write_bytes(path.read_bytes())
            image = read_image(other)
            assert isinstance(image, Volume), name
            assert np.array_equal(image.voxels, CT)


@pytest.mark.parametrize("kept", [0.4, 0.9, 0.999])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_voxels_are_refused(suffix: str, packed: bool, kept: float, tmp_path: Path) -> None:
    path = write(tmp_path / f"ct{suffix}", np.kron(CT, np.ones((1, 4, 4), np.int16)), packed)
    voxels = next((other for other in tmp_path.iterdir() if other != path), path)
    content = voxels.read_bytes()
    voxels.write_bytes(content[: int(kept * len(content))])
    assert reason(path) == "unreadable"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nan_is_refused(suffix: str, tmp_path: Path) -> None:
    array = CT.astype(np.float32)
    array[2, 2, 2] = np.nan
    assert reason(write(tmp_path / f"ct{suffix}", array)) == "nan"


OUTSIDE = [
    "../secret.raw",
    "/etc/passwd",
    "a/../../secret.raw",
    "file:///etc/passwd",
    "s3://x/y.raw",
    "..\\s.raw",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize(("suffix", "field"), [(".nhdr", "data file: "), (".mhd", "ElementDataFile = ")])
def test_voxels_outside_the_folder_are_refused(suffix: str, field: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "s.raw").write_bytes(CT.tobytes())
    (tmp_path / "in").mkdir()
    path = edit(write(tmp_path / "in" / f"ct{suffix}"), f"{field}[^\n]*", field + name)
    assert reason(path) == "unsafe_path"


@pytest.mark.parametrize(("suffix", "field"), [(".nhdr", "data file: "), (".mhd", "ElementDataFile = ")])
def test_a_link_out_of_the_folder_is_refused_and_a_folder_below_is_not(suffix: str, field: str, tmp_path: Path) -> None:
    (tmp_path / "in" / "below").mkdir(parents=True)
    path = write(tmp_path / "in" / f"ct{suffix}")
    (tmp_path / "in" / "ct.raw").rename(tmp_path / "secret.raw")
    assert reason(path) == "missing"
    (tmp_path / "in" / "ct.raw").symlink_to(tmp_path / "secret.raw")
    assert reason(path) == "unsafe_path"
    (tmp_path / "secret.raw").rename(tmp_path / "in" / "below" / "ct.raw")
    image = read_image(edit(path, f"{field}[^\n]*", f"{field}below/ct.raw"))
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)


NRRD = [
    ("sizes: 12 10 6", "sizes: 99999999 99999999 99999999", "too_large"),
    ("sizes: 12 10 6", "sizes: 12 10 0", "unreadable"),
    ("sizes: 12 10 6", "sizes: -12 -10 6", "unreadable"),
    ("sizes: 12 10 6", "sizes: 12 10 60", "unreadable"),
    ("sizes: 12 10 6", "sizes: 12 10", "unreadable"),
    ("sizes: 12 10 6", "sizes: 1e1 10 6", "unreadable"),
    ("sizes: 12 10 6", "sizes: 99999999999999999999999999 10 6", "unreadable"),
    ("dimension: 3", "dimension: 4", "unreadable"),
    ("dimension: 3", "dimension: 1000000", "unreadable"),
    ("dimension: 3\n", "", "unreadable"),
    ("type: short", "type: block", "unsupported"),
    ("type: short", "type: double", "unreadable"),
    ("encoding: raw", "encoding: bzip2", "unsupported"),
    ("encoding: raw", "encoding: ascii", "unsupported"),
    ("encoding: raw", "encoding: gzip", "unreadable"),
    ("encoding: raw", "encoding: raw\nbyte skip: 2", "unsupported"),
    ("encoding: raw", "encoding: raw\nencoding: raw", "unreadable"),
    ("encoding: raw", "encoding: raw\ncontent: " + 5000 * "x", "unreadable"),
    ("encoding: raw", "encoding: raw\ndata file: LIST", "unsupported"),
    ("encoding: raw", "encoding: raw\ndata file: slice%03d.raw 1 9 1", "unsupported"),
    ("endian: little\n", "", "unreadable"),
    ("space: [^\n]*\n", "", "no_orientation"),
    ("space: [^\n]*", "space: scanner-xyz", "no_orientation"),
    ("space directions: [^\n]*\n", "spacings: 2 3 5\n", "no_orientation"),
    (r"\(0,3,0\)", "(0,nan,0)", "bad_orientation"),
    (r"\(0,3,0\)", "(0,0,0)", "bad_orientation"),
    (r"\(0,3,0\)", "(1,3,0)", "bad_orientation"),
    (r"\(0,3,0\)", "none", "bad_orientation"),
    ("kinds: domain", "kinds: vector", "unreadable"),
]
META = [
    ("DimSize = 12 10 6", "DimSize = 99999999 99999999 99999999", "too_large"),
    ("DimSize = 12 10 6", "DimSize = 12 10 0", "unreadable"),
    ("DimSize = 12 10 6", "DimSize = -12 -10 6", "unreadable"),
    ("DimSize = 12 10 6", "DimSize = 12 10 60", "unreadable"),
    ("NDims = 3", "NDims = 4", "unreadable"),
    ("NDims = 3", "NDims = 1000", "unreadable"),
    ("ObjectType = Image", "ObjectType = Tube", "unsupported"),
    ("BinaryData = True", "BinaryData = False", "unsupported"),
    ("ElementType = MET_SHORT", "ElementType = MET_STRING", "unsupported"),
    ("ElementType = MET_SHORT", "ElementType = MET_DOUBLE", "unreadable"),
    ("ElementType = MET_SHORT", "ElementType = MET_SHORT\nElementNumberOfChannels = 3", "wrong_dimension"),
    ("ElementType = MET_SHORT", "HeaderSize = -1\nElementType = MET_SHORT", "unsupported"),
    ("ElementType = MET_SHORT", "ElementToIntensityFunctionSlope = 2\nElementType = MET_SHORT", "bad_scaling"),
    ("CompressedData = False", "CompressedData = True", "unreadable"),
    ("ElementSpacing = 2 3 5", "ElementSpacing = 2 0 5", "bad_spacing"),
    ("ElementSpacing = 2 3 5", "ElementSpacing = 2 -3 5", "bad_spacing"),
    ("ElementSpacing = 2 3 5", "ElementSpacing = 2 nan 5", "bad_spacing"),
    ("ElementSpacing = 2 3 5\n", "", "bad_spacing"),
    ("TransformMatrix = [^\n]*\n", "", "no_orientation"),
    ("TransformMatrix = [^\n]*", "TransformMatrix = 1 0 0 1 0 0 0 0 1", "bad_orientation"),
    ("TransformMatrix = [^\n]*", "TransformMatrix = nan 0 0 0 1 0 0 0 1", "bad_orientation"),
    ("TransformMatrix = [^\n]*", "TransformMatrix = 1 0 0 0 1", "bad_orientation"),
    ("ElementDataFile = LOCAL", "ElementDataFile = LIST\na.raw", "unsupported"),
    ("ElementDataFile = LOCAL", "ElementDataFile = slice%03d.raw 1 9 1", "unsupported"),
    ("ElementDataFile = LOCAL", "ElementDataFile = ", "unsafe_path"),
    ("ElementDataFile = LOCAL\n", "", "unreadable"),
]


@pytest.mark.parametrize(("pattern", "new", "expected"), NRRD)
def test_an_nrrd_header_that_lies(pattern: str, new: str, expected: str, tmp_path: Path) -> None:
    assert reason(edit(write(tmp_path / "ct.nrrd"), pattern, new)) == expected


@pytest.mark.parametrize(("pattern", "new", "expected"), META)
def test_a_metaimage_header_that_lies(pattern: str, new: str, expected: str, tmp_path: Path) -> None:
    assert reason(edit(write(tmp_path / "ct.mha"), pattern, new)) == expected


def test_a_bomb_ends_where_the_promise_does(tmp_path: Path) -> None:
    for suffix, old, new in ((".nrrd", "sizes: 400 400 400", "12 10 6"), (".mha", "DimSize = 400 400 400", "12 10 6")):
        path = write(tmp_path / f"bomb{suffix}", np.zeros((400, 400, 400), np.uint8), packed=True)
        assert reason(edit(path, old, old.split("400")[0] + new)) == "unreadable"
