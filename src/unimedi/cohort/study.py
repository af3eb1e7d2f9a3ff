"""One imaging examination: who, with what device, where its files lie, what was written about it."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError


class Modality(StrEnum):
    """DICOM's modality code. ``image_kind`` is the one place that says what is volumetric."""

    DX = "DX"  # digital radiography
    CR = "CR"  # computed radiography
    US = "US"
    CT = "CT"
    MR = "MR"

    @property
    def image_kind(self) -> ImageKind:
        return ImageKind.CT if self in (Modality.CT, Modality.MR) else ImageKind.XRAY

    @property
    def ndim(self) -> int:
        return self.image_kind.ndim


class Split(StrEnum):
    """The part of a collection a patient belongs to; a patient is in exactly one."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Report:
    """What a radiologist wrote.

    Attributes:
        text: the report. Empty for a study of a collection without reports: its labels or masks are used to evaluate.
        language: ISO 639-1 (``en``, ``es``), or ``und``.
        translation: trains in place of the text, where there is one.
    """

    text: str
    language: str = "en"
    translation: str = ""


@dataclass(frozen=True, slots=True)
class Mask:
    """Where a finding is in an image: a label image or boxes, one of the two.

    Attributes:
        path: a label image in the geometry of the image.
        value: the value of the finding in it; None means every value but 0.
        boxes: left, top, width and height in pixels of the radiograph.
    """

    path: Path | None = None
    value: int | None = None
    boxes: tuple[tuple[float, float, float, float], ...] = ()

    def __post_init__(self) -> None:
        if (self.path is None) != bool(self.boxes):
            raise InputError("a mask is a label image or boxes, one of them")


@dataclass(frozen=True, slots=True)
class Study:
    """One examination: an image (a file, or a folder that holds a DICOM series) and its report.

    ``series`` is the SeriesInstanceUID where the folder holds several.

    ``date`` is the day of the examination, where it is known.

    ``labels`` maps a finding to present (True), absent (False) or unknown (None); ``masks`` maps a finding to where it
    is marked.
    """

    study_id: str
    patient_id: str
    modality: Modality
    image: Path
    report: Report
    split: Split
    labels: Mapping[str, bool | None] = field(default_factory=dict)
    masks: Mapping[str, Mask] = field(default_factory=dict)
    series: str = ""
    date: datetime.date | None = None
