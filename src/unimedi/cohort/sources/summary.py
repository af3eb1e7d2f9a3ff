"""What a person reads after a cohort was listed: counts, and the file of what was left out."""

import csv
import io
from collections import Counter
from pathlib import Path

from unimedi.cohort.patient_id import overused_id_note, similar_ids_note
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.study import Split
from unimedi.files.atomic import write_text


def summary(cohort: SourceCohort) -> str:
    """Studies by modality and split, patients, reports by language, labels, masks, dates; that nothing is missing;
    doubts about patients."""
    studies = cohort.studies
    modalities = Counter(str(study.modality) for study in studies)
    lines = []
    for modality, count in modalities.most_common():
        splits = Counter(study.split for study in studies if study.modality == modality)
        parts = ", ".join(f"{splits[split]} {split}" for split in Split if splits[split])
        lines.append(f"{modality}: {count} ({parts})")
    languages = Counter(study.report.language for study in studies if study.report.text)
    written = ", ".join(f"{count} in {language}" for language, count in languages.most_common()) or "none"
    lines.append(f"patients: {len({study.patient_id for study in studies})}   reports: {written}")
    labelled = sum(any(value is not None for value in study.labels.values()) for study in studies)
    masked = sum(bool(study.masks) for study in studies)
    dated = sum(study.date is not None for study in studies)
    lines.append(f"with labels: {labelled}   with masks: {masked}   with a date: {dated}")
    patients = [study.patient_id for study in studies]
    lines += cohort.notes + overused_id_note(patients) + similar_ids_note(patients)
    listed = len(studies) + len(cohort.skipped)
    lines.append(f"listed {listed} = taken {len(studies)} + left out {len(cohort.skipped)}")
    return "\n".join(lines)


def write_skipped(cohort: SourceCohort, path: Path) -> None:
    """``what, reason`` a row: all that was left out, then what was taken in a way to look at; atomic.

    Written even where there is nothing to say, so that an old list does not stay.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("what", "reason"))
    writer.writerows((one.what, one.reason) for one in (*cohort.skipped, *cohort.told))
    write_text(path, text.getvalue())
