"""Patient ids that may be wrong: one patient written in two ways, or one id that many patients share.

Programs that pass a table on change ids: Excel drops leading zeros, pandas makes ``123.0`` of ``123`` where another id
is missing, people type blanks and capitals. One patient under two ids in two splits is a leak.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from unimedi.cohort.cell_values import without_missing

OVERUSED = 10  # studies of one patient that are too many, where they are most of the cohort's
SHOWN = 5  # ids in a sentence
_WHOLE = re.compile(r"0*(\d+?)(?:\.0+)?")
_SHORTENED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)


def normalized_id(patient_id: str) -> str:
    """An id without case, blanks, leading zeros and ``.0``: equal for all ways in which it may be written."""
    text = "".join(unicodedata.normalize("NFKC", patient_id).casefold().split())
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def similar_ids(patient_ids: Iterable[str]) -> list[list[str]]:
    """Ids that are equal once normalised, in sorted groups of two or more."""
    groups: dict[str, set[str]] = defaultdict(set)
    for patient_id in patient_ids:
        groups[normalized_id(patient_id)].add(patient_id)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def is_shortened_number(text: str) -> bool:
    """Whether it is a number that a spreadsheet rounded, ``1.23457E+15``: the digits are lost."""
    return bool(_SHORTENED.fullmatch(text))


def id_notes(patient_ids: Sequence[str]) -> list[str]:
    """Sentences about patient ids that a person should look at.

    Args:
        patient_ids: one for each study of a cohort.
    """
    counts = Counter(patient_ids)
    told = []
    if words := [patient for patient in counts if not without_missing(patient)]:
        shown = ", ".join(f"{word!r} ({counts[word]} studies)" for word in words)
        told.append(f"patient ids that stand for a missing value: {shown}; all studies of one count as one patient")
    return told + overused_id_note(patient_ids) + similar_ids_note(patient_ids)


def overused_id_note(patient_ids: Sequence[str]) -> list[str]:
    """A sentence where one id has so many studies that several patients may share it; else nothing."""
    for patient, count in Counter(patient_ids).most_common(1):
        if count >= OVERUSED and 2 * count > len(patient_ids):
            return [
                f"patient {patient!r} has {count} of the {len(patient_ids)} studies, and a patient is in one split; if "
                "that is no person, say who was imaged: by a folder each, or by the column patient_id of a table"
            ]
    return []


def similar_ids_note(patient_ids: Iterable[str]) -> list[str]:
    """A sentence that names ids which look like one patient; else nothing."""
    groups = similar_ids(patient_ids)
    shown = "; ".join(" and ".join(map(repr, group)) for group in groups[:SHOWN])
    more = f" and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
    sentence = f"patient ids that look like one patient: {shown}{more}; they are kept apart, and in one split"
    return [sentence] if groups else []
