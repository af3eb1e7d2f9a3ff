"""BIMCV's X-rays and CTs with Spanish reports and their findings: BIMCV-COVID19+ and -, and the CTs of BIMCV-R."""

import datetime
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unimedi.cohort.cell_values import date_or_none
from unimedi.cohort.sources.collections.listing import find, python_list, rows, snake
from unimedi.cohort.sources.file_names import suffix
from unimedi.cohort.sources.nifti_header import planes_of
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Modality

FEWEST_STUDIES = 50  # with a finding: of fewer it is no label column
NO_FINDING = {"exclude", ""}  # sentences without one
XRAY = {"cr": Modality.CR, "dx": Modality.DX}
VIEW = re.compile(r"_vp-([a-z]+)_")
FRONTAL = ("ap", "pa")
FEWEST_PLANES = 20  # of an axial series: fewer are a localiser or a part
PHOTOMETRIC = "00280004"  # the DICOM tag in the file of tags beside an image
BIMCV_R_TABLES = ("curated_ct_report_path_En.csv", "BIMCV_meta.csv")
SCAN_NAME = re.compile(r"(sub-\w+?)_(ses-\w+?)_")


def findings_of(cell: str) -> frozenset[str] | None:
    """``"['pleural effusion', ' nodule', 'exclude']"`` as names; None where it is empty, or no list."""
    names = python_list(cell)
    return None if names is None else frozenset(map(snake, names)) - NO_FINDING


