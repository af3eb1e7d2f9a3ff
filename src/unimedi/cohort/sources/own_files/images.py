"""The images of one's own files: pictures, volumes, DICOM images, and folders that hold the slices of a series."""

import filecmp
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unimedi.cohort.sources.dicom.header import Header, read_header
from unimedi.cohort.sources.dicom.quick_header import is_dicom, modality_of
from unimedi.cohort.sources.dicom.view import view_by_name
from unimedi.cohort.sources.file_names import PICTURES, TEXTS, VOLUMES, stem, suffix
from unimedi.cohort.sources.nifti_header import is_picture
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.study import Modality
from unimedi.files.walk import inside, name_of

DATA = (".raw", ".zraw")  # the voxels of a header in a file of its own
MASKS = {  # words in the name of a file or a folder
    *("mask", "masks", "seg", "segs", "segmentation", "segmentations", "annotation", "annotations", "label", "labels"),
    *("labelmap", "labelmaps", "contour", "contours", "groundtruth", "roi", "rois", "lesions", "maske", "masken"),
}
NO_IMAGE = {  # what else lies among images, by its suffix
    "a table: name it with --table": (".csv", ".tsv", ".xlsx", ".xls", ".parquet"),
    "not an image but an archive: unpack it": (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz", ".zst"),
    "not an image but a document: a report is .txt, .rtf or .html": (".pdf", ".doc", ".docx", ".odt", ".md", ".xml"),
}
CHEST = ("CHEST", "THORA", "TORAX", "TORACE", "LUNG", "RIB", "HEART", "TRUNK", "WHOLEBODY")


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that was found.

    Attributes:
        path: a file, or the folder of its slices.
        modality: None where it is not known.
        header: of DICOM; of slices the first one's.
        files: the slices, where ``path`` is a folder.
    """

    path: Path
    modality: Modality | None
    header: Header | None = None
    files: tuple[Path, ...] = ()

    @property
    def examination(self) -> str:
        """The StudyInstanceUID; empty where nothing states it."""
        return self.header.study if self.header else ""


def images_of(cohort: SourceCohort, folder: Path, names: Sequence[str], given: Modality | None) -> list[FoundImage]:
    """The images among the files of one folder; every other file but texts is listed.

    ``given`` is the modality of images that do not say. A file of several frames is an image by itself; the slices of
    a folder are one image, and are refused where they are of several patients or examinations.
    """
    found: list[FoundImage] = []
    slices: list[Header] = []
    called = "" if folder == cohort.root else f"{folder.name} "
    for name in names:
        file = folder / name
        ending = suffix(name)
        if is_dicom(file):
            header = read_header(file)
            modality = header.modality or given
            if reason := header.unfit or header.foreign:
                cohort.skip(name_of(file, cohort.root), reason)
            elif modality is not None and modality.ndim == 3 and header.frames == 1:
                slices.append(header)
            else:
                found.append(FoundImage(file, modality, header))
        elif ending in PICTURES and _is_xray(given) and (seen := view_by_name(called + stem(name))).frontal is False:
            cohort.skip(name_of(file, cohort.root), f"not frontal by its name: {seen.said}")
        elif ending in (*VOLUMES, *PICTURES):
            found.append(FoundImage(file, guess_modality(file, given)))
        elif ending not in TEXTS and not _is_part(name, names):
            cohort.skip(name_of(file, cohort.root), _no_image(ending))
    if reason := _no_series(slices, cohort.root):
        for one in slices:
            cohort.skip(name_of(one.path, cohort.root), reason)
    elif slices:
        files = tuple(one.path for one in slices)
        found.append(FoundImage(folder, slices[0].modality or given, slices[0], files))
    return found


def guess_modality(file: Path, given: Modality | None) -> Modality | None:
    """What a DICOM header states; else what was given; else CT for volumes, DX for pictures and NIfTI of one plane."""
    ending = suffix(file.name)
    if ending in VOLUMES:
        return given or (Modality.DX if is_picture(file) else Modality.CT)
    if ending in PICTURES:
        return given or Modality.DX
    return (modality_of(file) if is_dicom(file) else None) or given


def without_raw(found: Sequence[FoundImage], cohort: SourceCohort) -> list[FoundImage]:
    """The images without those "for processing" whose examination has one for presentation: the same exposure."""
    shown = {one.examination for one in found if _flat(one) and one.header and not one.header.raw} - {""}
    kept = []
    for one in found:
        if one.header and one.header.raw and _flat(one) and one.examination in shown:
            cohort.skip(name_of(one.path, cohort.root), "for processing: its examination has an image for presentation")
        else:
            kept.append(one)
    return kept


def without_masks(found: Sequence[FoundImage], cohort: SourceCohort) -> list[FoundImage]:
    """The images without pictures and volumes whose name or folder says that they mark something in another image."""
    kept = []
    for one in found:
        if one.header is None and _is_mask(one.path, cohort.root):
            cohort.skip(name_of(one.path, cohort.root), "a mask by its name or folder")
        else:
            kept.append(one)
    return kept


class TakenImages:
    """The images that were taken, so that a second copy of one is recognised."""

    def __init__(self) -> None:
        self.all: list[FoundImage] = []
        self._by_place: dict[str, FoundImage] = {}
        self._by_uid: dict[str, FoundImage] = {}

    def add(self, one: FoundImage) -> None:
        self.all.append(one)
        self._by_place[os.path.realpath(one.path)] = one
        if one.header and one.header.image:
            self._by_uid[one.header.image] = one

    def copy(self, one: FoundImage) -> Path | None:
        """The image of which this is the same file, by a link, or byte by byte under the same SOPInstanceUID."""
        if place := self._by_place.get(os.path.realpath(one.path)):
            return place.path
        other = self._by_uid.get(one.header.image) if one.header else None
        if one.header and other and other.header and len(one.files) == len(other.files):
            return other.path if same_bytes(one.header.path, other.header.path) else None
        return None


def same_bytes(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)


def header_notes(found: Iterable[FoundImage]) -> list[str]:
    """Sentences that count images which were taken although their header leaves a doubt."""
    headers = [(one, one.header) for one in found if one.header]
    flat = [header for one, header in headers if _flat(one)]
    unstated = sum(header.view.frontal is None for header in flat)
    raw = sum(header.raw for header in flat)
    parts = Counter(header.body_part for _, header in headers if _elsewhere(header.body_part))
    named = ", ".join(f"{part} {count}" for part, count in parts.most_common(5))
    lines = [
        f"view not stated: {unstated} of {len(flat)} DICOM radiographs, taken as frontal" if unstated else "",
        f"for processing (raw values): {raw} radiographs, with none for presentation beside them" if raw else "",
        f"another body part than the chest is stated of {sum(parts.values())} images: {named}" if parts else "",
    ]
    return [line for line in lines if line]


def _is_mask(file: Path, root: Path) -> bool:
    *folders, name = (part.casefold() for part in file.relative_to(root).parts)
    words = re.findall(r"[^\W\d_]+", stem(name))
    return not MASKS.isdisjoint(folders) or (words[-1:] != [] and words[-1] in MASKS)


def _flat(one: FoundImage) -> bool:
    return _is_xray(one.modality)


def _is_xray(modality: Modality | None) -> bool:
    """Whether a picture or a file of this modality is one; a picture of none is."""
    return modality in (Modality.DX, Modality.CR, None)


def _elsewhere(part: str) -> bool:
    return bool(part) and not any(word in part.replace(" ", "") for word in CHEST)


def _no_image(ending: str) -> str:
    return next((reason for reason, endings in NO_IMAGE.items() if ending in endings), "not an image")


def _is_part(name: str, names: Sequence[str]) -> bool:
    """Whether it holds the voxels of a header beside it."""
    return suffix(name) in DATA and any(
        stem(one) == Path(name).stem for one in names if suffix(one) in (".mhd", ".nhdr")
    )


def _no_series(slices: Sequence[Header], root: Path) -> str:
    """Why the slices of a folder are no image; empty where they are, or there are none."""
    if slices and slices[0].path.parent == root:
        return "DICOM slices in the root: each series needs a folder of its own, or `cohort dicom-tree`"
    if not all(inside(one.path, root) for one in slices):
        return "DICOM slices of which some lie outside the root"
    if len({one.patient for one in slices}) > 1:
        return "DICOM slices of several patients in one folder"
    if len({one.study for one in slices}) > 1:
        return "DICOM slices of several examinations in one folder: `cohort dicom-tree` tells them apart"
    return ""
