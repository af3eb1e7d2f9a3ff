"""One study read once: all that the doctor keeps of it. Its pixels are gone afterwards, but for a small picture."""

import hashlib
import io
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from PIL import Image

from unimedi.cohort.reports.counts import CountedReport, count_report
from unimedi.cohort.reports.language import detect_language
from unimedi.cohort.reports.report import says_nothing, training_language, training_text
from unimedi.cohort.reports.same_report import words_of
from unimedi.cohort.sources.dicom.header import header_of
from unimedi.cohort.sources.own_files.patients import patient_key
from unimedi.cohort.study import Modality, Report, Study
from unimedi.doctor.chest import find_chest
from unimedi.doctor.duplicates import file_hash, miniature, perceptual_hash, pixel_hash
from unimedi.doctor.geometry import cut_signs, size_signs, truncation
from unimedi.doctor.hu import read_scale
from unimedi.doctor.orientation import read_orientation
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.imaging.intensity import LUNG_WINDOW
from unimedi.imaging.resample import resize_array
from unimedi.inputs.store import Store, StoredStudy
from unimedi.inputs.study_record import read_study

PICTURE = 112  # pixels, the longer side of a thumbnail's panel


@dataclass(frozen=True, slots=True)
class StudySummary:
    """What is kept of a study.

    ``words`` (a number) and ``report`` (a hash) are of the text that trains; ``file`` and ``pixels`` (hashes),
    ``perceptual_hash`` and ``miniature`` are of the image, and empty where there is none. ``measures`` are the figures
    behind ``signs``, which say what looks wrong. Where the image cannot be read, ``refused`` is the reason, and nothing
    else is known of it. ``picture`` is a PNG.
    """

    study_id: str
    patient_id: str
    modality: str
    split: str
    language: str
    detected: str  # the language that the text itself shows
    words: int
    report: str
    file: str = ""
    header_patient: str = ""  # the PatientID in the file; empty where it names nobody
    pixels: str = ""
    perceptual_hash: bytes = b""
    miniature: bytes = b""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    measures: dict[str, float] = field(default_factory=dict)
    signs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refused: str = ""
    message: str = ""
    picture: bytes = b""
    counted: CountedReport | None = None  # what preparing does with the report, where there is one


@dataclass(frozen=True, slots=True)
class Stored:
    """A study of a store, by its place."""

    store: Path
    index: int


