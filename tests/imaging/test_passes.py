"""Several passes under one series: which planes are one volume, by places, tags and numbers."""

from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from tests.imaging.test_dicom import dataset, reason, save
from unimedi.imaging.dicom.passes import one_pass, repeats, runs
from unimedi.imaging.dicom.plane import Plane
from unimedi.imaging.image import ImagingError, Volume
from unimedi.imaging.read import read_image

UP = np.array([0.0, 0.0, 1.0])
STEP = 5.0
NOISE = np.random.default_rng(0).integers(-1000, 1000, size=(2, 24, 10, 12)).astype(np.int16)
FIRST, SECOND = NOISE[0, :10], NOISE[1, :10]


def series(folder: Path, voxels: np.ndarray, low: float = 0.0, number: int = 1, **tags: object) -> Path:
    """A pass in a folder, with a step of 5 mm from ``low`` and instance numbers from ``number``; a tag that is a list
    has a value for each slice."""
    folder.mkdir(exist_ok=True)
    for k, plane in enumerate(voxels):
        own = {name: value[k] if isinstance(value, list) else value for name, value in tags.items()}
        place = {"ImagePositionPatient": [0, 0, low + STEP * k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        about = {"RescaleSlope": 1, "RescaleIntercept": -1024, "PixelSpacing": [3.0, 2.0], "InstanceNumber": number + k}
        header = dataset((plane + 1024).astype(np.int16), "CT", SeriesInstanceUID="1.2.3", **{**place, **about, **own})
        save(header, folder / generate_uid())
    return folder


def read(folder: Path) -> Volume:
    image = read_image(folder)
    assert isinstance(image, Volume)
    assert image.spacing == pytest.approx((STEP, 3.0, 2.0))
    return image


DIFFERENT = [
    ("AcquisitionNumber", 1, 2),
    ("TemporalPositionIdentifier", 1, 2),
    ("AcquisitionTime", "101500.5", "101530"),
    ("ContentTime", "101500", "101530"),
    ("ConvolutionKernel", "B30f", "B70f"),
    ("KVP", "100", "140"),
    ("ContrastBolusAgent", None, "iodine"),
    ("EchoTime", "10", "20"),
    ("ImageType", r"ORIGINAL\PRIMARY\AXIAL", r"DERIVED\SECONDARY\AXIAL"),
]


@pytest.mark.parametrize(("tag", "one", "two"), DIFFERENT)
@pytest.mark.parametrize("apart", [0.0, 1.6, 2.5])
def test_two_phases_are_never_mixed(tmp_path: Path, tag: str, one: object, two: object, apart: float) -> None:
    series(tmp_path / "ct", FIRST, **{tag: one})
    image = read(series(tmp_path / "ct", SECOND, apart, **{tag: two}))
    assert np.array_equal(image.voxels, FIRST)
    assert image.notes == ("other_acquisition_dropped",)


def test_numbers_that_each_pass_shuffles_in_its_own_way_do_not_count(tmp_path: Path) -> None:
    for seed, voxels in enumerate((FIRST, SECOND)):
        shuffled = np.random.default_rng(seed).permutation(10).tolist()
        series(tmp_path / "ct", voxels, 2.5 * seed, AcquisitionNumber=seed, InstanceNumber=shuffled)
    assert np.array_equal(read(tmp_path / "ct").voxels, FIRST)


def test_kernels_and_phases_at_once(tmp_path: Path) -> None:
    for number, (acquisition, kernel) in enumerate(product((1, 2), ("B30f", "B70f"))):
        series(tmp_path / "ct", NOISE[0, :6] + number, AcquisitionNumber=acquisition, ConvolutionKernel=kernel)
    assert np.array_equal(read(tmp_path / "ct").voxels, NOISE[0, :6])


@pytest.mark.parametrize("apart", [0.0, 1.6, 2.5])
def test_passes_that_overlap_in_part_are_split(tmp_path: Path, apart: float) -> None:
    series(tmp_path / "ct", FIRST[:9], AcquisitionNumber=1)
    image = read(series(tmp_path / "ct", SECOND, 30 + apart, AcquisitionNumber=2))
    assert np.array_equal(image.voxels, SECOND)
    assert image.notes == ("other_acquisition_dropped",)


def test_without_a_tag_two_passes_are_refused_with_the_numbers(tmp_path: Path) -> None:
    series(tmp_path / "ct", FIRST)
    series(tmp_path / "ct", SECOND, 32.5)
    with pytest.raises(ImagingError, match=r"20 slices of 2 passes .* from 0.0 to 77.5 mm") as caught:
        read_image(tmp_path / "ct")
    assert caught.value.reason == "duplicate_slices"
    assert reason(series(series(tmp_path / "same", FIRST), SECOND)) == "duplicate_slices"


@pytest.mark.parametrize("times", [False, True])
@pytest.mark.parametrize("apart", [0.0, 2.5])
def test_numbers_that_go_on_tell_the_second_way(tmp_path: Path, times: bool, apart: float) -> None:
    """The table jumps back where the second pass begins: in the order of instance numbers, or of times."""
    clock = {"AcquisitionTime": [f"1015{k:02d}" for k in range(10)], "InstanceNumber": None} if times else {}
    later = {"AcquisitionTime": [f"1016{k:02d}" for k in range(10)], "InstanceNumber": None} if times else {}
    series(tmp_path / "ct", FIRST, **clock)
    image = read(series(tmp_path / "ct", SECOND, apart, number=11, **later))
    assert np.array_equal(image.voxels, FIRST)


@pytest.mark.parametrize(
    "tags",
    [
        {"AcquisitionNumber": [k // 4 + 1 for k in range(24)]},
        {"AcquisitionNumber": list(range(24)), "ContentTime": [f"1015{59 - k}" for k in range(24)]},
        {"AcquisitionNumber": [2 if k == 5 else 1 for k in range(24)]},
        {"InstanceNumber": [k % 4 for k in range(24)]},
        {"InstanceNumber": [1] * 24},
        {"InstanceNumber": np.random.default_rng(0).permutation(24).tolist()},
        {"SliceThickness": [0.62499 if k % 3 else 0.625 for k in range(24)]},
    ],
    ids=["step and shoot", "a number a slice", "one odd", "blocks", "all one", "shuffled", "rounded"],
)
@pytest.mark.parametrize("copies", [0, 1, 24])
def test_one_scan_cut_in_many_is_one_volume(tmp_path: Path, tags: dict[str, object], copies: int) -> None:
    folder = series(tmp_path / "ct", NOISE[0], **tags)
    for path in sorted(folder.iterdir())[:copies]:
        path.with_suffix(".copy").write_bytes(path.read_bytes())
    image = read(folder)
    assert np.array_equal(image.voxels, NOISE[0])
    assert image.notes == (("duplicates_dropped",) if copies else ())


def test_step_and_shoot_in_two_phases(tmp_path: Path) -> None:
    series(tmp_path / "ct", NOISE[0], AcquisitionNumber=[k // 4 + 1 for k in range(24)])
    series(tmp_path / "ct", NOISE[1], AcquisitionNumber=[k // 4 + 7 for k in range(24)])
    assert np.array_equal(read(tmp_path / "ct").voxels, NOISE[0])


def test_stops_that_overlap_are_refused_and_not_read_as_a_sixth(tmp_path: Path) -> None:
    for stop in range(6):
        series(tmp_path / "ct", NOISE[0, :5] + stop, 20.0 * stop, AcquisitionNumber=stop)
    assert reason(tmp_path / "ct") == "duplicate_slices"


@pytest.mark.parametrize("turned", [2e-6, 1e-4, 0.004])
def test_cosines_that_differ_by_rounding_are_one_direction(tmp_path: Path, turned: float) -> None:
    cosines = [[1, turned * (k % 2), 0, -turned * (k % 2), 1, 0] for k in range(10)]
    assert np.array_equal(read(series(tmp_path / "ct", FIRST, ImageOrientationPatient=cosines)).voxels, FIRST)


@pytest.mark.parametrize("other", [[1, 0.02, 0, -0.02, 1, 0], [0, 1, 0, -1, 0, 0], [-1, 0, 0, 0, 1, 0]])
def test_slices_that_are_turned_are_refused_and_not_dropped(tmp_path: Path, other: list[float]) -> None:
    cosines = [other if k % 2 else [1, 0, 0, 0, 1, 0] for k in range(10)]
    folder = series(tmp_path / "ct", FIRST, ImageOrientationPatient=cosines)
    with pytest.raises(ImagingError, match="5 of 10 slices are turned by"):
        read_image(folder)


def test_a_few_slices_of_another_size_are_refused_and_a_whole_stack_is_another_series(tmp_path: Path) -> None:
    folder = series(tmp_path / "ct", FIRST)
    assert reason(series(folder, SECOND[:3, :8, :8], STEP * 10)) == "wrong_dimension"
    image = read(series(series(tmp_path / "two", FIRST), SECOND[:6, :8, :8]))
    assert (len(image.voxels), image.notes) == (10, ("other_series_dropped",))


def test_places_and_spacings_are_compared_by_tolerance(tmp_path: Path) -> None:
    places = [[0, 0, STEP * k + 0.002 * (k % 2)] for k in range(10)]
    spacings = [[3.0, 2.0] if k % 2 else [3.0004, 2.0004] for k in range(10)]
    folder = series(tmp_path / "ct", FIRST, ImagePositionPatient=places, PixelSpacing=spacings)
    image = read_image(folder)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, FIRST)
    again = pydicom.dcmread(sorted(folder.iterdir())[3])
    again.ImagePositionPatient = [0, 0, float(again.ImagePositionPatient[2]) + 0.003]
    save(again, folder / "again")
    assert read_image(folder).notes == ("duplicates_dropped",)


def test_planes_against_a_loop_over_all_ways_to_interleave() -> None:
    """Two passes of 4 to 6 slices at any offset: what is kept is one of them, whole."""
    for first, second, low in product((4, 5, 6), (4, 5, 6), np.arange(0, 12, 0.5)):
        places = [(STEP * k, "1") for k in range(first)] + [(low + STEP * k, "2") for k in range(second)]
        planes = [Plane(place * UP, lambda: FIRST[0], {"tag": tag}) for place, tag in places]
        kept = one_pass(planes, UP, "series")
        fuller = "1" if first >= second else "2"
        assert [plane.tags["tag"] for plane in kept] == [fuller] * max(first, second)


def test_runs_and_repeats() -> None:
    along = [0.0, 5.0, 10.0, 15.0] * 2
    assert runs([str(k) for k in range(8)], along) == ["1"] * 4 + ["2"] * 4
    assert len(set(runs(["1"] * 8, along))) == 1
    assert (
        repeats([str(k % 4) for k in range(8)], [0.0, 5.0, 10.0, 15.0, 2.0, 7.0, 12.0, 17.0]) == ["1"] * 4 + ["2"] * 4
    )
    assert repeats([str(k % 4) for k in range(8)], along) == ["1"] * 8
