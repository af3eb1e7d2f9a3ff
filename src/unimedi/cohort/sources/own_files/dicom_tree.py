"""Any tree of DICOM files, whatever the names, by study and series; reports from a table or structured reports."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unimedi.cohort.patient_id import normalized_id
from unimedi.cohort.sources.dicom.header import NO_IMAGE, Header, read_header
from unimedi.cohort.sources.dicom.quick_header import is_dicom
from unimedi.cohort.sources.dicom.report import Document, read_document, reports_by_study
from unimedi.cohort.sources.file_names import count_suffixes
from unimedi.cohort.sources.own_files.images import FoundImage, header_notes, same_bytes, without_raw
from unimedi.cohort.sources.own_files.patients import note_placeholders
from unimedi.cohort.sources.own_files.table import label_values, report_table
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Modality
from unimedi.files.walk import inside, name_of, walk

PLANS = "modality RT"  # how RTSTRUCT, RTPLAN and the like are named: large, and no documents
FEWEST = 4  # slices: under one slab there is nothing to see


@dataclass(slots=True)
class _Series:
    """The slices of one series, a file each, or one file that holds them all as frames."""

    first: Header
    files: list[Header] = field(default_factory=list)

    @property
    def slices(self) -> int:
        return sum(file.frames for file in self.files)

    @property
    def folders(self) -> set[Path]:
        return {file.path.parent for file in self.files}

    @property
    def image(self) -> Path:
        """The file of frames, or the folder of the slices."""
        return self.first.path if self.first.frames > 1 else self.first.path.parent

    def name(self, root: Path) -> str:
        """Where it lies, and which of several there it is."""
        if self.first.frames > 1:
            return name_of(self.first.path, root)
        count = "1 file" if len(self.files) == 1 else f"{len(self.files)} files"
        return f"{name_of(self.first.path.parent, root)} ({count} of series {self.first.series or 'without a UID'})"


@dataclass(slots=True)
class _Reports:
    """Reports by examination: ``listed`` are the rows of the table, ``written`` the structured reports of the tree.

    ``asked`` are the keys of examinations of which an image was found.
    """

    listed: Mapping[str, dict[str, str]]
    written: Mapping[str, str]
    asked: set[str] = field(default_factory=set)

    def of(self, header: Header) -> dict[str, str]:
        """The table's row, with the structured report where the table has no text."""
        self.asked |= {header.study, header.accession}
        row = self.listed.get(header.study) or self.listed.get(header.accession) or {}
        text = row.get("report") or self.written.get(header.study)
        return {**row, "report": text} if text else {name: value for name, value in row.items() if name != "report"}

    def left(self) -> list[str]:
        """The keys of the rows and reports that no image asked for."""
        return sorted((self.listed.keys() | self.written.keys()) - self.asked)


def dicom_tree(root: Path, table: Path | None = None, columns: Mapping[str, str] | None = None) -> SourceCohort:
    """Find the studies in any tree of DICOM files.

    An X-ray is a study of its own. Of the CT (or MR) series of an examination one is taken: the axial one with most
    slices, CT before MR. A file of several frames is a series of its own.

    Args:
        root: the folder; names and depth do not matter.
        table: CSV, Excel or Parquet with a row an examination: ``key`` (accession number or StudyInstanceUID),
            ``report`` and ``label:<finding>`` columns. It goes before structured reports (modality SR) in the tree.
        columns: the table's own names of ``key`` and ``report``.

    Returns:
        The studies with splits drawn by patient, and what was left out.

    Raises:
        SourceError: no such folder, a column that is missing, or no DICOM image at all.
    """
    if not root.is_dir():
        raise SourceError(f"no such folder: {root}")
    cohort = SourceCohort(root)
    listed = report_table(table, columns or {}) if table else {}
    headers, written = _walk(cohort)
    reports = _Reports(listed, written)
    flat, deep = _sorted(cohort, headers)
    taken = [one for one in flat if one.header and _add(cohort, one.header, name_of(one.path, root), one.path, reports)]
    for several in deep.values():
        best, *others = sorted(several, key=_rank)
        for other in others:
            cohort.skip(other.name(root), _why_not_taken(other, best))
        if reason := _unusable(best, others, root):
            cohort.skip(best.name(root), reason)
        elif _add(cohort, best.first, best.name(root), best.image, reports):
            taken.append(FoundImage(best.image, best.first.modality, best.first))
    for key in reports.left():
        cohort.skip(key, "a report of which no image is taken")
    if not cohort.studies and not listed and not written:
        cohort.skip(".", "no table of reports or labels was given: --table")
    note_placeholders(cohort, (study.patient_id for study in cohort.studies))
    cohort.notes += header_notes(taken)
    cohort.studies = assign_splits(cohort.studies)
    return cohort


