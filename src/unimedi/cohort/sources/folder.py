"""Anyone's own files as a cohort: images with a text beside them, or a table that names both.

Without a table, an image's report is the text of the same name (``a.png``, ``a.txt``), or else the folder's only text
that is no other image's. A folder of DICOM slices is one study; its report lies in it or beside it. The patient is the
first folder under the root, or the image itself where it lies in the root. Whatever cannot be used is listed with the
reason, never left out in silence.
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from unimedi.cohort.sources.dicom_header import is_dicom
from unimedi.cohort.sources.scan import (
    PICTURES,
    VOLUMES,
    FolderCohort,
    FolderError,
    given_modality,
    guess_modality,
    stem,
    suffix,
)
from unimedi.cohort.sources.table import add_table
from unimedi.cohort.split import assign_splits, check_splits
from unimedi.cohort.study import Modality, Study


def folder_cohort(
    root: str | Path,
    modality: str | None = None,
    table: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> list[Study]:
    """The studies under ``root``; a warning tells what was left out. Arguments and errors as in ``scan_folder``."""
    cohort = scan_folder(root, modality, table, columns, validation, test, seed)
    if complaint := cohort.complaint():
        warnings.warn(f"{root}: {complaint}", stacklevel=2)
    return cohort.studies


def scan_folder(
    root: str | Path,
    modality: str | None = None,
    table: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> FolderCohort:
    """The studies under ``root`` and what was left out.

    Args:
        modality: of every image that does not say. The table's column and DICOM headers go first; without this, NIfTI
            means CT and PNG or JPEG means DX.
        table: CSV, Excel or Parquet with a row a study, its paths relative to ``root``.
        columns: the table's own names of our fields, as ``{"image": "file", "report": "text"}``.
        validation, test, seed: shares of the patients, drawn by a hash of the patient id unless the table has a split.

    Raises:
        FolderError: no such folder or table, an unknown modality or field, a column that is missing, no study at all.
        SplitError: the table puts a patient in two splits.
    """
    root = Path(root)
    if not root.is_dir():
        raise FolderError(f"no such folder: {root}")
    if columns and table is None:
        raise FolderError("column names are given, but no table")
    cohort = FolderCohort(root)
    given = given_modality(modality)
    has_splits = False
    if table is None:
        _read_tree(cohort, given)
    else:
        has_splits = add_table(cohort, Path(table), columns or {}, given)
    if not cohort.studies:
        raise FolderError(f"no study under {root}: {cohort.complaint() or 'it holds no images'}")
    if has_splits:
        check_splits(cohort.studies)
    else:
        cohort.studies = assign_splits(cohort.studies, validation, test, seed)
    return cohort


def _read_tree(cohort: FolderCohort, given: Modality | None) -> None:
    """Every image under the root in the order of the paths, then the texts that belong to none."""
    texts: set[Path] = set()
    used: set[Path] = set()
    for where, folders, names in os.walk(cohort.root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        folder = Path(where)
        names = sorted(name for name in names if not name.startswith("."))
        texts |= {folder / name for name in names if suffix(name) == ".txt"}
        for image, file in _images(cohort, folder, names, given):
            report = _text_of(image, {stem(name) for name in names if suffix(name) != ".txt"})
            used |= {report} if report else set()
            cohort.add(str(image.relative_to(cohort.root)), image, guess_modality(file, given), report)
    for text in sorted(texts - used):
        cohort.skip(str(text.relative_to(cohort.root)), "no image")


def _images(cohort: FolderCohort, folder: Path, names: list[str], given: Modality | None) -> list[tuple[Path, Path]]:
    """The images of one folder, each with a file that tells its modality; a DICOM series is the folder itself."""
    images: list[tuple[Path, Path]] = []
    slices: list[Path] = []
    for name in names:
        file = folder / name
        if suffix(name) in (*VOLUMES, *PICTURES):
            images.append((file, file))
        elif suffix(name) not in (".txt", ".csv") and is_dicom(file):
            found = guess_modality(file, given)
            slices += [file] if found and found.ndim == 3 else []
            images += [] if found and found.ndim == 3 else [(file, file)]
        elif suffix(name) not in (".txt", ".csv"):
            cohort.skip(str(file.relative_to(cohort.root)), "not an image")
    if slices and folder == cohort.root:
        cohort.skip(".", "DICOM slices in the root: each series needs a folder of its own")
    elif slices:
        images.append((folder, slices[0]))
    return images


def _text_of(image: Path, stems: set[str]) -> Path | None:
    """The text that belongs to an image; ``stems`` are the names of the images in its folder."""
    own = image.parent / f"{stem(image.name)}.txt"
    if image.is_dir():
        inside = sorted(image.glob("*.txt"))
        if len(inside) == 1:
            return inside[0]
        stems = {stem(path.name) for path in image.parent.iterdir() if path != image and path.suffix != ".txt"}
    if own.is_file():
        return own
    free = [text for text in image.parent.glob("*.txt") if text.stem not in stems]
    return free[0] if len(free) == 1 else None
