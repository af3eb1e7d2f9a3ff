"""A DICOM file opened in whatever clothes: without preamble or meta group, in any byte order, deflated, with its sample
in odd bits."""

from collections import Counter
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from unimedi.cohort.sources.dicom.quick_header import DEFLATED, START, begins_dicom
from unimedi.imaging.image import ImagingError

SLICE_TAGS = [  # all that a slice is read for: a scanner writes hundreds, and parsing them takes longest
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "InstanceNumber", "Modality", "ImageType"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "ExtendedOffsetTable"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
# What may tell one pass of a scanner from another under the same SeriesInstanceUID (see passes.py), in this order.
PASS_TAGS = [
    *("TemporalPositionIdentifier", "AcquisitionNumber", "NominalPercentageOfCardiacPhase", "TriggerTime"),
    *("EchoNumbers", "EchoTime", "InversionTime", "DiffusionBValue", "KVP", "ContrastBolusAgent"),
    *("ConvolutionKernel", "FilterType", "SliceThickness", "ImageType", "SeriesNumber", "SeriesDescription"),
    *("ProtocolName", "FrameOfReferenceUID", "AcquisitionTime", "ContentTime"),
]
STORAGE = "1.2.840.10008.5.1.4.1.1."
CLASSES = {"2": "CT", "2.1": "CT", "2.2": "CT", "4": "MR", "4.1": "MR", "128": "PT", "130": "PT"}  # of SOPClassUID
OTHERS = {"481.2": "RTDOSE", "66.4": "SEG", "67": "RWV"}  # no images, whatever modality they repeat from theirs
PIXEL_DATA = 0x7FE00010
UNDEFINED = 0xFFFFFFFF  # the length of pixels that are encapsulated


def open_slice(path: Path) -> Dataset | None:
    """The tags of a slice; its pixels stay on disk until asked for. None where the file is no DICOM."""
    with path.open("rb") as file:
        start = file.read(START)
    if not begins_dicom(start):
        return None
    later = None if DEFLATED in start else "1 MB"  # in a deflated file pydicom would look for them in the wrong place
    header = pydicom.dcmread(path, specific_tags=[*SLICE_TAGS, *PASS_TAGS], defer_size=later, force=True)
    return _with_syntax(header, path)


def open_whole(path: Path) -> Dataset:
    """Read a whole file. Pixel data that stand in it twice are refused: nobody knows which are right.

    Raises:
        ImagingError: ``unreadable`` or ``unsupported``; of damaged bytes, whatever pydicom raises.
    """
    seen: Counter[int] = Counter()

    def count(tag: BaseTag, vr: str | None, length: int) -> bool:
        seen[int(tag)] += 1
        return False

    with path.open("rb") as file:
        header = read_partial(file, stop_when=count, force=True)
        header.filename = str(path)
    if seen[PIXEL_DATA] > 1:
        raise ImagingError("unreadable", f"{path}: pixel data stand there {seen[PIXEL_DATA]} times")
    return _with_syntax(header, path)


def stated_modality(header: Dataset) -> str:
    """DICOM's modality code by the header, or else by the SOP class; empty where neither says one."""
    sop_class = str(header.get("SOPClassUID") or "").removeprefix(STORAGE)
    return OTHERS.get(sop_class) or str(header.get("Modality") or "").strip().upper() or CLASSES.get(sop_class, "")


def _with_syntax(header: Dataset, path: Path) -> Dataset:
    """Add the transfer syntax that pydicom found to a header that names none."""
    if "TransferSyntaxUID" in header.file_meta:
        return header
    pixels = header.get_item(PIXEL_DATA)
    if pixels is not None and UNDEFINED in (getattr(pixels, "length", 0), getattr(pixels, "VL", 0)):
        raise ImagingError("unsupported", f"{path}: compressed pixels, and no transfer syntax that says how")
    header.file_meta.TransferSyntaxUID = _syntax(header)
    return header


def _syntax(header: Dataset) -> UID:
    implicit, little = header.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian
