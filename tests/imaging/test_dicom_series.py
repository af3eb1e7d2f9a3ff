"""What scanners and archives do to a series: tilt, gaps, uneven steps, doubles, scouts, many frames, an index."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from tests.imaging.test_dicom import CT, XRAY, dataset, reason, save, write_series, xray
from unimedi.imaging.dicom.display import shown
from unimedi.imaging.dicom.file import open_whole
from unimedi.imaging.dicom.plane import Grid, Plane
from unimedi.imaging.dicom.stacking import stack
from unimedi.imaging.image import ImagingError, Volume
from unimedi.imaging.read import read_image

AXIAL = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def body(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A smooth patient: HU as a function of mm, with a landmark that no axis can be confused about."""
    return (
        400 * np.sin(x / 25) + 300 * np.cos(y / 30 + 0.5) + 4 * z + 300 * np.exp(-((x - 20) ** 2 + (y - 30) ** 2) / 400)
    )


def planes(positions: np.ndarray, cosines: np.ndarray = AXIAL, size: int = 40, mm: float = 2.0) -> list[Plane]:
    """Slices of the smooth patient, each sampled where its pixels really lie."""
    steps = np.arange(size) * mm
    found = []
    for place in positions:
        where = place + steps[None, :, None] * cosines[0] + steps[:, None, None] * cosines[1]
        hu = np.rint(body(where[..., 0], where[..., 1], where[..., 2])).astype(np.int16)
        found.append(Plane(np.asarray(place, float), lambda hu=hu: hu))  # type: ignore[misc]
    return found


def along_z(*heights: float) -> np.ndarray:
    return np.array([[0.0, 0.0, height] for height in heights])


def refused(positions: np.ndarray, **more: object) -> ImagingError:
    with pytest.raises(ImagingError) as caught:
        stack(planes(positions, **more), Grid(AXIAL, (2.0, 2.0)), "series")  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("degrees", [-20.0, 8.0, 25.0])
def test_a_tilted_gantry_is_corrected(degrees: float) -> None:
    """Planes lean by an angle while the table moves along z: on the corrected grid each voxel is the patient there."""
    lean = np.deg2rad(degrees)
    cosines = np.array([[1.0, 0, 0], [0, np.cos(lean), np.sin(lean)]])
    volume = stack(planes(along_z(*np.arange(0, 120, 3.0)), cosines), Grid(cosines, (2.0, 2.0)), "series")
    assert volume.notes == ("tilt_corrected",)
    assert volume.spacing == pytest.approx((3.0, 2.0 * np.cos(lean), 2.0))
    depth, height, width = volume.voxels.shape
    assert (depth, height, width) == (40, 40, 40)
    middle = 39 / 2  # the middle row keeps its place
    y = middle * 2.0 * np.cos(lean) + (np.arange(height) - middle) * volume.spacing[1]
    z = np.arange(depth) * 3.0 + middle * 2.0 * np.sin(lean)
    wanted = body(np.arange(width) * 2.0 + np.zeros((depth, height, 1)), y[None, :, None], z[:, None, None])
    inside = np.s_[8:-8, 4:-4, 2:-2]
    assert np.abs(volume.voxels[inside] - wanted[inside]).max() < 6


def test_uneven_steps_are_made_even() -> None:
    heights = np.cumsum([0, 2.0, 2.0, 2.8, 2.0, 2.4, 2.0, 2.0])
    volume = stack(planes(along_z(*heights)), Grid(AXIAL, (2.0, 2.0)), "series")
    assert volume.notes == ("uneven_resampled",)
    count = len(volume.voxels)
    assert volume.spacing[0] == pytest.approx(heights[-1] / (count - 1), rel=1e-6)
    z = np.linspace(0, heights[-1], count)
    x, y = np.meshgrid(np.arange(40) * 2.0, np.arange(40) * 2.0)
    assert np.abs(volume.voxels - body(x, y, z[:, None, None])).max() < 2  # the patient is linear in z


