"""What a header promises is compared with the bounds and with what the file holds, before anything is trusted."""

import gzip
import zlib
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from unimedi.imaging import bounded
from unimedi.imaging.axes import box_spacing
from unimedi.imaging.bounded import SLACK, check_deflated, check_finite, check_length, check_size, unpack_gzip
from unimedi.imaging.image import ImagingError, Radiograph, Reason, Volume, unreadable_if_damaged

FILE = Path("ct.nii")
FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"


def test_every_reason_is_explained_to_the_user() -> None:
    missing = [reason for reason in get_args(Reason) if f"`{reason}`" not in FORMATS.read_text("utf-8")]
    assert not missing


@pytest.mark.parametrize(
    ("shape", "reason"),
    [((4, 8, 8), ""), ((), "unreadable"), ((4, 0, 8), "unreadable"), ((1 << 14, 1 << 14), "too_large")],
)
def test_a_shape_is_judged_before_memory_is_taken(shape: tuple[int, ...], reason: str) -> None:
    if not reason:
        check_size(shape, FILE)
        return
    with pytest.raises(ImagingError, match=r"ct\.nii: the header promises") as caught:
        check_size(shape, FILE)
    assert caught.value.reason == reason


def test_data_may_be_longer_by_padding_alone_and_never_shorter() -> None:
    for found in (100, 100 + SLACK):
        check_length(found, 100, FILE)
    for found, told in ((99, "truncated: 99 bytes"), (101 + SLACK, "holds more than the 100 bytes")):
        with pytest.raises(ImagingError, match=told):
            check_length(found, 100, FILE)


def test_unpacking_stops_where_the_promise_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "CHUNK", 1024)
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(bytes(1 << 22)))
    with (tmp_path / "out").open("w+b") as target:
        with pytest.raises(ImagingError, match="holds more than"):
            unpack_gzip(bomb, 1000, target)
        assert target.tell() <= 1000 + SLACK + 1024
    sound = tmp_path / "sound.nii.gz"
    sound.write_bytes(gzip.compress(b"voxels"))
    with (tmp_path / "out").open("w+b") as target:
        unpack_gzip(sound, 6, target)
    assert (tmp_path / "out").read_bytes() == b"voxels"


def test_a_deflated_part_of_a_file_is_counted_to_its_end(tmp_path: Path) -> None:
    path, packed = tmp_path / "ct.nrrd", zlib.compress(bytes(5000))
    path.write_bytes(b"head" + packed)
    check_deflated(path, 4, len(packed), 5000)
    check_deflated(path, 4, None, 5000)
    for size, promised in ((len(packed), 9000), (len(packed) - 4, 5000), (len(packed), 100)):
        with pytest.raises(ImagingError) as caught:
            check_deflated(path, 4, size, promised)
        assert caught.value.reason == "unreadable"


def test_one_value_that_is_no_number_is_enough() -> None:
    check_finite(np.array([1, -5]), FILE)
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(ImagingError, match="NaN or infinite"):
            check_finite(np.array([1.0, value], np.float32), FILE)


def test_the_axes_of_a_grid_give_its_spacing_and_must_stand_at_right_angles() -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert box_spacing(turn * [2.0, 3.0, 5.0], FILE) == pytest.approx((2.0, 3.0, 5.0))
    sheared = np.eye(3) + np.array([[0, 0.05, 0], [0, 0, 0], [0, 0, 0]])
    for columns in (sheared, np.diag([1.0, 0.0, 1.0]), np.diag([1.0, np.nan, 1.0])):
        with pytest.raises(ImagingError) as caught:
            box_spacing(columns, FILE)
        assert caught.value.reason == "bad_orientation"


def test_what_a_decoder_raises_is_told_in_one_line_and_own_refusals_are_kept() -> None:
    with pytest.raises(ImagingError, match=r"^ct\.nii: bad block$") as caught, unreadable_if_damaged(FILE):
        raise OSError("bad\n  block")
    assert caught.value.reason == "unreadable"
    with pytest.raises(ImagingError) as caught, unreadable_if_damaged(FILE):
        raise ImagingError("nan", "mine")
    assert caught.value.reason == "nan"


def test_pixels_and_voxels_have_one_name_in_common() -> None:
    pixels, voxels = np.zeros((8, 9), np.float32), np.zeros((4, 8, 9), np.int16)
    assert Radiograph(pixels).array is pixels
    assert Volume(voxels, (1.0, 1.0, 1.0)).array is voxels