def label_columns(found: Iterable[frozenset[str] | None]) -> list[str]:
    """The findings with enough studies to be a column, sorted: ``FEWEST_STUDIES``, or a tenth of a small cohort."""
    listed = [names for names in found if names is not None]
    counts = Counter(name for names in listed for name in names)
    return sorted(name for name, count in counts.items() if count >= min(FEWEST_STUDIES, len(listed) // 10 + 1))


def labels_of(names: frozenset[str] | None, columns: Iterable[str]) -> Mapping[str, bool | None]:
    """Each column's finding as present or absent; unknown where the study was not labelled."""
    return {column: None if names is None else column in names for column in columns}


def text_of(cell: str) -> str:
    """A report; ``"['one', 'two']"``, as the tables of sessions have it, is joined to lines."""
    lines = python_list(cell) if cell.startswith("[") else None
    return cell if lines is None else "\n".join(" ".join(line.split()) for line in lines)


# -- BIMCV-R ----------------------------------------------------------------------------------------------------------


def bimcv_r(root: Path) -> SourceCohort:
    """``meta/curated_ct_report_path_En.csv`` with ``CT*/ct/*.nii.gz``; a volume is found by its name, wherever it lies.

    The Spanish report is the report and the English one its translation, which trains in its place.
    """
    table = find(root, *(f"{folder}{name}" for name in BIMCV_R_TABLES for folder in ("meta/", "")))
    listed = list(rows(table, "path", "Report_en"))
    found = {path.name: path for path in sorted(root.rglob("*.nii.gz"))}
    names = [findings_of(row.get("Labels", "")) for row in listed]
    columns = label_columns(names)
    translations: dict[str, str] = {}
    cohort = SourceCohort(root)
    for row, labelled in zip(listed, names, strict=True):
        file = (row.get("ct_path") or row["path"]).rpartition("/")[2]
        ids = SCAN_NAME.match(file)
        if not ids or file not in found:
            cohort.skip(file or row.get("ReportID", "a row without a path"), "no image")
            continue
        spanish, english = row.get("Report", ""), row["Report_en"]
        study = ids[2]
        if study in cohort.ids:
            cohort.skip(file, "another series of a study that is taken")
            continue
        labels = labels_of(labelled, columns)
        text, language = (spanish, "es") if spanish else (english, "en")
        cohort.add(file, found[file], Modality.CT, text, study, ids[1], language, labels=labels)
        if spanish:
            translations[study] = english
    cohort.studies = [
        replace(study, report=replace(study.report, translation=translations.get(study.study_id, "")))
        for study in assign_splits(cohort.studies)
    ]
    return cohort


# -- BIMCV-COVID19 ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Session:
    """What the tables say of a session: the report, the findings drawn from it, and the day."""

    text: str = ""
    names: frozenset[str] | None = None
    date: datetime.date | None = None


def bimcv_covid19(root: Path) -> SourceCohort:
    """``covid19_posi``, ``covid19_neg`` or both, with ``sub-*/ses-*/mod-*`` and ``derivatives/labels``; one may be the
    root. Of a session one X-ray and one CT are taken: a frontal image, and the axial series with most planes.

    Raises:
        SourceError: no folder of a subject, and none in a folder in the root.
    """
    places = (root, *sorted(root.glob("*/")))
    parts = [place for place in places if any(place.glob("sub-*/"))]
    if not parts:
        raise SourceError(f"{root} has no sub-... folders, nor has a folder in it: is it the one of covid19_posi?")
    sessions: dict[str, Session] = {}
    for place in places:
        sessions |= _sessions(place)
    columns = label_columns(session.names for session in sessions.values())
    cohort = SourceCohort(root)
    seen: set[str] = set()
    for part in parts:
        for folder in sorted(part.glob("sub-*/ses-*/")):
            seen.add(folder.name)
            for image, modality in _images(cohort, folder):
                _add(cohort, image, modality, sessions.get(folder.name, Session()), columns)
    for name in sorted(set(sessions) - seen):
        cohort.skip(name, "no image")
    cohort.studies = assign_splits(cohort.studies)
    return cohort


def _sessions(part: Path) -> dict[str, Session]:
    """By session: the report of the table of labels, or else the one of the subject's own table."""
    found: dict[str, Session] = {}
    for table in sorted(part.glob("sub-*/*sessions.tsv")):
        for row in rows(table, "session_id"):
            date = date_or_none(row.get("study_date", ""))
            found[row["session_id"]] = Session(text_of(row.get("medical_evaluation", "")), date=date)
    tables = part.glob("derivatives/labels/*.tsv")
    for table in sorted(table for table in tables if table.name.lower().startswith("labels")):
        for row in rows(table, "ReportID", "Report", "Labels"):
            session = found.setdefault(row["ReportID"], Session())
            session.text = text_of(row["Report"]) or session.text
            session.names = findings_of(row["Labels"])
    return found


def _images(cohort: SourceCohort, folder: Path) -> Iterator[tuple[Path, Modality]]:
    """The X-ray and the CT of a session; every other image is noted."""
    files = sorted(file for file in folder.glob("mod-*/*") if suffix(file.name) in (".png", ".nii", ".nii.gz"))
    pictures = [file for file in files if suffix(file.name) == ".png" and _device(file) in XRAY]
    volumes = [file for file in files if suffix(file.name) != ".png"]
    for file in files:
        if file not in pictures and file not in volumes:
            cohort.skip(_what(file), "a picture that is no X-ray")
    if xray := _xray(cohort, pictures):
        yield xray, XRAY[_device(xray)]
    if ct := _ct(cohort, volumes):
        yield ct, Modality.CT


def _xray(cohort: SourceCohort, pictures: list[Path]) -> Path | None:
    """The first by name of the frontal images, or else of those that do not say: a second ``pa`` is often lateral."""
    usable = []
    for picture in pictures:
        view = VIEW.search(picture.name)
        if view and view[1] not in FRONTAL:
            cohort.skip(_what(picture), f"view {view[1]}: not frontal")
        elif _inverted(picture.with_suffix(".json")):
            cohort.skip(_what(picture), "MONOCHROME1: the picture is stored inverted")
        else:
            usable.append((view is None, picture))
    usable.sort()
    for _, picture in usable[1:]:
        cohort.skip(_what(picture), "another image of a session that is taken")
    return usable[0][1] if usable else None


def _ct(cohort: SourceCohort, volumes: list[Path]) -> Path | None:
    best: tuple[int, Path] | None = None
    usable = []
    for volume in volumes:
        planes = planes_of(volume)
        if planes is None:
            cohort.skip(_what(volume), "no NIfTI volume that tells its orientation")
        elif not planes.axial or planes.count < FEWEST_PLANES:
            cohort.skip(_what(volume), f"not an axial series of at least {FEWEST_PLANES} planes")
        else:
            usable.append(volume)
            best = max(best or (0, volume), (planes.count, volume), key=lambda pair: pair[0])
    for volume in usable:
        if best and volume != best[1]:
            cohort.skip(_what(volume), "another series of a session that is taken")
    return best[1] if best else None


def _add(cohort: SourceCohort, image: Path, modality: Modality, session: Session, columns: list[str]) -> None:
    subject, name = image.parts[-4], image.parts[-3]
    labels = labels_of(session.names, columns)
    study = f"{name}_{'ct' if modality is Modality.CT else 'xray'}"
    text = session.text or None
    cohort.add(_what(image), image, modality, text, study, subject, "es", labels=labels, date=session.date)


def _device(file: Path) -> str:
    return file.name.removesuffix("".join(file.suffixes)).rpartition("_")[2].lower()


def _inverted(tags: Path) -> bool:
    """Whether the DICOM tags beside a picture say that bones are dark in it; its pixels are as DICOM had them."""
    try:
        content = json.loads(tags.read_text(encoding="utf-8"))
        return bool(content[PHOTOMETRIC]["Value"][0] == "MONOCHROME1")
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return False


def _what(file: Path) -> str:
    return "/".join(file.parts[-4:])
