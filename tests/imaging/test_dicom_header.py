"""What single DICOM headers say: stored bits, padding, scale, spacing, directions, frames."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.imaging.test_dicom import CT, dataset, write_series
from unimedi.imaging.dicom.frames import frame_directions, is_enhanced
from unimedi.imaging.dicom.pixels import dark_padding, padding, pixels_and_padding, stored_pixels
from unimedi.imaging.dicom.scale import Scale, check_scales, hounsfield_notes, scale_of
from unimedi.imaging.dicom.series import chosen, count_slices, groups_of
from unimedi.imaging.dicom.slice import directions, numbers, planes_of, slice_of
from unimedi.imaging.dicom.spacing import image_aspect, image_spacing, slice_spacing
from unimedi.imaging.image import ImagingError
from unimedi.imaging.intensity import AIR_HU

PIXELS = np.arange(80, dtype=np.uint16).reshape(8, 10)


def reason(call: object, *args: object) -> str:
    with pytest.raises(ImagingError) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value.reason


def test_twelve_bits_that_lie_high_are_moved_down() -> None:
    header = dataset(PIXELS << 4, "DX", BitsStored=12, HighBit=15)
    assert np.array_equal(stored_pixels(header), PIXELS)


def test_padding_is_a_range_and_its_tag_may_have_the_other_sign() -> None:
    signed = np.array([[-2000, 5], [7, -2000]], np.int16)
    header = dataset(signed, "CT", PixelPaddingValue=63536)  # -2000 without its sign
    assert np.array_equal(padding(signed, header), signed == -2000)
    header = dataset(PIXELS, "DX", PixelPaddingValue=10, PixelPaddingRangeLimit=20)
    stored, outside = pixels_and_padding(header)
    assert np.array_equal(outside, (stored >= 10) & (stored <= 20))
    assert pixels_and_padding(header, (2, 4, 10))[1].shape == (2, 4, 10)
    assert not padding(PIXELS, dataset(PIXELS, "DX")).any()


def test_bright_padding_becomes_air_where_it_touches_the_border() -> None:
    hu = np.zeros((6, 6), np.int16)
    outside = np.zeros((6, 6), np.bool_)
    outside[0, :2] = outside[3, 3] = True
    assert np.array_equal(np.argwhere(dark_padding(hu, outside) == AIR_HU), [[0, 0], [0, 1]])


def test_a_scale_needs_both_numbers_and_all_slices_or_none() -> None:
    line = scale_of(dataset(PIXELS, "CT", RescaleSlope=2, RescaleIntercept=-1024), "ct")
    assert np.array_equal(line(PIXELS), 2.0 * PIXELS - 1024)
    assert scale_of(dataset(PIXELS, "CT"), "ct") == Scale()
    assert reason(scale_of, dataset(PIXELS, "CT", RescaleSlope=2), "ct") == "bad_scaling"
    assert reason(scale_of, dataset(PIXELS, "CT", RescaleSlope=0, RescaleIntercept=0), "ct") == "bad_scaling"
    check_scales([line, line], ["1", "2"], "ct")
    assert reason(check_scales, [line, Scale()], ["1", "2"], "ct") == "bad_scaling"


def test_units_other_than_hounsfields_are_refused_and_unstated_ones_noted() -> None:
    assert hounsfield_notes([Scale((1.0, 0.0), units="HU")], "ct") == []
    assert hounsfield_notes([Scale()], "ct") == ["no_rescale"]
    assert hounsfield_notes([Scale((1.0, 0.0), units="US")], "ct") == ["units_unstated"]
    assert reason(hounsfield_notes, [Scale((1.0, 0.0), units="MGML")], "ct") == "not_hu"


def test_the_pixels_of_a_patient_are_smaller_than_those_of_the_detector() -> None:
    at = {"ImagerPixelSpacing": [0.2, 0.3], "EstimatedRadiographicMagnificationFactor": 2.0}
    assert image_spacing(dataset(PIXELS, "DX", **at), "x") == (0.1, 0.15)
    assert image_spacing(dataset(PIXELS, "DX", **at, PixelSpacing=[0.5, 0.5]), "x") == (0.5, 0.5)
    assert image_spacing(dataset(PIXELS, "DX"), "x") is None
    assert image_aspect(dataset(PIXELS, "DX", PixelAspectRatio=[2, 1]), "x") == 2.0
    assert slice_spacing(dataset(PIXELS, "CT", PixelSpacing=[0.0, 0.0]), "x") is None  # not known, says an archive
    assert reason(slice_spacing, dataset(PIXELS, "CT", PixelSpacing=[1.0, -1.0]), "x") == "bad_spacing"


def test_directions_are_two_vectors_or_nothing() -> None:
    assert np.array_equal(directions([1, 0, 0, 0, 1, 0]), [[1, 0, 0], [0, 1, 0]])  # type: ignore[arg-type]
    assert directions([1, 0, 0]) is None
    assert numbers("1\\2", 2) is None
    header = dataset(PIXELS, "CT")
    assert not is_enhanced(header)
    macro = Dataset()
    macro.PlaneOrientationSequence = [Dataset()]
    macro.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 0, 1]
    header.PerFrameFunctionalGroupsSequence = [macro]
    assert is_enhanced(header)
    assert np.array_equal(frame_directions(header), [[0, 1, 0], [0, 0, 1]])  # type: ignore[arg-type]


def test_slices_of_a_series_become_planes_of_one_grid(tmp_path: Path) -> None:
    groups, others = groups_of(sorted(write_series(tmp_path / "ct").iterdir()), tmp_path)
    assert not others
    group, notes = chosen(groups, tmp_path)
    assert (count_slices(group), notes) == (len(CT), [])
    planes, grid, notes = planes_of([slice_of(header, "ct") for header in group], "CT", "ct")
    assert notes == []
    assert grid.spacing == (3.0, 2.0)
    ordered = sorted(planes, key=lambda plane: float(plane.position @ grid.normal))
    assert np.array_equal(np.stack([plane.voxels() for plane in ordered]), CT)
