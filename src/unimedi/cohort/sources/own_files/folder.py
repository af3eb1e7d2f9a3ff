"""Anyone's own files as a cohort: images with a text beside them, or a table that names both.

Without a table, an image's report is the text of the same name (``a.png``, ``a.txt``), or else the folder's only text
where the folder's images are one examination, or else the text of the same name in a folder beside (``images/a.png``,
``reports/a.txt``). A folder of DICOM slices is one study; its report lies in it or beside it. The patient is the
PatientID of the file, or else the first folder under the root that may be named for a patient, or else the image
itself. Whatever cannot be used is listed with the reason, never left out in silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from unimedi.cohort.cell_values import read_modality
from unimedi.cohort.sources.dicom.header import header_of
from unimedi.cohort.sources.file_names import TEXTS, count_suffixes, suffix
from unimedi.cohort.sources.own_files.images import (
    FoundImage,
    TakenImages,
    header_notes,
    images_of,
    without_masks,
    without_raw,
)
from unimedi.cohort.sources.own_files.pairing import Pairs, by_name, by_only_text, texts_of_other_files
from unimedi.cohort.sources.own_files.patients import name_patients
from unimedi.cohort.sources.own_files.sibling_folders import by_sibling_folder
from unimedi.cohort.sources.own_files.table import add_table
from unimedi.cohort.sources.source_cohort import NoStudyError, SourceCohort, SourceError
from unimedi.cohort.split import assign_splits, check_splits
from unimedi.cohort.study import Modality
from unimedi.errors import InputError
from unimedi.files.walk import name_of, walk


def scan_folder(
    root: str | Path,
    modality: str | None = None,
    table: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> SourceCohort:
    """Find the studies in a folder of one's own files.

    Args:
        root: the folder; everything below it is taken, or listed with the reason why not.
        modality: of images that do not say. The table's column and DICOM headers go first; without this, NIfTI
            means CT and PNG or JPEG means DX.
        table: CSV, Excel or Parquet with a row a study, its paths relative to ``root``.
        columns: the table's own names of the fields, as ``{"image": "file", "report": "text"}``.
        validation, test: shares of the patients, 0 to 1, unless the table has splits.
        seed: another one draws other patients.

    Returns:
        The studies, and what was left out.

    Raises:
        SourceError: no such folder or table, an unknown modality or field, a column that is missing, no study at all.
        SplitError: the table puts a patient in two splits.
    """
    root = Path(root)
    if not root.is_dir():
        raise SourceError(f"no such folder: {root}")
    if columns and table is None:
        raise SourceError("column names are given, but no table")
    cohort = SourceCohort(root)
    try:
        given = read_modality(modality) if modality else None
    except InputError as error:
        raise SourceError(str(error)) from error
    has_splits = False
    if table is None:
        stated = _read_tree(cohort, given)
    else:
        has_splits = add_table(cohort, Path(table), columns or {}, given)
        stated = _check_listed(cohort)
    name_patients(cohort, stated)
    if not cohort.studies:
        raise NoStudyError(cohort)
    if has_splits:
        check_splits(cohort.studies)
    else:
        cohort.studies = assign_splits(cohort.studies, validation, test, seed)
    return cohort


def _check_listed(cohort: SourceCohort) -> dict[str, str]:
    """List the table's images whose headers say that they are none for us; headers date what the table does not.

    Returns PatientIDs by study id.
    """
    stated: dict[str, str] = {}
    kept = []
    for study in cohort.studies:
        header = header_of(study.image)
        if header and header.unfit and study.image.is_file():
            cohort.skip(name_of(study.image, cohort.root), header.unfit)
            continue
        kept.append(replace(study, date=header.date) if header and not study.date else study)
        if header and study.study_id in cohort.unnamed:
            stated[study.study_id] = header.patient
    cohort.studies = kept
    return stated


def _read_tree(cohort: SourceCohort, given: Modality | None) -> dict[str, str]:
    """Every image under the root with its report; every other file is listed. Returns PatientIDs by study id."""
    found: list[FoundImage] = []
    files: list[Path] = []
    for folder, names in walk(cohort.root, cohort.skip):
        files += [folder / name for name in names]
        found += images_of(cohort, folder, names, given)
    found = without_masks(without_raw(found, cohort), cohort)
    texts = [file for file in files if suffix(file.name) in TEXTS]
    pairs = Pairs(named_for_others=texts_of_other_files(texts, found, files))
    by_name(found, texts, pairs)
    by_only_text(found, texts, pairs)
    by_sibling_folder(found, texts, cohort.root, pairs)
    stated: dict[str, str] = {}
    taken = TakenImages()
    for one in found:
        if _add(cohort, one, pairs, taken) and one.header:
            stated[cohort.studies[-1].study_id] = one.header.patient
    for text, reason in pairs.unused(texts, found, taken.all):
        cohort.skip(name_of(text, cohort.root), reason)
    if beside := sum(one.path in pairs.elsewhere for one in taken.all):
        cohort.notes.append(f"{beside} images have their report in a folder beside, found by name: each pair is listed")
    cohort.notes += header_notes(taken.all)
    if not taken.all:
        cohort.notes.append(_advice(len(found), len(texts), [file.name for file in files]))
    return stated


def _advice(images: int, texts: int, names: Sequence[str]) -> str:
    """What was seen where nothing could be taken, and what would help."""
    seen = (
        f"seen: {images} usable images and {texts} texts among {len(names)} files ({count_suffixes(names) or 'none'})"
    )
    if not images:
        return f"{seen}; images are DICOM, NIfTI, NRRD, MetaImage, PNG, JPEG or TIFF"
    return (
        f"{seen}; a report is a text of its image's name ({', '.join(TEXTS)}) beside it or in a folder beside "
        "(images/a.png, reports/a.txt), or a column of a --table"
    )


def _add(cohort: SourceCohort, one: FoundImage, pairs: Pairs, taken: TakenImages) -> bool:
    """Take an image with its report, or list it; whether it was taken."""
    what, report = name_of(one.path, cohort.root), pairs.reports.get(one.path)
    before = len(cohort.studies)
    if reason := pairs.refused.get(one.path):
        cohort.skip(what, reason)
    elif report and (first := taken.copy(one)):
        cohort.skip(what, f"a copy of {name_of(first, cohort.root)}, which is taken")
    else:
        cohort.add(what, one.path, one.modality, report, date=one.header.date if one.header else None)
    if len(cohort.studies) == before:
        return False
    taken.add(one)
    if report and one.path in pairs.elsewhere:
        text = name_of(report, cohort.root)
        cohort.tell(what, f"taken with {text}, which has its name in a folder beside")
        cohort.tell(text, f"taken as the report of {what}")
    return True