def inspect(item: Study | Stored) -> StudySummary:
    """Read a study's image, from its file or from a store, and measure it. Never raises."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # parallel over studies, not inside one
    if isinstance(item, Stored):
        return _inspect_stored(item)
    known = describe(item)
    try:
        known = replace(known, file=file_hash(item.image))
        header = header_of(item.image)
        if header is None:
            return examine_image(known, read_study(item))
        known = replace(known, header_patient=patient_key(header.patient))
        summary = examine_image(known, read_study(item))
        sideways = item.modality.ndim == 2 and header.view.frontal is False
        return replace(summary, signs=("not_frontal", *summary.signs)) if sideways else summary
    except ImagingError as error:
        return replace(known, refused=error.reason, message=str(error))
    except Exception as error:  # a fault of ours must not end the run: the page names it
        return replace(known, refused="error", message=f"{item.image}: {type(error).__name__}: {error}")


def describe(item: Study | Stored) -> StudySummary:
    """A study of a cohort or a store without its image."""
    if isinstance(item, Stored):
        stored = _opened(item.store).studies[item.index]
        known = _described(stored, stored.report, stored.language)
        if not stored.report:
            return known
        counted = count_report(Report(stored.report, stored.language))
        return replace(known, counted=replace(counted, left_out={}, unknown=()))  # the store no longer has them
    study = item
    known = _described(study, training_text(study.report), training_language(study.report))
    return replace(known, counted=count_report(study.report)) if study.report.text else known


def examine_image(known: StudySummary, image: Radiograph | Volume) -> StudySummary:
    """``known`` with everything that the image shows."""
    array = image.array
    summary = replace(
        known,
        pixels=pixel_hash(array),
        perceptual_hash=perceptual_hash(array),
        miniature=miniature(array),
        shape=tuple(array.shape),
        spacing=tuple(image.spacing or ()),
        signs=size_signs(array.shape, image.spacing) if image.spacing else (),
        notes=image.notes,
        picture=_picture(array, image.pixel if isinstance(image, Radiograph) else image.spacing),
    )
    if known.modality != Modality.CT or not isinstance(image, Volume):
        return summary
    measures, signs = examine_volume(image)
    return replace(summary, measures=measures, signs=(*signs, *summary.signs))


def examine_volume(volume: Volume) -> tuple[dict[str, float], tuple[str, ...]]:
    """Measures and signs of a CT. Where the values are no Hounsfield units, organs are not looked for in them."""
    scale = read_scale(volume.voxels)
    measures = {"air": scale.air, "tissue": scale.tissue, "solid": scale.solid, "beyond": scale.beyond}
    if scale.sign:
        return measures, (scale.sign,)
    chest = find_chest(volume.voxels, volume.spacing)
    measures["lungs"] = chest.millilitres(chest.lungs)
    shares = truncation(chest)
    signs = cut_signs(shares)
    if chest.recognised and "cut_at_side" not in signs:  # a lung that is cut open is taken for the air outside
        way = read_orientation(chest, ends=not signs)
        measures |= shares | {"head": way.head, "back": way.back, "left": way.left}
        return measures, (*signs, *way.signs)
    return measures | shares, signs


def _inspect_stored(item: Stored) -> StudySummary:
    store = _opened(item.store)
    study = store.studies[item.index]
    known = describe(item)
    try:
        pixels = store.pixels(item.index)
        if study.ndim == 2:
            flat = (study.spacing[0], study.spacing[1]) if study.spacing else None
            return examine_image(known, Radiograph(pixels.astype(np.float32), flat))
        return examine_image(known, Volume(pixels, (study.spacing[0], study.spacing[1], study.spacing[2])))
    except Exception as error:  # a damaged part must not end the run
        return replace(known, refused="damaged", message=f"{study.study_id}: {type(error).__name__}: {error}")


@lru_cache(maxsize=2)
def _opened(path: Path) -> Store:
    return Store.open(path)


def _described(study: Study | StoredStudy, text: str, language: str) -> StudySummary:
    plain = words_of(text)
    return StudySummary(
        study_id=study.study_id,
        patient_id=study.patient_id,
        modality=str(study.modality),
        split=str(study.split),
        language=language,
        detected=detect_language(text) if plain else "",
        words=len(text.split()),
        report="" if says_nothing(text) else hashlib.blake2b(plain.encode(), digest_size=16).hexdigest(),
    )


def _picture(array: NDArray[np.generic], spacing: tuple[float, ...] | None) -> bytes:
    """A radiograph, or the middle coronal (head up) and axial plane of a volume side by side, as PNG."""
    steps = spacing or (1.0,) * array.ndim
    if array.ndim == 2:
        panels = [_grey(array, steps, *np.percentile(array.astype(np.float32), (1, 99)).tolist())]
    else:
        depth, height, _ = array.shape
        coronal = _grey(array[::-1, height // 2], (steps[0], steps[2]), *LUNG_WINDOW)
        panels = [coronal, _grey(array[depth // 2], steps[1:], *LUNG_WINDOW)]
    side = max(panel.shape[0] for panel in panels)
    joined = np.concatenate([np.pad(panel, ((0, side - len(panel)), (0, 4))) for panel in panels], axis=1)
    buffer = io.BytesIO()
    Image.fromarray(joined[:, :-4]).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _grey(plane: NDArray[np.generic], spacing: tuple[float, ...], low: float, high: float) -> NDArray[np.uint8]:
    extent = [n * mm for n, mm in zip(plane.shape, spacing, strict=True)]
    height, width = (max(1, round(side * PICTURE / max(extent))) for side in extent)
    small = resize_array(plane, (height, width))
    return np.asarray(np.clip((small - low) / max(high - low, 1e-6), 0, 1) * 255, dtype=np.uint8)
