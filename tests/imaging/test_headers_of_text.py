"""The headers of NRRD, MetaImage and NIfTI on their own: what they promise, and where the voxels are."""

from pathlib import Path

import numpy as np
import pytest

from tests.imaging.test_read_containers import CT, edit, write
from unimedi.imaging.image import ImagingError
from unimedi.imaging.itk_volume import read_itk
from unimedi.imaging.nifti import first_bytes, is_nifti, read_nifti, stored_header
from unimedi.imaging.text_header import Stored, parse_metaimage, parse_nrrd


def test_an_nrrd_header_says_where_its_voxels_are(tmp_path: Path) -> None:
    attached = write(tmp_path / "a.nrrd")
    found = parse_nrrd(attached)
    start = len(attached.read_bytes()) - CT.nbytes
    assert found == Stored((12, 10, 6), 2, attached, start)
    detached = parse_nrrd(write(tmp_path / "b.nhdr", packed=True))
    assert (detached.data.parent, detached.start, detached.packed) == (tmp_path, 0, True)
    assert detached.data.name != "b.nhdr"


def test_a_metaimage_header_says_where_its_voxels_are(tmp_path: Path) -> None:
    found = parse_metaimage(write(tmp_path / "a.mha", packed=True))
    assert (found.shape, found.itemsize, found.packed) == ((12, 10, 6), 2, True)
    assert found.start + (found.packed_size or 0) == found.data.stat().st_size
    detached = write(tmp_path / "b.mhd")
    assert parse_metaimage(detached).data == tmp_path / "b.raw"
    outside = edit(detached, r"ElementDataFile = b\.raw", "ElementDataFile = ../b.raw")
    with pytest.raises(ImagingError, match="outside the folder of the header") as caught:
        parse_metaimage(outside)
    assert caught.value.reason == "unsafe_path"


@pytest.mark.parametrize(("suffix", "format_"), [(".nrrd", "nrrd"), (".mha", "metaimage")])
def test_an_itk_volume_has_its_array_spacing_and_place(suffix: str, format_: str, tmp_path: Path) -> None:
    array, spacing, affine = read_itk(write(tmp_path / f"ct{suffix}"), format_)
    assert np.array_equal(array, CT)
    assert spacing == (5.0, 3.0, 2.0)
    assert affine is not None
    assert np.array_equal(np.diag(affine), [-2.0, -3.0, 5.0, 1.0])  # to the right, the front and the head


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_header_is_found_in_the_unpacked_bytes(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"ct{suffix}", packed=suffix.endswith("gz"))
    assert is_nifti(first_bytes(path))
    assert stored_header(path).get_data_shape() == (12, 10, 6)
    array, spacing, affine = read_nifti(path)
    assert np.array_equal(array, CT)
    assert spacing == (5.0, 3.0, 2.0)
    assert affine is not None
    (tmp_path / "no.nii").write_bytes(b"something else")
    assert not is_nifti(first_bytes(tmp_path / "no.nii"))
