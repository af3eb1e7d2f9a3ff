"""One study of a cohort as a record of the store: read, checked, brought to the stored size; or why it is refused."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from unimedi.cohort.reports.report import says_nothing, training_language, training_text
from unimedi.cohort.study import Study
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.read import read_image, read_mask
from unimedi.inputs.gate import refuse_foreign
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import StoredStudy
from unimedi.inputs.store_writer import Packed, Record, Refusal, pack


@dataclass(frozen=True, slots=True)
class Job:
    """What one call of :func:`pack_study` needs; ``findings`` are the store's, in the order of the mask's bits."""

    study: Study
    preprocess: Preprocess
    findings: tuple[str, ...]


def pack_study(job: Job) -> Packed | Refusal:
    """The study as a row of the store, or why it cannot be one. Never raises: one study must never end the run."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # parallel over studies, not inside one
    study = job.study
    try:
        return pack(_record(study, job.preprocess, job.findings), job.findings)
    except ImagingError as error:
        return refusal(study, error)
    except Exception as error:  # what it was is kept
        message = f"{study.image}: {type(error).__name__}: {error}"
        return {"study_id": study.study_id, "reason": "error", "message": message}


def refusal(study: Study, error: ImagingError) -> Refusal:
    return {"study_id": study.study_id, "reason": error.reason, "message": str(error)}


def read_study(study: Study) -> Radiograph | Volume:
    """The image of a study of a manifest.

    Args:
        study: its ``image`` is a path, its ``series`` a DICOM UID where the path holds several series.

    Returns:
        As ``read_image``: a ``Radiograph`` (float32 pixels) or a ``Volume`` (int16 HU), of the study's modality.

    Raises:
        ImagingError: as ``read_image`` and ``refuse_foreign``, or ``empty_report``.
    """
    image = read_image(study.image, study.series)
    refuse_foreign(image, study.modality, str(study.image))
    if says_nothing(training_text(study.report)) and (study.report.text or not (study.labels or study.masks)):
        said = f"says nothing: {study.report.text[:60]!r}" if study.report.text.strip() else "is empty"
        raise ImagingError("empty_report", f"study {study.study_id}: the report {said}")
    return image


def _record(study: Study, preprocess: Preprocess, findings: tuple[str, ...]) -> Record:
    image = read_study(study)
    mask = _mask(study, image, preprocess, findings) if study.masks else None
    spacing: tuple[float, ...] = preprocess.stored_spacing(image) or ()
    text, labels = training_text(study.report), dict(study.labels)
    about = (study.study_id, study.patient_id, study.modality, study.split)
    stored = StoredStudy(*about, text, training_language(study.report), labels, mask is not None, spacing)
    return Record(stored, preprocess.stored(image), mask, image.notes)


def _mask(
    study: Study, image: Radiograph | Volume, preprocess: Preprocess, findings: tuple[str, ...]
) -> NDArray[np.uint16]:
    shape = image.array.shape
    bits = np.zeros(shape, dtype=np.uint16)
    for finding, mask in study.masks.items():
        inside = _boxes(mask.boxes, shape) if mask.path is None else read_mask(mask.path, mask.value)
        if inside.shape != shape:
            raise ImagingError("mask_mismatch", f"{mask.path}: the mask is {inside.shape}, the image {shape}")
        bits |= inside.astype(np.uint16) << np.uint16(findings.index(finding))
    return preprocess.stored_mask(bits, image)


def _boxes(boxes: tuple[tuple[float, float, float, float], ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The union of filled boxes (left, top, width, height) on a radiograph, clipped to it."""
    if len(shape) != 2:
        raise ImagingError("mask_mismatch", f"boxes mark a radiograph, the image has {len(shape)} axes")
    inside = np.zeros(shape, dtype=np.bool_)
    for left, top, width, height in boxes:
        bottom, right = max(round(top + height), 0), max(round(left + width), 0)
        inside[max(round(top), 0) : bottom, max(round(left), 0) : right] = True
    return inside
