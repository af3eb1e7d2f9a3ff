"""One imaging examination: who, with what device, where its files lie, what was written about it."""

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
    """A radiologist's text with the language it is written in (ISO 639-1: ``en``, ``es``).

    ``translation`` trains in its place where there is one. The text is empty for a study of a collection that has
    labels or masks and no reports: it measures, it does not train.
    """

    text: str
    language: str = "en"
    translation: str = ""


@dataclass(frozen=True, slots=True)
class Mask:
    """Where a finding is marked in an image: a label image in the image's own geometry, of which every value but 0
    counts, or one ``value``; or else ``boxes`` of a radiograph (left, top, width, height in its pixels)."""

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
