"""Any tree of DICOM files, whatever the names, by study and series; reports from a table or structured reports."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unimedi.cohort.sources.dicom_header import is_dicom, modality_name
from unimedi.cohort.sources.dicom_report import read_report
from unimedi.cohort.sources.scan import FolderCohort, FolderError
from unimedi.cohort.sources.table import label_values, report_table
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Modality

TAGS = (
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality", "PatientID", "AccessionNumber"),
    *("ViewPosition", "ImageType", "NumberOfFrames", "Rows"),
)
LATERAL = ("LL", "RL", "LLD", "RLD", "LATERAL", "LAT")
FEWEST = 4  # slices: under one slab there is nothing to see


@dataclass(slots=True)
class _Series:
    """The files of one series: where they lie and what their headers say of study and patient."""

    uid: str
    study: str
    accession: str
    patient: str
    modality: Modality
    folders: set[Path] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)

    @property
    def slices(self) -> int:
        return len(self.files)


@dataclass(slots=True)
class _Reports:
    """The table's rows by their key and the structured reports by study, and which of them an image asked for."""

    listed: Mapping[str, dict[str, str]]
    written: Mapping[str, str]
    asked: set[str] = field(default_factory=set)

    def of(self, series: _Series) -> dict[str, str]:
        """The table's row, with the structured report where the table has no text."""
        self.asked |= {series.study, series.accession}
        row = self.listed.get(series.study) or self.listed.get(series.accession) or {}
        text = row.get("report") or self.written.get(series.study)
        return {**row, "report": text} if text else {name: value for name, value in row.items() if name != "report"}

    def left(self) -> list[str]:
        """The keys of the rows and reports that no image asked for."""
        return sorted((self.listed.keys() | self.written.keys()) - self.asked)


def dicom_tree(root: Path, table: Path | None = None, columns: Mapping[str, str] | None = None) -> FolderCohort:
    """Every DICOM image under ``root``: an X-ray is a study of its own, of an examination's CT (or MR) series the one
    with most slices is taken.

    Args:
        table: CSV, Excel or Parquet with a row an examination: ``key`` (accession number or StudyInstanceUID),
            ``report`` and ``label:<finding>`` columns. It goes before structured reports (modality SR) in the tree.
        columns: the table's own names of ``key`` and ``report``.

    Raises:
        FolderError: no such folder, a column that is missing, or no DICOM image at all.
    """
    if not root.is_dir():
        raise FolderError(f"no such folder: {root}")
    cohort = FolderCohort(root)
    listed = report_table(table, columns or {}) if table else {}
    flat, deep, written = _walk(cohort)
    reports = _Reports(listed, written)
    for series in flat:
        _add(cohort, series, series.files[0], series.uid, reports)
    by_study: dict[str, list[_Series]] = defaultdict(list)
    for series in deep:
        by_study[series.study].append(series)
    for study, several in by_study.items():
        best, *others = sorted(several, key=lambda one: (-one.slices, one.uid))
        for other in others:
            cohort.skip(other.uid, f"another series of its examination has more slices ({best.slices})")
        if best.slices < FEWEST:
            cohort.skip(best.uid, f"a series of fewer than {FEWEST} slices")
        elif len(best.folders) > 1:
            cohort.skip(best.uid, "a series spread over several folders")
        else:
            _add(cohort, best, next(iter(best.folders)), study, reports)
    for key in reports.left():
        cohort.skip(key, "a report of which no image is taken")
    if not cohort.studies and not listed and not written:
        cohort.skip(".", "no table of reports or labels was given: --table")
    cohort.studies = assign_splits(cohort.studies)
    return cohort


def _walk(cohort: FolderCohort) -> tuple[list[_Series], list[_Series], dict[str, str]]:
    """X-rays, one by one; series of slices; structured reports by study."""
    reports: dict[str, str] = {}
    flat: list[_Series] = []
    deep: dict[str, _Series] = {}
    for where, folders, names in os.walk(cohort.root):
        folders.sort()
        for name in sorted(names):
            path = Path(where) / name
            if name == "DICOMDIR" or not is_dicom(path):
                cohort.skip(str(path.relative_to(cohort.root)), "not a DICOM image")
                continue
            if modality_name(path) == "SR" and (report := read_report(path)):
                reports[report[0]] = "\n".join(filter(None, (reports.get(report[0]), report[1])))
                continue
            found = _header(path)
            if isinstance(found, str):
                cohort.skip(str(path.relative_to(cohort.root)), found)
            elif found.modality.ndim == 2:
                found.files.append(path)
                flat.append(found)
            else:
                series = deep.setdefault(found.uid, found)
                series.files.append(path)
                series.folders.add(path.parent)
    return flat, list(deep.values()), reports


def _header(path: Path) -> _Series | str:
    """Study and series of a file, or why it is no image for us."""
    import pydicom

    try:
        header: Any = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
        values = {name: str(header.get(name) or "") for name in TAGS}
    except Exception as error:  # damaged bytes make pydicom raise nearly anything
        return f"unreadable header: {type(error).__name__}"
    if not values["Rows"]:
        return "no image: a report, a directory or a presentation"
    try:
        modality = Modality(values["Modality"])
    except ValueError:
        return f"modality {values['Modality'] or 'not stated'}"
    if modality.ndim == 2 and values["ViewPosition"].upper() in LATERAL:
        return "not frontal"
    if "LOCALIZER" in str(header.get("ImageType", "")).upper():
        return "a localiser"
    if not values["StudyInstanceUID"] or not values["PatientID"]:
        return "no patient or study in the header"
    uid = values["SeriesInstanceUID"] if modality.ndim == 3 else values["SOPInstanceUID"]
    return _Series(uid, values["StudyInstanceUID"], values["AccessionNumber"], values["PatientID"], modality)


def _add(cohort: FolderCohort, series: _Series, image: Path, study_id: str, reports: _Reports) -> None:
    row = reports.of(series)
    cohort.add(
        study_id,
        image,
        series.modality,
        row.get("report"),
        study_id=study_id,
        patient_id=series.patient,
        labels=label_values(row),
        series=series.uid if series.modality.ndim == 3 else "",
    )
