"""The two volumes that only one collection has: RAD-ChestCT's NumPy archives and CC-CCII's folders of pictures."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from unimedi.imaging.image import ImagingError
from unimedi.imaging.intensity import check
from unimedi.imaging.pictures import is_slice_folder, read_slices
from unimedi.imaging.radchestct import read_radchestct

VOXELS = np.arange(-1000, -1000 + 6 * 9 * 8, dtype=np.int16).reshape(6, 9, 8)


# -- RAD-ChestCT ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [VOXELS, np.asfortranarray(VOXELS), VOXELS.astype(">i2"), VOXELS.astype(np.float32)])
def test_an_archive_is_read_feet_first(tmp_path: Path, stored: NDArray[np.generic]) -> None:
    np.savez_compressed(tmp_path / "trn00001.npz", ct=stored)
    volume = read_radchestct(tmp_path / "trn00001.npz")
    check(volume)
    np.testing.assert_array_equal(volume.voxels[::-1], VOXELS)  # the first slice of the file is the head
    assert volume.voxels.dtype == np.int16
    assert (volume.spacing, volume.notes) == ((0.8, 0.8, 0.8), ("geometry_by_collection",))


def npy(array: NDArray[np.generic], pickled: bool = False) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=pickled)
    return out.getvalue()


def promising(shape: str, descr: str = "<i2", data: bytes = b"") -> bytes:
    """An array whose header promises what its data need not be."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    ("entry", "data", "code"),
    [
        ("other.npy", npy(VOXELS), "unsupported"),
        ("ct.npy", npy(np.array([{"a": 1}], dtype=object), pickled=True), "unsupported"),
        ("ct.npy", npy(np.zeros((4, 4, 4), np.complex64)), "unsupported"),
        ("ct.npy", npy(np.zeros((4, 4), np.int16)), "wrong_dimension"),
        ("ct.npy", npy(np.full((4, 9, 9), np.nan, np.float32)), "nan"),
        ("ct.npy", promising("(32767, 32767, 32767)"), "too_large"),
        ("ct.npy", promising("(0, 9, 9)"), "unreadable"),
        ("ct.npy", promising("(-4, 9, 9)"), "unreadable"),
        ("ct.npy", promising("(4, 9, 9)", data=b"\0" * 100), "unreadable"),
        ("ct.npy", promising("(4, 9, 9)", data=b"\0" * 100_000), "unreadable"),
        ("ct.npy", promising("__import__('os').getpid()"), "unreadable"),
        ("ct.npy", promising("(4, 9, 9)", descr="|O"), "unsupported"),
        ("ct.npy", b"\x93NUMPY\x09\x00", "unsupported"),
        ("ct.npy", b"", "unreadable"),
    ],
)
def test_an_archive_of_something_else_is_refused(tmp_path: Path, entry: str, data: bytes, code: str) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, data)
    with pytest.raises(ImagingError) as error:
        read_radchestct(path)
    assert error.value.reason == code
    assert "a.npz" in str(error.value)


def test_a_damaged_archive_is_refused_wherever_it_is_cut_or_changed(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", ct=VOXELS)
    whole = (tmp_path / "a.npz").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        spoilt = bytearray(whole)
        spoilt[int(rng.integers(len(spoilt)))] ^= 1 << int(rng.integers(8))
        for data in (bytes(spoilt), whole[: int(rng.integers(len(whole)))]):
            (tmp_path / "b.npz").write_bytes(data)
            try:
                volume = read_radchestct(tmp_path / "b.npz")
            except ImagingError:
                continue
            np.testing.assert_array_equal(volume.voxels[::-1], VOXELS)  # a byte that means nothing


# -- CC-CCII ----------------------------------------------------------------------------------------------------------


def slices(folder: Path, names: list[str]) -> Path:
    """Pictures of 8 x 9 whose left half has their number as grey, and the right half white."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        pixels = np.full((8, 9), 255, np.uint8)
        pixels[:, :4] = number
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.mark.parametrize("names", [[f"{n:04d}.png" for n in range(12)], [f"IM{n}.png" for n in range(12)]])
def test_pictures_are_stacked_by_their_numbers(tmp_path: Path, names: list[str]) -> None:
    folder = slices(tmp_path / "1387", names)
    (folder / ".DS_Store").write_bytes(b"hidden")
    assert is_slice_folder(folder)
    volume = read_slices(folder)
    check(volume)
    assert volume.voxels.shape == (12, 8, 9)
    np.testing.assert_array_equal(volume.voxels[:, 0, 0], np.rint(np.arange(12) * 2000 / 255 - 1000))
    assert set(volume.voxels[:, :, 5:].ravel()) == {1000}
    assert volume.notes == ("grey_as_hu", "spacing_unknown")


def test_other_folders_are_no_slices(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert not is_slice_folder(tmp_path / "empty")
    assert not is_slice_folder(tmp_path)  # a folder of folders
    mixed = slices(tmp_path / "mixed", ["0.png", "1.png"])
    (mixed / "2.dcm").write_bytes(b"no picture")
    assert not is_slice_folder(mixed)


def test_pictures_of_two_sizes_or_of_16_bits_are_refused(tmp_path: Path) -> None:
    folder = slices(tmp_path / "a", ["0.png", "1.png"])
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "2.png")
    with pytest.raises(ImagingError, match=r"2\.png: a slice of \(9, 9\), the first has \(8, 9\)"):
        read_slices(folder)
    deep = slices(tmp_path / "b", ["0.png"])
    Image.fromarray(np.full((8, 9), 4000, np.uint16)).save(deep / "1.png")
    with pytest.raises(ImagingError, match="more than 8 bits"):
        read_slices(deep)
