"""RICORD (MIDRC): chest CTs with COVID-19 (1A) and without (1B), X-rays with it (1C), as DICOM series; no reports."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from unimedi.cohort.sources.dicom.header import header_of
from unimedi.cohort.sources.dicom.quick_header import modality_of
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Modality, Split

PATIENT = re.compile(r"MIDRC-RICORD-1([ABC])-(.+)", re.IGNORECASE)
LISTS = {"RICORD_train.txt": Split.TRAIN, "RICORD_val.txt": Split.VALIDATION, "RICORD_test.txt": Split.TEST}  # UniMiSS
# Names of series that are not axial: reformats and scouts.
NO_AXIAL = re.compile(r"\b(?:cor|sag)\b|coronal|sagittal|scout|locali[sz]er|topogram", re.IGNORECASE)
LEAST = 20  # files of a series: fewer are a scout, a bolus timing, a dose page
Series = tuple[str, str, str, Path]  # part (A, B or C), patient's number, study, folder of the series


def ricord(root: Path) -> SourceCohort:
    """Any of 1A, 1B and 1C as TCIA's downloader writes them: ``.../<patient>/<study>/<series>/*.dcm``.

    A patient's number is the same in 1A and 1C, so a CT and an X-ray of one patient are found as such. With UniMiSS's
    lists in the root their series and split are taken; else a CT study's axial series with most files, and a split
    drawn by patient.

    Raises:
        SourceError: no patient's folder, or some of the lists only.
    """
    if not root.is_dir():
        raise SourceError(f"no such folder: {root}")
    cohort = SourceCohort(root)
    listed = _lists(root)
    series = sorted(_series(root))
    if not series:
        raise SourceError(f"{root} has no folder MIDRC-RICORD-1A-..., nor one of 1B or 1C, with studies in it")
    _add_xrays(cohort, [one for one in series if one[0] == "C"])
    cts = [one for one in series if one[0] != "C"]
    if listed:
        _add_listed(cohort, cts, listed)
    else:
        _add_largest(cohort, cts)
    splits = {name.partition("_")[0]: split for name, split in listed.items()}
    drawn = assign_splits(cohort.studies)
    cohort.studies = [replace(study, split=splits.get(study.patient_id, study.split)) for study in drawn]
    return cohort


def _series(root: Path) -> Iterator[Series]:
    """Every folder of files below a patient's folder, at two levels: study and series."""
    for depth in ("*", "*/*", "*/*/*"):  # the root may be the collection, the download, or what holds several
        for patient in root.glob(depth):
            found = PATIENT.fullmatch(patient.name)
            if found and patient.is_dir():
                yield from (
                    (found[1].upper(), found[2], folder.parent.name, folder)
                    for folder in patient.glob("*/*")
                    if folder.is_dir()
                )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".dcm")


def _add_xrays(cohort: SourceCohort, series: list[Series]) -> None:
    for _, patient, study, folder in series:
        for number, file in enumerate(_files(folder)):
            name = f"1C_{patient}_{study}_{folder.name}_{number}".replace(" ", "-")
            labels = {"covid_19": True}
            modality, header = modality_of(file) or Modality.DX, header_of(file)
            date = header.date if header else None
            cohort.add(_what(folder), file, modality, None, name, patient, labels=labels, date=date)


def _add_largest(cohort: SourceCohort, series: list[Series]) -> None:
    """Of each study the axial series with most files; the first by name of equal ones."""
    best: dict[tuple[str, str, str], tuple[int, Path]] = {}
    counts = {folder: len(_files(folder)) for *_, folder in series}
    for part, patient, study, folder in series:
        if not NO_AXIAL.search(folder.name.replace("-", " ")) and counts[folder] >= LEAST:
            best.setdefault((part, patient, study), (0, folder))
            if counts[folder] > best[part, patient, study][0]:
                best[part, patient, study] = (counts[folder], folder)
    for part, patient, study, folder in series:
        chosen = best.get((part, patient, study))
        if chosen is None:
            cohort.skip(_what(folder), "no axial series of 20 files in this study")
        elif chosen[1] != folder:
            cohort.skip(_what(folder), "another series of a study that is taken")
        else:
            _add_ct(cohort, part, patient, study, folder, f"1{part}_{patient}_{study}".replace(" ", "-"))


def _add_listed(cohort: SourceCohort, series: list[Series], listed: dict[str, Split]) -> None:
    missing = dict.fromkeys(listed)
    for part, patient, study, folder in series:
        name = f"{patient}_{study[:10]}_{folder.name}".replace(" ", "-")  # a study's folder begins with its date
        if name not in listed:
            cohort.skip(_what(folder), "in none of the lists of the split")
            continue
        missing.pop(name, None)
        _add_ct(cohort, part, patient, study, folder, f"1{part}_{name}")
    for name in missing:
        cohort.skip(name, "no image")


def _add_ct(cohort: SourceCohort, part: str, patient: str, study: str, folder: Path, name: str) -> None:
    if not _files(folder):
        return cohort.skip(_what(folder), "no image")
    labels, header = {"covid_19": part == "A"}, header_of(folder)
    date = header.date if header else None
    return cohort.add(_what(folder), folder, Modality.CT, None, name, patient, labels=labels, date=date)


def _lists(root: Path) -> dict[str, Split]:
    """Series by ``<patient>_<date>_<series>``, from lines like
    ``data_nii_v0/MIDRC-RICORD-1A/ID419639-000906_date10-23-2002_2.000000-ROUTINE-CHEST-46543.nii.gz 1``."""
    there = [name for name in LISTS if (root / name).is_file()]
    if there and len(there) < len(LISTS):
        raise SourceError(f"{root} has {', '.join(there)}; expected all of {', '.join(LISTS)}, or none")
    listed = {}
    for name in there:
        for line in (root / name).read_text(encoding="utf-8").splitlines():
            file = line.rpartition(" ")[0].rpartition("/")[2].removesuffix(".nii.gz")
            if file:
                listed[file.removeprefix("ID").replace("_date", "_", 1)] = LISTS[name]
    return listed


def _what(folder: Path) -> str:
    return "/".join(folder.parts[-3:])