def _why_not_taken(other: _Series, best: _Series) -> str:
    if best.slices > other.slices:
        return f"another series of its examination has more slices ({best.slices})"
    axial = best.first.axial and not other.first.axial
    return "another series of its examination is axial" if axial else "another series of its examination"


def _unusable(best: _Series, others: Sequence[_Series], root: Path) -> str:
    """Why the best series of an examination cannot be used; empty where it can."""
    same = [other for other in others if other.first.series == best.first.series != ""]
    if any(other.first.frames == best.first.frames == 1 for other in same):
        return "slices of several patients under one SeriesInstanceUID"
    if best.slices < FEWEST:
        return f"a series of fewer than {FEWEST} slices"
    if not all(inside(file.path, root) for file in best.files):
        return "image outside the root"
    return "a series spread over several folders" if len(best.folders) > 1 else ""


def _walk(cohort: SourceCohort) -> tuple[list[Header], dict[str, str]]:
    """The headers of images; structured reports by study."""
    documents: list[tuple[str, Document]] = []
    headers: list[Header] = []
    first: dict[str, Path] = {}  # file of a SOPInstanceUID
    every: list[str] = []
    for folder, names in walk(cohort.root, cohort.skip):
        every += names
        for name in names:
            path = folder / name
            if not is_dicom(path):
                cohort.skip(name_of(path, cohort.root), "not a DICOM image")
                continue
            header = read_header(path)
            may_be = header.unfit == NO_IMAGE and not header.foreign.startswith(PLANS)
            document = read_document(path) if may_be else None
            if isinstance(document, Document):
                documents.append((name_of(path, cohort.root), document))
                continue
            reason = document or header.unfit or header.foreign or _lacks(header)
            twin = first.setdefault(header.image, path) if header.image and not reason else path
            if not reason and twin != path and same_bytes(path, twin):
                reason = f"a copy of {name_of(twin, cohort.root)}"
            if reason:
                cohort.skip(name_of(path, cohort.root), reason)
            else:
                headers.append(header)
    reports, left = reports_by_study(documents)
    for name, reason in left:
        cohort.skip(name, reason)
    if not headers:
        seen = count_suffixes(every) or "none"
        cohort.notes.append(f"no DICOM image among {len(every)} files ({seen}); other kinds: `unimedi cohort folder`")
    return headers, reports


def _lacks(header: Header) -> str:
    if header.modality is None:
        return "modality not stated"
    return "" if header.study and header.patient else "no patient or study in the header"


def _key(header: Header) -> tuple[str, ...]:
    """Of a series, or of a file that is one."""
    return (normalized_id(header.patient), header.study, header.series, str(header.path) if header.frames > 1 else "")


def _rank(one: _Series) -> tuple[bool, bool, bool, int, tuple[str, ...]]:
    first = one.first
    return first.modality is not Modality.CT, one.slices < FEWEST, not first.axial, -one.slices, _key(first)


def _sorted(cohort: SourceCohort, headers: Sequence[Header]) -> tuple[list[FoundImage], dict[str, list[_Series]]]:
    """X-rays, one by one; series by examination."""
    series: dict[tuple[str, ...], _Series] = {}
    flat = []
    for header in headers:
        if header.modality is not None and header.modality.ndim == 2:
            flat.append(FoundImage(header.path, header.modality, header))
        else:
            series.setdefault(_key(header), _Series(header)).files.append(header)
    deep: dict[str, list[_Series]] = defaultdict(list)
    for one in series.values():
        deep[one.first.study].append(one)
    return without_raw(flat, cohort), deep


def _add(cohort: SourceCohort, header: Header, what: str, image: Path, reports: _Reports) -> bool:
    """Take an image, or list it as ``what``; whether it was taken. An X-ray is named by its own UID, for an examination
    may have several."""
    row = reports.of(header)
    study_id = header.image if header.modality is not None and header.modality.ndim == 2 else header.study
    before = len(cohort.studies)
    cohort.add(
        what,
        image,
        header.modality,
        row.get("report"),
        study_id=study_id,
        patient_id=header.patient,
        labels=label_values(row),
        series=header.series if image != header.path else "",
        date=header.date,
    )
    return len(cohort.studies) > before
