"""DICOM: single images by pydicom (decoded by GDCM), series of slices by SimpleITK.

The slices of a series are ordered by their position in the patient, never by file name or instance number, and the
result is checked: positions must advance along the slice normal in even steps.
"""

import logging
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.intensity import MIN_SLICES, to_hu

log = logging.getLogger(__name__)

SLICED = ("CT", "MR", "PT")  # modalities whose single file is one slice of a volume
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's "L"
UNEVEN = 0.1  # of the median step between slices: more, and a slice is missing or doubled
POSITION, ORIENTATION, MODALITY = "0020|0032", "0020|0037", "0008|0060"


def read_dicom(path: Path) -> Radiograph:
    """One DICOM image (DX, CR, US, secondary capture) as it is meant to be shown: modality LUT or rescale, VOI LUT or
    window, MONOCHROME1 inverted, colour to grey; turned so that the patient's right is on the viewer's left where
    ``PatientOrientation`` says otherwise. float32 (height, width).

    Raises:
        ImagingError: ``unreadable``, ``unsupported`` (no pixels), ``too_few_slices`` (one slice of a volume) or
            ``wrong_dimension`` (several frames).
    """
    try:
        header = pydicom.dcmread(path, force=path.suffix.lower() == ".dcm")
        _check_single_image(header, path)
        pixels = _turned(_shown(header), header)
        spacing = _pixel_spacing(header)
    except ImagingError:
        raise
    except Exception as error:  # damaged bytes make pydicom and its decoders raise nearly anything
        raise ImagingError("unreadable", f"{path}: {error}") from error
    return Radiograph(np.ascontiguousarray(pixels), spacing)


def read_series(folder: Path) -> Volume | Radiograph:
    """The DICOM series in a folder; of several, the axial one with most slices (said in the log).

    A folder with a single X-ray is that X-ray.

    Raises:
        ImagingError: ``unreadable``, ``too_few_slices``, or ``uneven_slices`` (missing, doubled or sheared slices).
    """
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    files = [sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid) for uid in series]
    if not files:
        raise ImagingError("unreadable", f"{folder}: no DICOM images in this folder")
    names = files[0] if len(files) == 1 else _largest_axial(folder, files)
    if len(names) == 1:
        return read_dicom(Path(names[0]))
    if len(names) < MIN_SLICES:
        message = f"{folder}: a series of {len(names)} slices; one slab needs {MIN_SLICES}"
        raise ImagingError("too_few_slices", message)
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.MetaDataDictionaryArrayUpdateOn()
    reader.SetFileNames(names)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise ImagingError("unreadable", f"{folder}: {str(error).strip().splitlines()[-1].strip()}") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ImagingError("wrong_dimension", f"{folder}: the series is not a stack of grey slices")
    step = _even_step(folder, reader, len(names))
    image = sitk.DICOMOrient(image, "LPS")
    spacing = image.GetSpacing()
    depth = step if np.isclose(spacing[2], step, rtol=UNEVEN) else spacing[2]  # a coronal stack: depth is in the plane
    return Volume(to_hu(sitk.GetArrayFromImage(image), str(folder)), (depth, spacing[1], spacing[0]))


def _check_single_image(header: Dataset, path: Path) -> None:
    if "PixelData" not in header:
        raise ImagingError("unsupported", f"{path}: a DICOM file without pixels (modality {header.get('Modality')})")
    if int(header.get("NumberOfFrames") or 1) > 1:
        message = f"{path}: {header.NumberOfFrames} frames in one DICOM file; expected a single image"
        raise ImagingError("wrong_dimension", message)
    if header.get("Modality") in SLICED:
        message = f"{path}: one slice of a {header.Modality} series; give the folder of the series"
        raise ImagingError("too_few_slices", message)


def _shown(header: Dataset) -> NDArray[np.float32]:
    pixels = header.pixel_array
    if header.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
    if pixels.ndim == 3:
        return np.asarray(pixels[..., :3].astype(np.float32) @ np.array(LUMA, dtype=np.float32))
    values = apply_modality_lut(pixels, header)
    shown = apply_voi_lut(values, header)
    if shown.min() == shown.max():  # a window that misses the image altogether is a mistake in the header
        shown = values
    shown = shown.astype(np.float32)
    return np.asarray(shown.max() - shown if header.PhotometricInterpretation == "MONOCHROME1" else shown)


def _turned(pixels: NDArray[np.float32], header: Dataset) -> NDArray[np.float32]:
    """``PatientOrientation`` names where rows and columns go: (L, F) is the usual picture, R and H are mirrored."""
    directions = [str(value) for value in header.get("PatientOrientation") or ()]
    if len(directions) != 2:
        return pixels
    if directions[0].startswith("R"):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if directions[1].startswith("H") else pixels


def _pixel_spacing(header: Dataset) -> tuple[float, float] | None:
    """Mm a pixel (height, width); at the detector where the file does not give the patient's plane."""
    value = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    return (float(value[0]), float(value[1])) if value and len(value) == 2 else None


def _largest_axial(folder: Path, files: list[tuple[str, ...]]) -> tuple[str, ...]:
    chosen = max(files, key=lambda names: (_is_axial(names[0]), len(names)))
    log.warning("%s: %d series; took the one of %d slices", folder, len(files), len(chosen))
    return chosen


def _is_axial(name: str) -> bool:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(name)
    reader.ReadImageInformation()
    return bool(reader.HasMetaDataKey(ORIENTATION) and abs(_normal(reader.GetMetaData(ORIENTATION))[2]) > 0.8)


def _normal(orientation: str) -> NDArray[np.float64]:
    cosines = np.array([float(value) for value in orientation.split("\\")])
    return np.cross(cosines[:3], cosines[3:])


def _even_step(folder: Path, reader: sitk.ImageSeriesReader, count: int) -> float:
    """Distance between slices in mm, after checking that all lie on one line of even steps along their normal."""
    keys = (POSITION, ORIENTATION)
    if not all(reader.HasMetaDataKey(i, key) for i in range(count) for key in keys):
        message = f"{folder}: slices without a position in the patient; their order cannot be known"
        raise ImagingError("uneven_slices", message)
    normal = _normal(reader.GetMetaData(0, ORIENTATION))
    places = np.array([[float(v) for v in reader.GetMetaData(i, POSITION).split("\\")] for i in range(count)])
    if not all(np.allclose(_normal(reader.GetMetaData(i, ORIENTATION)), normal, atol=1e-3) for i in range(count)):
        raise ImagingError("uneven_slices", f"{folder}: slices of different orientation in one series")
    steps = np.diff(places @ normal)
    step = float(np.median(steps))
    if step == 0 or np.abs(steps - step).max() > UNEVEN * abs(step):
        message = (
            f"{folder}: {count} slices, steps from {steps.min():.2f} to {steps.max():.2f} mm; one is missing or doubled"
        )
        raise ImagingError("uneven_slices", message)
    shift = np.linalg.norm(np.diff(places, axis=0) - steps[:, None] * normal, axis=1).max()
    if shift > UNEVEN * abs(step):
        raise ImagingError("uneven_slices", f"{folder}: slices are sheared by {shift:.2f} mm a step (tilted gantry)")
    return abs(step)
