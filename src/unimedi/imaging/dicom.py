"""DICOM by pydicom (compressed pixels by GDCM): single images, and series of slices that become one volume.

The slices of a series are ordered by their position in the patient, never by file name or instance number, and the
result is checked: positions must advance along the slice normal in even steps. (ITK's series reader would be as fast,
but fills what a truncated slice lacks in silence.)
"""

import logging
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.intensity import MIN_SLICES, to_hu

log = logging.getLogger(__name__)

SLICED = ("CT", "MR", "PT")  # modalities whose single file is one slice of a volume
SLICE_TAGS = [  # all that a slice is read for: a scanner writes hundreds, and parsing them takes longest
    *("SeriesInstanceUID", "Modality", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "ExtendedOffsetTable"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
]
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's "L"
UNEVEN = 0.1  # of the median step between slices: more, and a slice is missing or doubled
AXIAL = 0.8  # cosine between the slice normal and the body axis: within 37 degrees


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


def read_series(folder: Path, series: str = "") -> Volume | Radiograph:
    """The DICOM series in a folder; of several, the one of the UID ``series``, or else the axial one with most slices
    (said in the log).

    A folder with a single X-ray is that X-ray.

    Raises:
        ImagingError: ``unreadable``, ``too_few_slices``, or ``uneven_slices`` (missing, doubled or sheared slices).
    """
    groups = [group for group in _series(folder) if series in ("", str(group[0].get("SeriesInstanceUID")))]
    if not groups:
        raise ImagingError("missing", f"{folder}: no series {series} in this folder")
    slices = max(groups, key=lambda group: (_is_axial(group[0]), len(group)))
    if len(groups) > 1:
        log.warning("%s: %d series; took the one of %d slices", folder, len(groups), len(slices))
    if len(slices) == 1:
        return read_dicom(Path(str(slices[0].filename)))
    if len(slices) < MIN_SLICES:
        message = f"{folder}: a series of {len(slices)} slices; one slab needs {MIN_SLICES}"
        raise ImagingError("too_few_slices", message)
    try:
        slices, step = _ordered(slices, folder)
        voxels = np.stack([to_hu(apply_modality_lut(s.pixel_array, s), str(folder)) for s in slices])
        cosines, pixel = _cosines(slices[0]), [float(value) for value in slices[0].PixelSpacing]
    except ImagingError:
        raise
    except Exception as error:  # damaged bytes make pydicom and its decoders raise nearly anything
        raise ImagingError("unreadable", f"{folder}: {error}") from error
    if voxels.ndim != 3:
        raise ImagingError("wrong_dimension", f"{folder}: the series is not a stack of grey slices")
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((pixel[1], pixel[0], step))
    image.SetDirection(np.stack([*cosines, np.cross(*cosines)], axis=1).ravel().tolist())
    image = sitk.DICOMOrient(image, "LPS")
    spacing = image.GetSpacing()
    return Volume(sitk.GetArrayFromImage(image), (spacing[2], spacing[1], spacing[0]))


def _series(folder: Path) -> list[list[Dataset]]:
    """Files with pixels, grouped by series, orientation and size; pixels stay on disk until asked for."""
    groups: dict[tuple[object, ...], list[Dataset]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        try:
            header = pydicom.dcmread(path, specific_tags=SLICE_TAGS, defer_size="1 MB")
            cosines = np.round(_cosines(header), 3).ravel().tolist() if "ImageOrientationPatient" in header else []
        except (InvalidDicomError, IsADirectoryError):
            continue  # an index, a note, a folder beside the slices
        except Exception as error:
            raise ImagingError("unreadable", f"{folder}: {path.name}: {error}") from error
        if "Rows" in header:
            groups[(header.get("SeriesInstanceUID"), header.Rows, header.Columns, *cosines)].append(header)
    if not groups:
        raise ImagingError("unreadable", f"{folder}: no DICOM images in this folder")
    return list(groups.values())


def _ordered(slices: list[Dataset], folder: Path) -> tuple[list[Dataset], float]:
    """Slices along their normal and the distance between them in mm; all must lie on one line of even steps."""
    if not all("ImagePositionPatient" in s and "ImageOrientationPatient" in s for s in slices):
        message = f"{folder}: slices without a position in the patient; their order cannot be known"
        raise ImagingError("uneven_slices", message)
    normal = np.cross(*_cosines(slices[0]))
    places = np.array([s.ImagePositionPatient for s in slices], dtype=np.float64)
    order = np.argsort(places @ normal)
    places = places[order]
    steps = np.diff(places @ normal)
    step = float(np.median(steps))
    if step == 0 or np.abs(steps - step).max() > UNEVEN * step:
        span = f"steps from {steps.min():.2f} to {steps.max():.2f} mm"
        raise ImagingError("uneven_slices", f"{folder}: {len(slices)} slices, {span}; one is missing or doubled")
    shift = np.linalg.norm(np.diff(places, axis=0) - steps[:, None] * normal, axis=1).max()
    if shift > UNEVEN * step:
        raise ImagingError("uneven_slices", f"{folder}: slices are sheared by {shift:.2f} mm a step (tilted gantry)")
    return [slices[k] for k in order], step


def _cosines(header: Dataset) -> NDArray[np.float64]:
    """Directions of a row and of a column in the patient (x to the left, y to the back, z to the head): (2, 3)."""
    return np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)


def _is_axial(header: Dataset) -> bool:
    return "ImageOrientationPatient" in header and abs(float(np.cross(*_cosines(header))[2])) > AXIAL


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
