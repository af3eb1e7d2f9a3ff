"""Patient ids that are not what they seem: one patient in two spellings, or one word for everybody.

Programs that pass a table on change ids: Excel drops leading zeros, pandas makes ``123.0`` of ``123`` where another id
is missing, people type blanks and capitals. Two spellings of one patient in two splits are a leak.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from unimedi.cohort.choices import given

CROWD = 10  # studies of one patient that are too many, where they are most of the cohort's
SHOWN = 5  # ids in a sentence
_WHOLE = re.compile(r"0*(\d+?)(?:\.0+)?")
_SHORTENED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)


def likeness(patient_id: str) -> str:
    """The same for all spellings of an id: without case, blanks, leading zeros, a decimal point."""
    text = "".join(unicodedata.normalize("NFKC", patient_id).casefold().split())
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def spellings(patient_ids: Iterable[str]) -> list[list[str]]:
    """The ids that are alike, in groups of two or more, sorted."""
    groups: dict[str, set[str]] = defaultdict(set)
    for patient_id in patient_ids:
        groups[likeness(patient_id)].add(patient_id)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def shortened(text: str) -> bool:
    """Whether a number was shortened by a spreadsheet, ``1.23457E+15``: which one it was can no longer be told."""
    return bool(_SHORTENED.fullmatch(text))


def doubts(patient_ids: Sequence[str]) -> list[str]:
    """What of a cohort's patients, one a study, a person should look at; a sentence each."""
    counts = Counter(patient_ids)
    told = []
    if words := [patient for patient in counts if not given(patient)]:
        shown = ", ".join(f"{word!r} ({counts[word]} studies)" for word in words)
        told.append(f"patient ids that stand for a missing value: {shown}; all studies of one count as one patient")
    return told + crowd(patient_ids) + alike(patient_ids)


def crowd(patient_ids: Sequence[str]) -> list[str]:
    """A sentence about a patient of so many studies that it may be several; none where there is no such."""
    for patient, count in Counter(patient_ids).most_common(1):
        if count >= CROWD and 2 * count > len(patient_ids):
            return [
                f"patient {patient!r} has {count} of the {len(patient_ids)} studies, and a patient is in one split; if "
                "that is no person, say who was imaged: by a folder each, or by the column patient_id of a table"
            ]
    return []


def alike(patient_ids: Iterable[str]) -> list[str]:
    """A sentence about ids that look like one patient; none where there are none."""
    groups = spellings(patient_ids)
    shown = "; ".join(" and ".join(map(repr, group)) for group in groups[:SHOWN])
    more = f" and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
    sentence = f"patient ids that look like one patient: {shown}{more}; they are kept apart, and in one split"
    return [sentence] if groups else []
