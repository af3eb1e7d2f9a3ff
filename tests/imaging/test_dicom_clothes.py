"""DICOM in other clothes: without preamble or meta group, in any byte order, deflated, with its sample in odd bits."""

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from tests.imaging.test_dicom import CT, XRAY, dataset, reason, save, write_series
from unimedi.cohort.sources.dicom.quick_header import is_dicom, modality_name
from unimedi.imaging.read import read_image

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def dressed(header: Dataset, path: Path, syntax: str, lacks: str) -> Path:
    """The file in a transfer syntax, without its preamble, or its meta group too."""
    big = syntax == ExplicitVRBigEndian
    if big:
        header.PixelData = np.frombuffer(header.PixelData, "<u2").byteswap().tobytes()
    header["PixelData"].VR = "OW"
    header.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, header, enforce_file_format=True)
    data = path.read_bytes()
    (meta,) = struct.unpack_from("<I", data, 140)
    path.write_bytes(data[{"nothing": 0, "preamble": 132, "meta group": 144 + meta}[lacks] :])
    return path


@pytest.mark.parametrize("name", ["x.dcm", "x"])
@pytest.mark.parametrize("lacks", ["nothing", "preamble", "meta group"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_xray_and_a_ct_in_any_clothes(tmp_path: Path, syntax: str, lacks: str, name: str) -> None:
    path = dressed(dataset(XRAY, "DX"), tmp_path / name, syntax, lacks)
    if lacks == "meta group" and syntax == DeflatedExplicitVRLittleEndian:
        assert not is_dicom(path)  # what packed it is not said anywhere
        assert reason(path) in ("unreadable", "unsupported")
        return
    assert is_dicom(path)
    assert modality_name(path) == "DX"
    assert np.array_equal(read_image(path).pixels, XRAY)  # type: ignore[union-attr]
    folder = write_series(tmp_path / "ct")
    for slice_ in sorted(folder.iterdir()):
        dressed(pydicom.dcmread(slice_), slice_, syntax, lacks)
    assert np.array_equal(read_image(folder).voxels, CT)  # type: ignore[union-attr]


def test_slices_that_are_read_later_are_the_same_in_a_deflated_file(tmp_path: Path) -> None:
    """Pixels of more than a megabyte stay on disk until asked for."""
    voxels = np.random.default_rng(0).integers(-1000, 1000, (4, 800, 800)).astype(np.int16)
    folder = write_series(tmp_path / "ct", voxels)
    for path in sorted(folder.iterdir()):
        dressed(pydicom.dcmread(path), path, DeflatedExplicitVRLittleEndian, "nothing")
    assert np.array_equal(read_image(folder).voxels, voxels)  # type: ignore[union-attr]


def test_compressed_pixels_that_nothing_names_are_refused(tmp_path: Path) -> None:
    header = dataset(XRAY, "DX")
    header.compress(RLELossless)
    path = save(header, tmp_path / "x.dcm")
    data = path.read_bytes()
    path.write_bytes(data[144 + struct.unpack_from("<I", data, 140)[0] :])
    assert is_dicom(path)
    assert reason(path) == "unsupported"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\x00",
        bytes(2000),
        b"A report.\n" * 200,
        struct.pack("<4H", 8, 5, 2, 0) + b"ab" + bytes(range(256)) * 8,
        b"\x02\x00\x01\x00" * 400,
        b"\x89PNG\r\n\x1a\n" + bytes(2000),
        struct.pack("<i", 348) + bytes(2000),
    ],
)
def test_what_begins_otherwise_is_no_dicom(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert not is_dicom(path)
    assert reason(path) in ("unreadable", "unsupported")


@pytest.mark.parametrize("junk", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_twelve_bits_above_the_lowest_four(tmp_path: Path, signed: bool, junk: bool) -> None:
    """HighBit 15 with 12 bits stored, as the first scanners wrote; the four bits below may hold an overlay."""
    below = np.random.default_rng(0).integers(0, 16, XRAY.shape).astype(np.uint16) if junk else np.uint16(0)
    stored = (XRAY << 4) | below
    header = dataset(stored.astype(np.int16) if signed else stored, "DX", BitsStored=12, HighBit=15)
    wanted = XRAY.astype(int) - 4096 * (XRAY >= 2048) if signed else XRAY
    assert np.array_equal(read_image(save(header, tmp_path / "x.dcm")).pixels, wanted)  # type: ignore[union-attr]


def test_more_frames_than_the_header_promises_are_no_image(tmp_path: Path) -> None:
    header = dataset(XRAY, "DX")
    header.PixelData = header.PixelData * 3
    assert reason(save(header, tmp_path / "x.dcm")) == "wrong_dimension"
