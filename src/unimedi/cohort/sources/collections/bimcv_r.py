"""BIMCV-R: chest CTs with Spanish reports and their machine translation to English, a volume a report."""

import re
from dataclasses import replace
from pathlib import Path

from unimedi.cohort.sources.collections.bimcv_tables import findings_of, label_columns, labels_of
from unimedi.cohort.sources.collections.listing import find, rows
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Modality

TABLES = ("curated_ct_report_path_En.csv", "BIMCV_meta.csv")
NAME = re.compile(r"(sub-\w+?)_(ses-\w+?)_")


def bimcv_r(root: Path) -> SourceCohort:
    """``meta/curated_ct_report_path_En.csv`` with ``CT*/ct/*.nii.gz``; a volume is found by its name, wherever it lies.

    The Spanish report is the report and the English one its translation, which trains in its place.
    """
    table = find(root, *(f"{folder}{name}" for name in TABLES for folder in ("meta/", "")))
    listed = list(rows(table, "path", "Report_en"))
    found = {path.name: path for path in sorted(root.rglob("*.nii.gz"))}
    names = [findings_of(row.get("Labels", "")) for row in listed]
    columns = label_columns(names)
    translations: dict[str, str] = {}
    cohort = SourceCohort(root)
    for row, labelled in zip(listed, names, strict=True):
        file = (row.get("ct_path") or row["path"]).rpartition("/")[2]
        ids = NAME.match(file)
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
