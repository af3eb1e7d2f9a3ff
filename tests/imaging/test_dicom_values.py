"""What the values and sizes of DICOM images mean: modality, scale, units, padding, pixel spacing and aspect."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.imaging.test_dicom import CT, XRAY, dataset, reason, save, write_series
from tests.imaging.test_dicom_series import enhanced, group
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.read import read_image
from unimedi.inputs.preprocess import Preprocess

# -- which modality ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["PT", "MR", "NM", "RTDOSE", "SEG", "DX", "OT"])
def test_the_ct_of_a_folder_is_read_whatever_lies_beside_it(tmp_path: Path, modality: str) -> None:
    folder = write_series(tmp_path / "ct", np.concatenate([CT, CT + 1]), Modality=modality)
    write_series(folder)
    image = read_image(folder)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    assert (image.notes, image.modality) == (("other_series_dropped",), "CT")


def test_objects_without_pixels_are_noted(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    plan = dataset(XRAY, "RTSTRUCT")
    del plan.PixelData, plan.Rows, plan.Columns
    save(plan, folder / "plan")
    (folder / "note.txt").write_text("a note")
    assert read_image(folder).notes == ("other_series_dropped",)


@pytest.mark.parametrize("modality", ["PT", "RTDOSE", "SEG"])
def test_what_is_no_image_of_the_body_is_refused_alone_too(tmp_path: Path, modality: str) -> None:
    assert reason(write_series(tmp_path / "series", Modality=modality)) == "unsupported"
    assert reason(save(dataset(XRAY, modality), tmp_path / "x.dcm")) == "unsupported"


def test_the_kind_of_object_says_what_the_modality_does_not(tmp_path: Path) -> None:
    assert read_image(write_series(tmp_path / "ct", Modality="")).modality == "CT"
    dose = write_series(tmp_path / "dose", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.2")
    assert reason(dose) == "unsupported"


def test_an_mr_alone_is_read_and_says_so(tmp_path: Path) -> None:
    assert read_image(write_series(tmp_path / "mr", Modality="MR")).modality == "MR"


def test_several_xrays_in_one_series_are_no_volume(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    for k in range(5):
        save(dataset(XRAY, "DX", SeriesInstanceUID="1.2"), tmp_path / "study" / f"{k}")
    assert reason(tmp_path / "study") == "wrong_dimension"


def test_an_enhanced_ct_beside_its_localiser_or_a_dose(tmp_path: Path) -> None:
    for name, beside in (("localiser", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}), ("dose", {})):
        folder = tmp_path / name
        folder.mkdir()
        save(enhanced(list(range(6))), folder / "IM2")
        modality = "CT" if beside else "RTDOSE"
        place = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
        save(dataset(XRAY, modality, SeriesInstanceUID=generate_uid(), **place, **beside), folder / "IM1")
        alone = read_image(save(enhanced(list(range(6))), tmp_path / f"{name}.dcm"))
        image = read_image(folder)
        assert isinstance(image, Volume)
        assert np.array_equal(image.voxels, alone.voxels)  # type: ignore[union-attr]
        assert image.notes == ("localiser_dropped" if beside else "other_series_dropped",)


def test_an_enhanced_ct_in_two_files_is_one_volume(tmp_path: Path) -> None:
    whole = read_image(save(enhanced(list(range(6))), tmp_path / "whole.dcm"))
    for name, order in (("a", [0, 1, 2]), ("b", [3, 4, 5])):
        (tmp_path / "parts").mkdir(exist_ok=True)
        part = enhanced(order)
        part.SeriesInstanceUID = "1.2.3"
        save(part, tmp_path / "parts" / name)
    assert np.array_equal(read_image(tmp_path / "parts").voxels, whole.voxels)  # type: ignore[union-attr]


# -- scale ------------------------------------------------------------------------------------------------------------


def changed(folder: Path, number: int, **tags: object) -> Path:
    path = sorted(folder.iterdir())[number]
    header = pydicom.dcmread(path)
    for name, value in tags.items():
        if value is None:
            del header[name]
        else:
            setattr(header, name, value)
    save(header, path)
    return folder


@pytest.mark.parametrize(
    "tags",
    [{"RescaleSlope": None, "RescaleIntercept": None}, {"RescaleSlope": "", "RescaleIntercept": ""}],
    ids=["absent", "empty"],
)
def test_a_slice_without_the_scale_of_the_others_is_refused_by_name(tmp_path: Path, tags: dict[str, object]) -> None:
    folder = changed(write_series(tmp_path / "ct"), 2, **tags)
    victim = pydicom.dcmread(sorted(folder.iterdir())[2])
    with pytest.raises(ImagingError, match=rf"1 of 6 slices .* instance {victim.InstanceNumber} \(") as caught:
        read_image(folder)
    assert caught.value.reason == "bad_scaling"


@pytest.mark.parametrize(
    "tags", [{"RescaleIntercept": None}, {"RescaleSlope": None}, {"RescaleSlope": 0}], ids=["slope", "intercept", "0"]
)
def test_half_a_scale_is_refused(tmp_path: Path, tags: dict[str, object]) -> None:
    assert reason(changed(write_series(tmp_path / "one"), 0, **tags)) == "bad_scaling"


def test_slopes_may_differ_from_slice_to_slice(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    for k, path in enumerate(sorted(folder.iterdir())):
        header = pydicom.dcmread(path)
        stored = (header.pixel_array.astype(int) - 1024).astype(np.int16)
        header.PixelData, header.RescaleSlope, header.RescaleIntercept = (stored * 2).tobytes(), 0.5, 0
        save(header, path) if k % 2 else None
    assert np.array_equal(read_image(folder).voxels, CT)  # type: ignore[union-attr]


def test_a_ct_without_any_scale_is_noted(tmp_path: Path) -> None:
    image = read_image(write_series(tmp_path / "ct", RescaleSlope=None, RescaleIntercept=None))
    assert image.notes == ("no_rescale",)


@pytest.mark.parametrize(
    ("units", "expected"),
    [("HU", ()), ("", ()), ("US", ("units_unstated",)), ("HU_MOD", ("hu_modified",)), ("MGML", None), ("OD", None)],
)
def test_units_other_than_hounsfields_are_refused(tmp_path: Path, units: str, expected: tuple[str, ...] | None) -> None:
    folder = write_series(tmp_path / "ct", RescaleType=units)
    if expected is None:
        assert reason(folder) == "not_hu"
    else:
        assert read_image(folder).notes == expected


def test_a_frame_without_the_scale_of_the_others_is_refused(tmp_path: Path) -> None:
    header = enhanced(list(range(6)))
    del header.PerFrameFunctionalGroupsSequence[4].PixelValueTransformationSequence
    with pytest.raises(ImagingError, match=r"1 of 6 slices .* frame 5") as caught:
        read_image(save(header, tmp_path / "x.dcm"))
    assert caught.value.reason == "bad_scaling"


def test_frames_of_two_phases_or_two_spacings(tmp_path: Path) -> None:
    header = enhanced([0, 1, 2, 3, 4, 5])
    alone = read_image(save(header, tmp_path / "alone.dcm"))
    twice = enhanced([0, 1, 2, 3, 4, 5] * 2)
    pixels = np.frombuffer(twice.PixelData, np.uint16).reshape(12, -1).copy()
    pixels[6:] += 7
    twice.PixelData = pixels.tobytes()
    for k, frame in enumerate(twice.PerFrameFunctionalGroupsSequence):
        frame.update(group(FrameContentSequence={"TemporalPositionIndex": 1 + k // 6}))
    image = read_image(save(twice, tmp_path / "twice.dcm"))
    assert np.array_equal(image.voxels, alone.voxels)  # type: ignore[union-attr]
    assert image.notes == ("other_acquisition_dropped",)
    for k, frame in enumerate(twice.PerFrameFunctionalGroupsSequence):  # half a step apart, and the order alone tells
        place = {"ImagePositionPatient": [0, 0, 5.0 * (k % 6) + 2.5 * (k // 6)]}
        frame.update(group(FrameContentSequence={}, PlanePositionSequence=place))
    image = read_image(save(twice, tmp_path / "between.dcm"))
    assert np.array_equal(image.voxels, alone.voxels)  # type: ignore[union-attr]
    assert image.notes == ("other_acquisition_dropped",)
    header.PerFrameFunctionalGroupsSequence[2].update(group(PixelMeasuresSequence={"PixelSpacing": [1, 1]}))
    assert reason(save(header, tmp_path / "spacing.dcm")) == "bad_spacing"


# -- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize(("first", "written"), [(0, 0), (100, 100), (-1024, -1024), (-1024, 64512)])
@pytest.mark.parametrize("kind", ["16 bits", "8 bits", "8 bits packed", "list"])
def test_tables_against_a_loop(tmp_path: Path, keyword: str, first: int, written: int, kind: str) -> None:
    table = np.arange(3000) // 12 + 1
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if written < 0 else "US", [3000, written, 8 if "8" in kind else 16])
    data = table.astype(np.uint8 if "packed" in kind else np.uint16)
    item.add_new("LUTData", "US" if kind == "list" else "OW", data.tolist() if kind == "list" else data.tobytes())
    item.ModalityLUTType = "US"
    pixels = (XRAY.astype(int) - 1024 * (first < 0)).astype(np.int16 if first < 0 else np.uint16)
    header = dataset(pixels, "DX", **{keyword: [item]})
    if keyword == "VOILUTSequence":
        header.RescaleSlope, header.RescaleIntercept = 1, 0
    image = read_image(save(header, tmp_path / "x.dcm"))
    wanted = [[table[min(max(int(value) - first, 0), 2999)] for value in row] for row in pixels]
    assert np.array_equal(image.pixels, wanted)  # type: ignore[union-attr]


# -- padding ----------------------------------------------------------------------------------------------------------


def padded(tmp_path: Path, pixels: np.ndarray, kind: str, *padding: tuple[int, str, int]) -> np.ndarray:
    """The image read; ``padding`` is a tag, its VR as written, and its value."""
    bits = pixels.dtype.itemsize * 8
    header = dataset(pixels, "CR", PhotometricInterpretation=kind, BitsAllocated=bits, HighBit=bits - 1)
    header.BitsStored, header.PixelRepresentation = bits, int(pixels.dtype.kind == "i")
    for tag, vr, value in padding:
        header.add_new(tag, vr, value)
    image = read_image(save(header, tmp_path / "x.dcm"))
    assert isinstance(image, Radiograph)
    return image.pixels


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("dtype", "stored", "vr", "written"),
    [
        (np.int16, -2000, "SS", -2000),
        (np.int16, -2000, "US", 63536),
        (np.uint16, 63536, "US", 63536),
        (np.uint16, 63536, "SS", -2000),
        (np.int32, -2000, "US", 63536),
    ],
)
def test_padding_is_the_darkest_however_its_value_is_written(
    tmp_path: Path, kind: str, dtype: type, stored: int, vr: str, written: int
) -> None:
    pixels = np.full((24, 24), stored, dtype)
    pixels[4:20, 4:20] = np.arange(256).reshape(16, 16) * 3
    shown = padded(tmp_path, pixels, kind, (0x00280120, vr, written))
    assert (shown[:4] == shown.min()).all()
    assert np.ptp(shown) == 255 * 3
    # A range from one value to another, both with the wrong sign.
    pixels[0, :12] += 7
    ends = ((0x00280120, vr, written), (0x00280121, vr, written + 7))
    assert np.ptp(padded(tmp_path, pixels, kind, *ends)) == 255 * 3


def test_padding_beyond_the_bits_that_are_stored(tmp_path: Path) -> None:
    pixels = np.full((24, 24), 63536, np.uint16)
    pixels[4:20, 4:20] = np.arange(256).reshape(16, 16)
    header = dataset(pixels, "CR", BitsStored=12, HighBit=11)
    header.add_new(0x00280120, "US", 63536)
    image = read_image(save(header, tmp_path / "x.dcm"))
    assert image.pixels.max() == 255  # type: ignore[union-attr]


def test_bright_padding_of_a_ct_is_air_and_water_inside_stays_water(tmp_path: Path) -> None:
    voxels = CT.copy()
    voxels[:, :2] = 3000
    voxels[:, 5, 5] = 3000
    image = read_image(write_series(tmp_path / "ct", voxels, PixelPaddingValue=3000 + 1024))
    assert isinstance(image, Volume)
    assert (image.voxels[:, :2] == -1024).all()
    assert np.array_equal(image.voxels[:, 2:], voxels[:, 2:])


# -- sizes ------------------------------------------------------------------------------------------------------------

DETECTOR = {"ImagerPixelSpacing": [0.2, 0.1]}
TAGS = ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"]
WIDE = np.tile(np.arange(64, dtype=np.uint16) * 60 + 5, (32, 1))  # 32 rows of 64: square where a pixel is twice as high


def sides(tmp_path: Path, **tags: object) -> tuple[int, int]:
    """Rows and columns that the picture fills where it is stored."""
    image = read_image(save(dataset(WIDE, "CR", **tags), tmp_path / "x.dcm"))
    stored = Preprocess().stored(image)
    return int(stored.any(axis=1).sum()), int(stored.any(axis=0).sum())


@pytest.mark.parametrize(
    "tags",
    [
        {"PixelAspectRatio": [2, 1]},
        {"PixelAspectRatio": [2, 1], "PixelSpacing": [0, 0]},
        {"NominalScannedPixelSpacing": [0.4, 0.2]},
        {"ImagerPixelSpacing": [0.4, 0.2]},
        {"PixelSpacing": [0.4, 0.2], "PixelAspectRatio": [1, 1]},
    ],
    ids=["aspect", "aspect and no spacing", "film", "detector", "patient"],
)
def test_a_square_body_is_stored_square(tmp_path: Path, tags: dict[str, object]) -> None:
    rows, columns = sides(tmp_path, **tags)
    assert abs(rows - columns) <= 3
    assert max(rows, columns) == 128


def test_without_a_word_pixels_are_square(tmp_path: Path) -> None:
    rows, columns = sides(tmp_path)
    assert 2 * rows == 128 >= columns > 120


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"PixelSpacing": [0.2, 0.1], "ImagerPixelSpacing": [0.2, 0.1]}, (0.1, 0.05)),
        ({"PixelSpacing": [0.1, 0.05], "ImagerPixelSpacing": [0.2, 0.1]}, (0.1, 0.05)),
        (
            {"PixelSpacing": [0.2, 0.1], "ImagerPixelSpacing": [0.2, 0.1], "PixelSpacingCalibrationType": "F"},
            (0.2, 0.1),
        ),
        ({"ImagerPixelSpacing": [0.2, 0.1], "NominalScannedPixelSpacing": [9, 9]}, (0.1, 0.05)),
        ({"NominalScannedPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
    ],
)
def test_magnification_is_of_the_detector_alone(
    tmp_path: Path, tags: dict[str, object], expected: tuple[float, float]
) -> None:
    header = dataset(XRAY, "DX", EstimatedRadiographicMagnificationFactor="2", **tags)
    assert read_image(save(header, tmp_path / "x.dcm")).spacing == pytest.approx(expected)


@pytest.mark.parametrize(
    "tag", ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"]
)
@pytest.mark.parametrize("value", [[-1, 1], [0, 1], [1], [1, 1, 1]])
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, tag: str, value: list[float]) -> None:
    assert reason(save(dataset(XRAY, "DX", **{tag: value}), tmp_path / "x.dcm")) == "bad_spacing"


def test_empty_tags_say_nothing(tmp_path: Path) -> None:
    empty = {"RescaleSlope": None, "RescaleIntercept": None, "WindowCenter": None, "WindowWidth": None}
    sizes = {"PixelSpacing": None, "PixelAspectRatio": None, "ImagerPixelSpacing": None}
    image = read_image(save(dataset(XRAY, "DX", **empty, **sizes), tmp_path / "x.dcm"))
    assert np.array_equal(image.pixels, XRAY)  # type: ignore[union-attr]
    assert image.spacing is None