def test_what_cannot_be_mended_is_refused_with_the_place() -> None:
    gap = refused(along_z(0, 5, 10, 25, 30, 35))
    assert gap.reason == "missing_slices"
    assert "2 of 8 slices are missing, first between 10.0 and 25.0 mm" in str(gap)
    assert refused(along_z(0, 1, 2, 9, 11, 30)).reason == "uneven_slices"
    assert refused(np.array([[0, 0, 0], [0, 0, 3], [9, 0, 6], [0, 0, 9], [0, 0, 12]])).reason == "uneven_slices"
    nowhere = [Plane(place, planes(along_z(0))[0].voxels) for place in along_z(0, 3, np.nan, 9)]
    with pytest.raises(ImagingError, match="without a finite position"):
        stack(nowhere, Grid(AXIAL, (2.0, 2.0)), "series")
    with pytest.raises(ImagingError) as caught:
        stack(planes(along_z(0, 3, 6, 9)), Grid(np.array([[1.0, 0, 0], [1.0, 0, 0]]), (2.0, 2.0)), "series")
    assert caught.value.reason == "bad_orientation"


def test_the_same_slice_twice_is_dropped_and_two_in_one_place_refused() -> None:
    once = planes(along_z(0, 3, 6, 9, 12))
    volume = stack([*once, once[2], once[4]], Grid(AXIAL, (2.0, 2.0)), "series")
    assert (len(volume.voxels), volume.notes) == (5, ("duplicates_dropped",))
    other = Plane(once[2].position, once[3].voxels)
    with pytest.raises(ImagingError) as caught:
        stack([*once, other], Grid(AXIAL, (2.0, 2.0)), "series")
    assert caught.value.reason == "duplicate_slices"
    assert "6.0 mm" in str(caught.value)


@given(st.permutations(range(6)), st.sampled_from([1.0, 0.5, -2.0]))
def test_order_does_not_matter(order: list[int], step: float) -> None:
    ordered = planes(along_z(*(step * np.arange(6))), size=8)
    grid = Grid(AXIAL, (2.0, 2.0))
    whole, mixed = stack(ordered, grid, "series"), stack([ordered[k] for k in order], grid, "series")
    assert np.array_equal(whole.voxels, mixed.voxels)
    assert whole.spacing == mixed.spacing


def test_of_two_passes_the_fuller_one_is_read(tmp_path: Path) -> None:
    folder, uid = tmp_path / "ct", generate_uid()
    write_series(folder, CT[:5] + 7, SeriesInstanceUID=uid, AcquisitionNumber=1)
    for k, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"first{k}")
    write_series(folder, SeriesInstanceUID=uid, AcquisitionNumber=2)
    image = read_image(folder)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    assert image.notes == ("other_acquisition_dropped",)


def test_a_scout_is_dropped_by_name(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    scout = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1], "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    write_series(folder, CT[:1], SeriesInstanceUID="1.2.3.4", **scout)
    assert read_image(folder).notes == ("localiser_dropped",)


def test_a_series_without_or_with_changing_spacing_is_refused(tmp_path: Path) -> None:
    assert reason(write_series(tmp_path / "none", PixelSpacing=None)) == "bad_spacing"
    assert reason(write_series(tmp_path / "zero", PixelSpacing=[0, 0])) == "bad_spacing"
    folder = write_series(tmp_path / "two")
    victim = pydicom.dcmread(sorted(folder.iterdir())[0])
    victim.PixelSpacing = [1, 1]
    save(victim, Path(str(victim.filename)))
    assert reason(folder) == "bad_spacing"


# -- many frames in one file ------------------------------------------------------------------------------------------


def group(**macros: dict[str, object]) -> Dataset:
    made = Dataset()
    for macro, values in macros.items():
        item = Dataset()
        for name, value in values.items():
            setattr(item, name, value)
        setattr(made, macro, Sequence([item]))
    return made


