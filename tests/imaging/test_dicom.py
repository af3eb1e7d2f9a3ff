from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from unimedi.imaging.dicom.read import read_series
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.read import read_image

RNG = np.random.default_rng(0)
XRAY = RNG.integers(0, 4096, size=(12, 10)).astype(np.uint16)
CT = RNG.integers(-1000, 1000, size=(6, 10, 12)).astype(np.int16)


def dataset(pixels: np.ndarray, modality: str, **tags: object) -> Dataset:
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = (
        "1.2.840.10008.5.1.4.1.1.2" if modality == "CT" else "1.2.840.10008.5.1.4.1.1.1.1"
    )
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid()
    header.Modality, header.PatientID, header.StudyInstanceUID = modality, "p", "1.2.3"
    header.Rows, header.Columns = pixels.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    header.PixelRepresentation = int(pixels.dtype == np.int16)
    header.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(header, name, value)
    return header


def save(header: Dataset, path: Path) -> Path:
    header.save_as(path, enforce_file_format=True)
    return path


def xray(tmp_path: Path, **tags: object) -> np.ndarray:
    image = read_image(save(dataset(XRAY, "DX", **tags), tmp_path / "x.dcm"))
    assert isinstance(image, Radiograph)
    return image.pixels


def write_series(folder: Path, voxels: np.ndarray = CT, skip: tuple[int, ...] = (), **tags: object) -> Path:
    """Files named in shuffled order, instance numbers that lie, stored with an offset of 1024."""
    folder.mkdir(exist_ok=True)
    uid, names = generate_uid(), RNG.permutation(len(voxels))
    for k, plane in enumerate(voxels):
        if k in skip:
            continue
        place = {"ImagePositionPatient": [0, 0, 5.0 * k - 30], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        about = {"RescaleSlope": 1, "RescaleIntercept": -1024, "PixelSpacing": [3.0, 2.0], "SliceThickness": 9}
        number = {"SeriesInstanceUID": uid, "InstanceNumber": int(names[k])}
        header = dataset((plane + 1024).astype(np.int16), "CT", **{**place, **about, **number, **tags})
        save(header, folder / f"{uid[-6:]}-{names[k]:03d}")
    return folder


def reason(path: Path) -> str:
    with pytest.raises(ImagingError, match=path.name) as caught:
        read_image(path)
    return caught.value.reason


def test_monochrome1_is_shown_with_dense_tissue_bright(tmp_path: Path) -> None:
    plain = xray(tmp_path)
    assert np.array_equal(plain, XRAY)
    assert np.array_equal(xray(tmp_path, PhotometricInterpretation="MONOCHROME1"), plain.max() - plain)


def test_rescale_and_window_are_applied(tmp_path: Path) -> None:
    scaled = xray(tmp_path, RescaleSlope=2, RescaleIntercept=-100)
    assert np.array_equal(scaled, XRAY * 2.0 - 100)
    shown = xray(tmp_path, WindowCenter=1000, WindowWidth=500)
    below, above = XRAY < 700, XRAY > 1300
    assert (shown[below] == shown.min()).all()
    assert (shown[above] == shown.max()).all()


def test_a_window_that_shows_nothing_is_not_believed(tmp_path: Path) -> None:
    assert np.array_equal(xray(tmp_path, WindowCenter=60000, WindowWidth=2), XRAY)
    for width in (0, -500, [0, 0]):
        centre = [2000, 100] if isinstance(width, list) else 2000
        assert np.array_equal(xray(tmp_path, WindowCenter=centre, WindowWidth=width), XRAY)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [(["L", "F"], np.s_[:, :]), (["R", "F"], np.s_[:, ::-1]), (["L", "H"], np.s_[::-1, :]), (["A", "F"], np.s_[:, :])],
)
def test_the_patients_right_is_on_the_viewers_left(
    tmp_path: Path, orientation: list[str], turn: tuple[slice, ...]
) -> None:
    assert np.array_equal(xray(tmp_path, PatientOrientation=orientation), XRAY[turn])


