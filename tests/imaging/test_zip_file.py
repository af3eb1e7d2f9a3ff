"""A zip is read as what it holds, and one that could do harm is refused before anything is written."""

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cohort.dicom_files import put_ct, put_xray
from unimedi.imaging import zip_file
from unimedi.imaging.image import ImagingError
from unimedi.imaging.read import read_image, read_mask


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made: empty again when a test ends."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def packed(path: Path, *files: tuple[str, Path | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content if isinstance(content, bytes) else content.read_bytes())
    return path


def test_a_zip_of_a_series_is_the_series(tmp_path: Path, place: Path) -> None:
    series = put_ct(tmp_path / "series")
    files = sorted(series.iterdir())
    expected = read_image(series)
    junk = [("__MACOSX/a/._IM0", b"x"), ("a/.DS_Store", b"x")]
    for named in (lambda k: f"a/IM{k}", lambda k: f"{k}/image", lambda k: f"../../{k}.dcm", lambda k: f"c:\\x\\{k}"):
        path = packed(tmp_path / "scan.zip", *((named(k), file) for k, file in enumerate(files)), *junk)
        found = read_image(path)
        np.testing.assert_array_equal(found.array, expected.array)
        assert found.spacing == expected.spacing
        assert not os.listdir(place)
    assert {path.name for path in tmp_path.iterdir()} == {"series", "scan.zip", "temporary"}


def test_a_zip_of_one_image_or_of_pictures_by_number(tmp_path: Path, place: Path) -> None:
    xray = put_xray(tmp_path / "chest.dcm")
    found = read_image(packed(tmp_path / "one.zip", ("export/chest", xray)))
    np.testing.assert_array_equal(found.array, read_image(xray).array)
    folder = tmp_path / "slices"
    folder.mkdir()
    for k in range(12):
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (20, 20)).astype(np.uint8)).save(folder / f"{k}.png")
    pictures = [(file.name, file) for file in sorted(folder.iterdir())]
    np.testing.assert_array_equal(read_image(packed(tmp_path / "many.zip", *pictures)).array, read_image(folder).array)
    assert not os.listdir(place)


def test_what_is_refused(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scan.zip"

    def refused(reason: str, said: str) -> None:
        with pytest.raises(ImagingError, match=said) as caught:
            read_image(path)
        assert caught.value.reason == reason
        assert str(path) in str(caught.value)
        assert not os.listdir(place)

    packed(path, ("folder/", b""))
    refused("unreadable", "without a file in it")
    packed(path, ("inner.zip", packed(tmp_path / "inner.zip", ("a", b"x"))))
    refused("unsupported", "an archive within an archive")
    packed(path, ("a.txt", b"no image"), ("b.txt", b"nor this"))
    refused("unreadable", f"^{path}: no DICOM images")
    packed(path, ("a.txt", b"no image"))
    refused("unsupported", f"^{path}/a.txt: not a kind of file known here")
    whole = packed(path, ("chest.dcm", put_xray(tmp_path / "chest.dcm"))).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("unreadable", "zip")
    at = whole.index(b"PK\x01\x02")
    path.write_bytes(whole[:6] + b"\x01" + whole[7 : at + 8] + b"\x01" + whole[at + 9 :])
    refused("unsupported", "an encrypted archive")
    path.write_bytes(whole)
    with pytest.raises(ImagingError, match="a mask is NIfTI"):
        read_mask(path)
    for bound in ("MOST_FILES", "MOST_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(zip_file, bound, 0)
            refused("too_large", "an archive of 1 files")


def test_a_bomb_is_refused_by_the_size_that_it_says_and_stops_at_it_where_it_lies(tmp_path: Path, place: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a", "w") as target:
        for _ in range(64):
            target.write(bytes(1 << 20))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24  # the size in the directory
    data[at : at + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ImagingError, match="at most 10000 and 2147483648 are read"):
        read_image(path)
    data[at : at + 4] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ImagingError, match="CRC"):
        read_image(path)
    assert not os.listdir(place)