def enhanced(order: list[int]) -> Dataset:
    """The CT as one file of frames in any order, stored with an offset of 1024 and a slope of its own in each frame."""
    shared = group(
        PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        PixelMeasuresSequence={"PixelSpacing": [3.0, 2.0]},
    )
    frames = [
        group(
            PlanePositionSequence={"ImagePositionPatient": [0, 0, 5.0 * k]},
            PixelValueTransformationSequence={"RescaleSlope": 1 + k % 2, "RescaleIntercept": -1024},
        )
        for k in order
    ]
    stored = np.stack([(CT[k].astype(np.int32) + 1024) // (1 + k % 2) for k in order]).astype(np.uint16)
    header = dataset(stored[0], "CT", NumberOfFrames=len(order), PixelData=stored.tobytes())
    header.SharedFunctionalGroupsSequence, header.PerFrameFunctionalGroupsSequence = (
        Sequence([shared]),
        Sequence(frames),
    )
    return header


def test_an_enhanced_ct_is_the_volume_of_its_frames(tmp_path: Path) -> None:
    path = save(enhanced([3, 0, 5, 1, 4, 2]), tmp_path / "enhanced.dcm")
    image = read_image(path)
    assert isinstance(image, Volume)
    assert image.spacing == pytest.approx((5.0, 3.0, 2.0))
    wanted = np.stack([(CT[k].astype(int) + 1024) // (1 + k % 2) * (1 + k % 2) - 1024 for k in range(6)])
    assert np.array_equal(image.voxels, wanted)
    (tmp_path / "folder").mkdir()
    save(enhanced([0, 1, 2, 3, 4, 5]), tmp_path / "folder" / "IM1")
    assert np.array_equal(read_image(tmp_path / "folder").voxels, wanted)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda header: header.PerFrameFunctionalGroupsSequence.pop(), "wrong_dimension"),
        (lambda header: delattr(header.PerFrameFunctionalGroupsSequence[2], "PlanePositionSequence"), "uneven_slices"),
        (lambda header: delattr(header.SharedFunctionalGroupsSequence[0], "PixelMeasuresSequence"), "bad_spacing"),
        (lambda header: setattr(header, "NumberOfFrames", 2**31 - 1), "too_large"),
        (lambda header: setattr(header, "PixelData", header.PixelData[:-50]), "unreadable"),
    ],
)
def test_a_broken_enhanced_ct_is_refused(tmp_path: Path, spoil: Callable[[Dataset], object], expected: str) -> None:
    header = enhanced([0, 1, 2, 3, 4, 5])
    spoil(header)
    assert reason(save(header, tmp_path / "x.dcm")) == expected


# -- an index ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """A patient's disc: a DICOMDIR over folders of files, as a PACS burns it."""
    files = FileSet()
    source = write_series(tmp_path / "source", StudyInstanceUID="1.2", FrameOfReferenceUID="1.5")
    for path in sorted(source.iterdir()):
        header = pydicom.dcmread(path)
        header.PatientName, header.StudyDate, header.StudyTime, header.StudyID = "x", "20200101", "1200", "1"
        header.AccessionNumber, header.SeriesNumber = "", 1
        files.add(header)
    files.write(tmp_path / "disc")
    return tmp_path / "disc"


def test_a_dicomdir_and_its_folder_are_the_series_it_lists(disc: Path) -> None:
    for place in (disc, disc / "DICOMDIR"):
        image = read_image(place)
        assert isinstance(image, Volume)
        assert np.array_equal(image.voxels, CT)


def test_a_dicomdir_that_leads_out_of_its_folder_is_refused(disc: Path) -> None:
    listed = sorted(path for path in disc.rglob("*") if path.is_file() and path.name != "DICOMDIR")[0]
    listed.rename(disc.parent / "outside")
    listed.symlink_to(disc.parent / "outside")
    assert reason(disc / "DICOMDIR") == "unsafe_path"


# -- values and display -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (1, -8192), (2, -1024), (0.5, -1000), (4, 16)])
def test_hounsfield_units_come_back_without_error(
    tmp_path: Path, bits: int, signed: bool, slope: float, intercept: int
) -> None:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    # Stored values whose Hounsfield units are whole and fit int16.
    wanted = np.arange(-32768, 32768)
    stored = np.unique((wanted - intercept) / slope)
    stored = stored[(stored == np.rint(stored)) & (stored >= low) & (stored <= high)]
    stored = stored[(stored * slope + intercept) == np.rint(stored * slope + intercept)]
    chosen = np.resize(stored[:: max(1, len(stored) // (6 * 10 * 12))], (6, 10, 12))
    folder = tmp_path / "ct"
    folder.mkdir()
    for k, plane in enumerate(chosen):
        place = {"ImagePositionPatient": [0, 0, 5.0 * k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        about = {
            "RescaleSlope": slope,
            "RescaleIntercept": intercept,
            "PixelSpacing": [1, 1],
            "SeriesInstanceUID": "1.2",
        }
        header = dataset(plane.astype(np.int16 if signed else np.uint16), "CT", **place, **about)
        header.BitsStored, header.HighBit = bits, bits - 1
        save(header, folder / f"{k}.dcm")
    image = read_image(folder)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, (chosen * slope + intercept).astype(int))


def test_the_detectors_spacing_is_divided_by_the_magnification(tmp_path: Path) -> None:
    about = {
        "ImagerPixelSpacing": [0.3, 0.2],
        "PixelSpacing": [0, 0],
        "EstimatedRadiographicMagnificationFactor": "1.25",
    }
    image = read_image(save(dataset(XRAY, "DX", **about), tmp_path / "x.dcm"))
    assert image.spacing == pytest.approx((0.24, 0.16))


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_does_not_set_the_scale(tmp_path: Path, kind: str) -> None:
    pixels = XRAY.copy()
    pixels[:2] = 65535
    image = read_image(
        save(dataset(pixels, "DX", PixelPaddingValue=65535, PhotometricInterpretation=kind), tmp_path / "x")
    )
    plain = xray(tmp_path, PhotometricInterpretation=kind)
    assert (image.pixels[:2] == image.pixels[2:].min()).all()  # type: ignore[union-attr]
    inside = image.pixels[2:]  # type: ignore[union-attr]
    assert np.array_equal(inside - inside.min(), plain[2:] - plain[2:].min())


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_functions(tmp_path: Path, function: str) -> None:
    """The formulas of DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3, for an output of 0 to 65535."""
    shown = xray(tmp_path, WindowCenter=2000, WindowWidth=1500, VOILUTFunction=function)
    x, c, w = XRAY.astype(float), 2000.0, 1500.0
    if function == "SIGMOID":
        wanted = 65535 / (1 + np.exp(-4 * (x - c) / w))
    elif function == "LINEAR":
        wanted = np.clip(((x - (c - 0.5)) / (w - 1) + 0.5), 0, 1) * 65535
    else:
        wanted = np.clip((x - c) / w + 0.5, 0, 1) * 65535
    assert np.abs(shown - wanted).max() < 1


# -- another reader ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_pixels_agree_with_itk_on_all_that_pydicom_ships() -> None:
    """Grey images of one frame that both decode, slices of a volume too: the same values after the rescale, display
    tables aside; lossy ones within 2."""
    folder = Path(pydicom.data.__file__).parent / "test_files"
    agreed, apart = [], {}
    for path in sorted(folder.rglob("*.dcm")):
        try:
            header = open_whole(path)
            if header.SamplesPerPixel != 1 or "PALETTE" in header.PhotometricInterpretation:
                continue
            if header.BitsAllocated == 1 or int(header.get("NumberOfFrames") or 1) > 1:
                continue  # of a bit, ITK gives 255
            for name in ("WindowCenter", "WindowWidth", "VOILUTSequence", "PixelPaddingValue"):
                if name in header:
                    del header[name]
            ours = shown(header)
            other = (
                sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO")).squeeze().astype(np.float64)
            )
        except Exception:  # one of the two does not read it: nothing to compare
            continue
        if header.PhotometricInterpretation == "MONOCHROME1":
            other = other.max() - other
        lossless = header.get("LossyImageCompression") != "01"
        difference = float(np.abs(ours - other).max())
        agreed.append(path.name)
        if difference > (0 if lossless else 2):
            apart[path.name] = difference
    assert apart == {}
    assert len(agreed) >= 16, agreed
