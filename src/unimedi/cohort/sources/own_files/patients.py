"""To which patient an image belongs: the PatientID in its file; else its folder; else it counts as a patient itself.

Two patients taken for one cost a little. One patient taken for two may stand in two splits, and then every measurement
is worth nothing. So an image without a PatientID belongs to the only patient of its folder, and IssuerOfPatientID is
not looked at.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from unimedi.cohort.cell_values import without_missing
from unimedi.cohort.patient_id import normalized_id
from unimedi.cohort.sources.file_names import stem
from unimedi.cohort.sources.own_files.sibling_folders import IMAGE_FOLDERS, TEXT_FOLDERS
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.study import Study

SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "holdout"}
CLASSES = {"normal", "abnormal", "pneumonia", "covid", "covid-19", "covid19", "positive", "negative"}
NO_PATIENT = IMAGE_FOLDERS | TEXT_FOLDERS | SPLITS | CLASSES  # folders that say what lies in them, not whose it is
# A day or a month, as archives sort by: 2024-01-31, 20240131, 31.01.2024, 2024-01.
_Y, _M, _D = r"(?:19|20)\d\d", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    rf"{_Y}[-_. ]{_M}(?:[-_. ]{_D})?|{_Y}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|{_D}[-_. ]{_M}[-_. ]{_Y}"
)
_YEAR, _PART = re.compile(_Y), re.compile(rf"{_M}|{_D}")  # 2024, and 01 below it
# What de-identifiers and test systems write for every patient.
PLACEHOLDERS = (
    *("anon", "anonymous", "anonym", "anonymized", "anonymised", "deidentified", "removed", "redacted", "withheld"),
    *("unknown", "noid", "id", "patient", "patientid", "default", "test"),
    *("x", "xx", "xxx", "xxxx", "xxxxx", "xxxxxx"),
)


class PatientSource(StrEnum):
    """Where it is written to which patient an image belongs."""

    FILE = "PatientID"
    NEIGHBOUR = "the PatientID of other files in the folder"
    FOLDER = "folder"
    ITSELF = "the image's own name"


def is_placeholder(patient: str) -> bool:
    """Whether a PatientID says nothing: ``ANONYMOUS``, ``0``, ``000000``."""
    plain = "".join(filter(str.isalnum, patient)).casefold()
    return not plain.strip("0") or plain in PLACEHOLDERS or not without_missing(patient)


def patient_key(patient: str) -> str:
    """A PatientID as it is compared, the same for all spellings; empty where it names nobody."""
    return "" if is_placeholder(patient) else normalized_id(patient)


def name_patients(cohort: SourceCohort, stated: Mapping[str, str]) -> None:
    """Name the patients of the studies that were added without one; how many were told by what is noted.

    Args:
        stated: the PatientID of files, by study id.
    """
    ids = {study: patient for study, patient in stated.items() if not is_placeholder(patient)}
    folders = _folders(cohort)
    of_folder: dict[str, dict[str, str]] = defaultdict(dict)  # patients by what all spellings share
    for study, patient in ids.items():
        of_folder[folders[study]].setdefault(normalized_id(patient), patient)
    told: dict[str, PatientSource] = {}

    def named(study: Study) -> Study:
        if study.study_id not in cohort.unnamed:
            return study
        folder = folders[study.study_id]
        others = list(of_folder[folder].values()) if folder else []
        patient, how = stem(study.image.name), PatientSource.ITSELF
        if study.study_id in ids:
            patient, how = ids[study.study_id], PatientSource.FILE
        elif len(others) == 1:
            patient, how = others[0], PatientSource.NEIGHBOUR
        elif folder:
            patient, how = folder, PatientSource.FOLDER
        told[study.study_id] = how
        return replace(study, patient_id=patient)

    cohort.studies = [named(study) for study in cohort.studies]
    _note(cohort, told, folders, {folder for folder, patients in of_folder.items() if folder and len(patients) > 1})
    note_placeholders(cohort, stated.values())


def _folders(cohort: SourceCohort) -> dict[str, str]:
    """By study the first folder under the root that may be a patient's, and is no date; empty where there is none.

    Folders are years where all of the first ones are: of patients that are numbered, some have other numbers.
    """
    parts = {study.study_id: study.image.relative_to(cohort.root).parts[:-1] for study in cohort.studies}
    years = all(_YEAR.fullmatch(names[0]) for names in parts.values() if names)
    return {
        study: next((name for name in _undated(names, years) if _may_be(name)), "") for study, names in parts.items()
    }


def _undated(names: Sequence[str], years: bool) -> Sequence[str]:
    """The folders below a year and its months and days."""
    if not (years and names):
        return names
    return list(itertools.dropwhile(_PART.fullmatch, names[1:]))


def _may_be(name: str) -> bool:
    return name.casefold() not in NO_PATIENT and not _DATE.fullmatch(name)


def note_placeholders(cohort: SourceCohort, patients: Iterable[str]) -> None:
    """Say which PatientIDs are no one's, and how often they stand there."""
    empty = Counter(patient or "(empty)" for patient in patients if is_placeholder(patient))
    if empty:
        named = ", ".join(f"{patient} {count}" for patient, count in empty.most_common(5))
        cohort.notes.append(f"PatientIDs that name nobody, in {sum(empty.values())} studies: {named}")


def _note(
    cohort: SourceCohort, told: Mapping[str, PatientSource], folders: Mapping[str, str], shared: set[str]
) -> None:
    """Say how many patients are known by what, and which of them a person should look at."""
    counts = Counter(told.values())
    if counts:
        listed = ", ".join(f"{counts[how]} by {how}" for how in PatientSource if counts[how])
        cohort.notes.append(f"whose the studies are: {listed}")
    if (single := counts[PatientSource.ITSELF]) > 1:
        cohort.notes.append(
            f"{single} images count as a patient each, for no header and no folder says whose they are: "
            "two of one patient may stand in two splits; a --table with patient_id prevents it"
        )
    vague = sum(how is PatientSource.FOLDER and folders[study] in shared for study, how in told.items())
    if vague:
        cohort.notes.append(f"{vague} studies without a PatientID lie in folders of several patients: look at these")
    splits = sorted({study.image.relative_to(cohort.root).parts[0] for study in cohort.studies} & SPLITS)
    if len(splits) > 1:
        cohort.notes.append(f"the folders {', '.join(splits)} are not taken for splits; a --table with split is")
