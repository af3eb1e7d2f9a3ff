"""What the header of a DICOM image says of patient, examination and view, and whether the image can be used.

Read with pydicom; ``quick_header.py`` is for whether a file is DICOM at all, ``report.py`` for structured reports.
"""

import datetime
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unimedi.cohort.cell_values import date_or_none
from unimedi.cohort.sources.dicom.quick_header import is_dicom
from unimedi.cohort.sources.dicom.view import UNSEEN, VIEW_TAGS, View, view_of
from unimedi.cohort.study import Modality

TAGS = (
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber", "PatientID", "Modality"),
    *(
        "ImageType",
        "StudyDate",
        "NumberOfFrames",
        "Rows",
        "PresentationIntentType",
        "BodyPartExamined",
        "ImageOrientationPatient",
    ),
    *VIEW_TAGS,
)
INDEX = "1.2.840.10008.1.3.10"  # the SOP class of a DICOMDIR
NO_IMAGE = "no image: a report, a directory or a presentation"
AXIAL = 0.8  # cosine between the normal of a slice and the body's axis
UNSTATED = ("", "OT")  # modalities that say nothing: "other" is what digitisers of films write


@dataclass(frozen=True, slots=True)
class Header:
    """The header of one file; a text is empty where the header has none.

    Attributes:
        patient: PatientID, without blanks at its ends or doubled.
        study: StudyInstanceUID.
        accession: AccessionNumber.
        series: SeriesInstanceUID.
        image: SOPInstanceUID.
        modality: None where it is not stated, or not known here.
        frames: slices in this file.
        axial: whether the slices lie across the body; assumed of several frames in one file.
        view: of a radiograph.
        raw: whether it is a radiograph before processing ("FOR PROCESSING").
        body_part: BodyPartExamined, in capitals.
        unfit: why the file is not an image that can be used, whatever its modality.
        date: StudyDate, where it is one.
        foreign: a sentence that names a modality which is not known here.
    """

    path: Path
    patient: str = ""
    study: str = ""
    accession: str = ""
    series: str = ""
    image: str = ""
    modality: Modality | None = None
    frames: int = 1
    axial: bool = True
    view: View = UNSEEN
    raw: bool = False
    body_part: str = ""
    unfit: str = ""
    foreign: str = ""
    date: datetime.date | None = None


def read_header(path: Path) -> Header:
    """The header of a DICOM file; never raises, damage is a reason in ``unfit``."""
    import pydicom

    logging.getLogger("pydicom").setLevel(logging.ERROR)  # what it thinks of a header is not for the terminal
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Any = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS), force=True)
            return _header(path, found)
    except OSError as error:
        return Header(path, unfit=f"a file that cannot be read: {error.strerror or error}")
    except Exception as error:  # damaged bytes make pydicom raise nearly anything
        return Header(path, unfit=f"unreadable header: {type(error).__name__}")


def header_of(image: Path) -> Header | None:
    """The header of an image, in a folder of slices that of the first DICOM file; None where nothing is DICOM."""
    files = sorted(image.iterdir()) if image.is_dir() else [image]
    first = next((file for file in files if is_dicom(file)), None)
    return read_header(first) if first else None


def patient_in(image: Path) -> str | None:
    """The PatientID in an image's header; None where nothing is DICOM."""
    header = header_of(image)
    return header.patient if header else None


def patient_id(text: str) -> str:
    """A PatientID without blanks at its ends or doubled within, which DICOM ignores."""
    return " ".join(text.replace("\0", " ").split())


def _header(path: Path, found: Any) -> Header:
    def text(name: str) -> str:
        return str(found.get(name) or "").strip()

    stated = text("Modality").upper()
    modality = Modality(stated) if stated in list(Modality) else None
    flat = modality is None or modality.ndim == 2
    frames = max(int(found.get("NumberOfFrames") or 1), 1)
    seen = view_of(found) if flat and modality is not Modality.US else View(True)
    return Header(
        path,
        patient_id(text("PatientID")),
        text("StudyInstanceUID"),
        text("AccessionNumber"),
        text("SeriesInstanceUID"),
        text("SOPInstanceUID"),
        modality,
        frames,
        frames > 1 or _is_axial(found.get("ImageOrientationPatient")),
        seen,
        text("PresentationIntentType").upper() == "FOR PROCESSING",
        text("BodyPartExamined").upper(),
        _unfit(found, seen),
        "" if modality or stated in UNSTATED else f"modality {stated}: expected one of {', '.join(Modality)}",
        date_or_none(text("StudyDate").replace(".", "-")),  # 2024.01.31, as files of before 1993 write it
    )


def _is_axial(cosines: Any) -> bool:
    """By the directions of a row and a column; a rendering or a dose sheet that is filed as a slice has none."""
    if not cosines or len(cosines) != 6:
        return False
    row, column = [float(part) for part in cosines[:3]], [float(part) for part in cosines[3:]]
    return abs(row[0] * column[1] - row[1] * column[0]) > AXIAL


def _unfit(found: Any, seen: View) -> str:
    if str(found.file_meta.get("MediaStorageSOPClassUID")) == INDEX:
        return "a DICOMDIR: an index, whose files are looked at by themselves"
    if not found.get("Rows"):
        return NO_IMAGE
    if "LOCALIZER" in str(found.get("ImageType") or "").upper():
        return "a localiser"
    return f"not frontal: {seen.said}" if seen.frontal is False else ""
