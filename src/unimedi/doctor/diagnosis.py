"""All that was found as counts, lists and figures: what the page shows and the JSON holds."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from unimedi.cohort.patient_id import id_notes
from unimedi.cohort.reports.counts import report_lines
from unimedi.cohort.reports.language import UNKNOWN
from unimedi.doctor.duplicates import groups
from unimedi.doctor.examine import Examined
from unimedi.doctor.leakage import Leak, leaks_between_cohorts, leaks_between_splits, near_duplicates
from unimedi.doctor.signs import serious_signs, worst
from unimedi.doctor.study_summary import StudySummary

LISTED = 200  # pairs of duplicates that are listed; all are counted
FATAL = ("study", "patient", "header_patient", "file", "image", "near_image")  # what must not stand on two sides
QUARTILES = {"min": 0, "q1": 25, "median": 50, "q3": 75, "max": 100}
LENGTHS = (80, 192, 256)  # tokens that our recipes let the text encoder read: model.text_length
LONG = 400  # words: most text encoders read 256 or 512 tokens, and a word of a report is 1.3 to 2 of them


def diagnose(examined: Examined, other: Examined | None = None) -> dict[str, Any]:
    """Every figure as plain JSON: counts, studies with signs, refusals, duplicates, reports, leaks.

    ``listed`` = ``read`` + ``refused`` always; of a store, ``refused`` are those that preparing left out.
    """
    studies = examined.studies
    read = [one for one in studies if not one.refused]
    refused = [_refused(one) for one in studies if one.refused] + [dict(row) for row in examined.lost]
    between = leaks_between_splits(studies)
    across = leaks_between_cohorts(studies, other.studies) if other else []
    return {
        "path": str(examined.path),
        "source": examined.source,
        "listed": len(studies) + len(examined.lost),
        "read": len(read),
        "refused": dict(Counter(row["reason"] for row in refused).most_common()),
        "by_modality_and_split": _crossed(studies),
        "patients": {split: len({s.patient_id for s in studies if s.split == split}) for split in _splits(studies)},
        "patients_by_header": _patients(studies),
        "doubtful_patients": id_notes([one.patient_id for one in studies]),
        "languages": dict(Counter(s.language for s in studies).most_common()),
        "signs": dict(Counter(sign for one in read for sign in one.signs).most_common()),
        "corrupted": sum(bool(serious_signs(one)) for one in read),
        "notes": dict(Counter(note for one in read for note in one.notes).most_common()),
        "volumes_examined_for_orientation": sum("head" in one.measures for one in read),
        "volumes": sum(len(one.shape) == 3 for one in read),
        "reports": text_facts(studies),
        "duplicates": _duplicates(studies),
        "leaks_between_splits": [_leak(leak) for leak in between],
        "other": str(other.path) if other else None,
        "leaks_between_cohorts": [_leak(leak) for leak in across],
        "studies_with_signs": [_signed(one) for one in worst(read, len(read))],
        "refusals": refused,
        "outdated": examined.outdated,
    }


def fatal(figures: dict[str, Any]) -> list[str]:
    """The leaks that are errors, as sentences."""
    rows = figures["leaks_between_splits"] + figures["leaks_between_cohorts"]
    return [row["text"] for row in rows if row["what"] in FATAL]


def text_facts(studies: Sequence[StudySummary]) -> dict[str, Any]:
    """Counts by language, of words (quartiles and range), and of what deserves a look; ids where they are few."""
    written = [s for s in studies if s.report]
    words = np.array([s.words for s in written] or [0])
    same = [group for group in groups(s.report for s in studies) if len({studies[i].patient_id for i in group}) > 1]
    other = [s.study_id for s in written if s.detected not in ("", UNKNOWN, s.language)]
    return {
        "with_report": len(written),
        "without_report": len(studies) - len(written),
        "languages": dict(Counter(s.language for s in written).most_common()),
        "language_differs_from_text": other,
        "words": {name: float(np.percentile(words, share)) for name, share in QUARTILES.items()},
        "longer_than_encoders_read": int((words > LONG).sum()),
        "more_words_than": {str(length): int((words > length).sum()) for length in LENGTHS},
        "said": report_lines([s.counted for s in written if s.counted]),
        "shared_by_patients": sum(len(group) for group in same),
        "most_shared": sorted((len(group) for group in same), reverse=True)[:10],
    }


def _patients(studies: Sequence[StudySummary]) -> dict[str, Any]:
    """Where patients of the manifest and PatientIDs of the files are not one to one."""
    stated = [(one.patient_id, one.header_patient) for one in studies if one.header_patient]
    of_id: dict[str, set[str]] = defaultdict(set)
    of_patient: dict[str, set[str]] = defaultdict(set)
    for patient, header in stated:
        of_id[header].add(patient)
        of_patient[patient].add(header)
    return {
        "stated": len(stated),
        "id_of_several_patients": {one: sorted(names) for one, names in of_id.items() if len(names) > 1},
        "patient_of_several_ids": {one: sorted(names) for one, names in of_patient.items() if len(names) > 1},
    }


def _crossed(studies: Sequence[StudySummary]) -> dict[str, dict[str, int]]:
    counts = Counter((one.modality, one.split) for one in studies)
    modalities = sorted({one.modality for one in studies})
    return {modality: {split: counts[modality, split] for split in _splits(studies)} for modality in modalities}


def _splits(studies: Sequence[StudySummary]) -> list[str]:
    return sorted({one.split for one in studies}, key=lambda split: ("train", "validation", "test").index(split))


def _duplicates(studies: Sequence[StudySummary]) -> dict[str, Any]:
    """The same pixels in several studies, and nearly the same."""
    same = [[studies[i].study_id for i in group] for group in groups(one.pixels for one in studies)]
    near: list[dict[str, Any]] = [
        {"studies": [studies[first].study_id, studies[second].study_id], "bits": bits}
        for first, second, bits in near_duplicates(studies)
        if studies[first].pixels != studies[second].pixels
    ]
    return {
        "identical_images": sum(len(group) - 1 for group in same),
        "identical": same[:LISTED],
        "near_images": len(near),
        "near": sorted(near, key=lambda pair: pair["bits"])[:LISTED],
    }


def _refused(study: StudySummary) -> dict[str, str]:
    return {"study_id": study.study_id, "reason": study.refused, "message": study.message}


def _leak(leak: Leak) -> dict[str, Any]:
    row = {"what": leak.what, "first": leak.first, "second": leak.second, "text": str(leak)}
    return row | ({"bits": leak.bits} if leak.what == "near_image" else {})


def _signed(study: StudySummary) -> dict[str, Any]:
    return {
        "study_id": study.study_id,
        "modality": study.modality,
        "split": study.split,
        "signs": list(study.signs),
        "measures": {name: round(value, 3) for name, value in study.measures.items()},
        "shape": list(study.shape),
        "spacing": [round(mm, 4) for mm in study.spacing],
    }
