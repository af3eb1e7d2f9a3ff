"""Phantom images as the files of a hospital: DICOM DX, CR and CT, NIfTI, PNG, JPEG; masks apart.

Arrays follow ``imaging.image``: volumes (depth, height, width) from feet to head, front to back, right to left;
radiographs (height, width), dense bright. Files are the same bytes each time: identifiers are hashes, no clock is read.
"""

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its own documentation's name
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

STORAGE = {  # SOP classes for presentation
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
}
WHITE = 4095  # 12 bits stored
AIR = -1024  # HU of stored value 0 in a DICOM CT
ORIENTATIONS = ("RAS", "LAS", "RPI", "PIR", "SAL")  # other ways in which NIfTI files store their axes


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its study besides the pixels."""

    patient_id: str
    study_id: str
    modality: str  # DX, CR or CT
    sex: str
    age: int
    view: str = ""  # PA or AP, X-rays only

    def uid(self, *parts: object) -> str:
        """A DICOM UID under the UUID root (2.25), a hash of the study and ``parts``."""
        text = "/".join(map(str, (self.patient_id, self.study_id, *parts)))
        return f"2.25.{int.from_bytes(hashlib.blake2b(text.encode(), digest_size=15).digest(), 'big')}"


def study_date(study_id: str) -> datetime.date:
    """The day of an examination: a function of its id, within 2015 to 2020."""
    drawn = _drawn(study_id)
    return datetime.date(2015 + drawn % 6, 1 + drawn // 7 % 12, 1 + drawn // 91 % 28)


def write_dicom_xray(
    path: Path, pixels: NDArray[np.uint16], spacing: tuple[float, float], header: Header, monochrome1: bool
) -> None:
    """A 12-bit DX or CR image. ``pixels`` (height, width) in 0..4095; stored inverted as MONOCHROME1 on request."""
    dataset = _dataset(header, header.uid("image"))
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = header.view
    dataset.PatientOrientation = ["L", "F"]
    dataset.PixelSpacing = dataset.ImagerPixelSpacing = [f"{step:.6g}" for step in spacing]
    dataset.PhotometricInterpretation = "MONOCHROME1" if monochrome1 else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if monochrome1 else "IDENTITY"
    dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"
    if header.modality == "DX":
        dataset.PresentationIntentType = "FOR PRESENTATION"
        dataset.PixelIntensityRelationship = "LOG"
        dataset.PixelIntensityRelationshipSign = -1 if monochrome1 else 1
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "0", "US"
        dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    _pixels(dataset, WHITE - pixels if monochrome1 else pixels)
    dataset.save_as(path, enforce_file_format=True)


def write_png(path: Path, pixels: NDArray[np.uint16]) -> None:
    """A 16-bit grey PNG; the 12 bits fill the upper ones. No spacing: PNG says none."""
    Image.fromarray((pixels * np.uint16(16)).astype(np.uint16)).save(path, compress_level=1)


def write_jpeg(path: Path, pixels: NDArray[np.uint16]) -> None:
    """An 8-bit grey JPEG of quality 95."""
    Image.fromarray((pixels >> 4).astype(np.uint8)).save(path, quality=95)


def write_dicom_series(
    folder: Path, voxels: NDArray[np.int16], spacing: tuple[float, float, float], header: Header
) -> None:
    """One CT image a slice; file names say nothing about the order, instance numbers run from head to feet."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y, z = _origin(voxels.shape, spacing)
    dataset = _dataset(header, "")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.BodyPartExamined, dataset.PatientPosition = "CHEST", "HFS"
    dataset.FrameOfReferenceUID = header.uid("frame")
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.PixelSpacing = [f"{spacing[1]:.6g}", f"{spacing[2]:.6g}"]
    dataset.SliceThickness = dataset.SpacingBetweenSlices = f"{spacing[0]:.6g}"
    dataset.KVP, dataset.ConvolutionKernel = "120", "STANDARD"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", str(AIR), "HU"
    dataset.WindowCenter, dataset.WindowWidth = "-600", "1500"
    stored = (np.clip(voxels, AIR, AIR + WHITE) - AIR).astype(np.uint16)
    for index, plane in enumerate(stored):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = header.uid("slice", index)
        dataset.InstanceNumber = len(stored) - index
        dataset.ImagePositionPatient = [f"{x:.6g}", f"{y:.6g}", f"{z + index * spacing[0]:.6g}"]
        dataset.SliceLocation = dataset.ImagePositionPatient[2]
        _pixels(dataset, plane)
        name = hashlib.blake2b(dataset.SOPInstanceUID.encode(), digest_size=6).hexdigest()
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def write_nifti(
    path: Path,
    voxels: NDArray[np.int16] | NDArray[np.uint8],
    spacing: tuple[float, float, float],
    orientation: str = "LPS",
) -> None:
    """A NIfTI file (compressed where the name ends in ``.gz``) whose axes are stored in ``orientation``."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing([float(step) for step in reversed(spacing)])
    image.SetOrigin(_origin(voxels.shape, spacing))
    if orientation != "LPS":
        image = sitk.DICOMOrient(image, orientation)
    sitk.WriteImage(image, str(path), path.suffix == ".gz", 1)


def write_masks(
    folder: Path, masks: Mapping[str, NDArray[np.bool_]], spacing: tuple[float, ...], orientation: str = "LPS"
) -> dict[str, Path]:
    """One file a finding, in the image's own geometry: uint8 NIfTI (0, 1) for volumes, PNG (0, 255) for radiographs."""
    written: dict[str, Path] = {}
    for finding, mask in masks.items():
        folder.mkdir(parents=True, exist_ok=True)
        if mask.ndim == 2:
            written[finding] = folder / f"{finding}.png"
            Image.fromarray(mask.astype(np.uint8) * 255).save(written[finding], compress_level=1)
        else:
            written[finding] = folder / f"{finding}.nii.gz"
            depth, height, width = spacing
            write_nifti(written[finding], mask.astype(np.uint8), (depth, height, width), orientation)
    return written


def _drawn(study_id: str) -> int:
    """A number of 32 bits that a study has by its id."""
    return int(hashlib.blake2b(study_id.encode(), digest_size=4).hexdigest(), 16)


def _origin(shape: tuple[int, ...], spacing: tuple[float, ...]) -> tuple[float, float, float]:
    """LPS position in mm of the first voxel (x, y, z) of a volume centred on the scanner's axis."""
    z, y, x = (-round(count * step / 2, 3) for count, step in zip(shape, spacing, strict=True))
    return x, y, z


def _dataset(header: Header, instance: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = STORAGE[header.modality]
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    drawn, day = _drawn(header.study_id), study_date(header.study_id)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = STORAGE[header.modality], instance
    dataset.StudyDate = f"{day:%Y%m%d}"
    dataset.StudyTime = f"{drawn % 24:02d}{drawn // 24 % 60:02d}00"
    dataset.AccessionNumber = header.study_id[:16]
    dataset.Modality, dataset.Manufacturer = header.modality, "unimedi phantom"
    dataset.PatientName, dataset.PatientID = f"Phantom^{header.patient_id}", header.patient_id
    dataset.PatientSex, dataset.PatientAge, dataset.PatientBirthDate = header.sex, f"{header.age:03d}Y", ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = header.study_id[:16]
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = header.uid(), header.uid("series")
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    return dataset


def _pixels(dataset: FileDataset, pixels: NDArray[np.uint16]) -> None:
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = np.ascontiguousarray(pixels, dtype="<u2").tobytes()