def test_spacing_is_the_patients_or_else_the_detectors(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    assert read_image(save(dataset(XRAY, "DX"), path)).spacing is None
    assert read_image(save(dataset(XRAY, "DX", ImagerPixelSpacing=[0.2, 0.1]), path)).spacing == (0.2, 0.1)
    both = dataset(XRAY, "DX", ImagerPixelSpacing=[0.2, 0.1], PixelSpacing=[0.3, 0.4])
    assert read_image(save(both, path)).spacing == (0.3, 0.4)


def test_compressed_pixels_are_the_same(tmp_path: Path) -> None:
    header = dataset(XRAY, "CR")
    header.compress(RLELossless)
    assert np.array_equal(read_image(save(header, tmp_path / "x.dcm")).pixels, XRAY)  # type: ignore[union-attr]


def test_a_series_is_ordered_by_position_and_given_in_hounsfield_units(tmp_path: Path) -> None:
    image = read_series(write_series(tmp_path / "ct"))
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    assert image.spacing == pytest.approx((5.0, 3.0, 2.0))  # by positions; the header's thickness of 9 mm is wrong


def test_of_several_series_the_largest_axial_one_is_read(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    write_series(folder, CT[:4])
    coronal = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
    scout = np.concatenate([CT, CT])
    for k in range(len(scout)):
        place = {"ImagePositionPatient": [0, float(k), 0]}
        write_series(folder, scout[k : k + 1], SeriesInstanceUID="1.2.3.4", **coronal, **place)
    image = read_image(folder)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    assert image.notes == ("other_series_dropped",)


def test_a_folder_with_one_xray_is_that_xray(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    save(dataset(XRAY, "DX", SeriesInstanceUID=generate_uid()), tmp_path / "study" / "IM1")
    assert np.array_equal(read_image(tmp_path / "study").pixels, XRAY)  # type: ignore[union-attr]


def test_bad_series_are_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert reason(tmp_path / "empty") == "unreadable"
    assert reason(write_series(tmp_path / "gap", skip=(3,))) == "missing_slices"
    assert reason(write_series(tmp_path / "thin", CT[:3])) == "too_few_slices"
    assert reason(write_series(tmp_path / "same", ImagePositionPatient=[0, 0, 0])) == "duplicate_slices"
    one = save(dataset(CT[0], "CT"), tmp_path / "slice.dcm")
    assert reason(one) == "too_few_slices"
    many = dataset(XRAY, "US", NumberOfFrames=2)
    many.PixelData = many.PixelData * 2
    assert reason(save(many, tmp_path / "cine.dcm")) == "wrong_dimension"


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
def test_a_truncated_dicom_is_refused(tmp_path: Path, kept: float) -> None:
    path = save(dataset(XRAY, "DX"), tmp_path / "x.dcm")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert reason(path) in ("unreadable", "unsupported")


def test_a_series_with_one_damaged_slice_is_refused(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    victim = sorted(folder.iterdir())[2]
    victim.write_bytes(victim.read_bytes()[:-100])
    assert reason(folder) in ("unreadable", "uneven_slices")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("JPEG2000.dcm", (1024, 256)),
        ("JPEGLSNearLossless_16.dcm", (50, 10)),
        ("SC_rgb_jpeg_dcmtk.dcm", (100, 100)),
        ("SC_rgb_rle_16bit.dcm", (100, 100)),
        ("examples_palette.dcm", (350, 800)),
        ("examples_rgb_color.dcm", (240, 320)),
    ],
)
def test_pydicoms_own_pictures_are_read(name: str, shape: tuple[int, int]) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"this pydicom does not ship {name}")
    image = read_image(Path(str(path)))
    assert isinstance(image, Radiograph)
    assert image.pixels.shape == shape
    assert np.isfinite(image.pixels).all()


def test_every_file_pydicom_ships_is_read_or_refused() -> None:
    """Damaged, private, compressed, colour, plans, waveforms, without a header: nothing but ImagingError may come out,
    in one line, and no warning (which here would be an error)."""
    folder = Path(pydicom.data.__file__).parent / "test_files"
    read, refused, messages = set(), {}, []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            image = read_image(path)
            read.add(path.name)
            assert image.ndim in (2, 3)
        except ImagingError as error:
            refused[path.name] = error.reason
            messages.append(str(error))
    assert len(read) > 30
    assert not [message for message in messages if "\n" in message]
    assert {refused[name] for name in refused if name.startswith("rtdose")} == {"unsupported"}
    # Without preamble and meta group: recognised, and refused for what they hold.
    assert refused["ExplVR_BigEndNoMeta.dcm"] == refused["rtstruct.dcm"] == "unsupported"
