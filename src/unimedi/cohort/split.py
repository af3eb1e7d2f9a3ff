"""Splits by patient. Two studies of one patient are alike far beyond their findings (habitus, implants, old fractures),
so a patient in two splits leaks the answer into the question: it is an error, not a warning."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from unimedi.cohort.patient_id import likeness, spellings
from unimedi.cohort.study import Split, Study
from unimedi.errors import InputError


class SplitError(InputError):
    """A patient stands in more than one split."""


def crossings(studies: Sequence[Study]) -> list[tuple[int, int]]:
    """Pairs (position of a study, position of the patient's first study) whose splits differ.

    ``P7``, ``p7 `` and ``p7`` are one patient here, and so are ``123`` and ``123.0``.
    """
    first: dict[str, int] = {}
    found = []
    for position, study in enumerate(studies):
        known = first.setdefault(likeness(study.patient_id), position)
        if studies[known].split != study.split:
            found.append((position, known))
    return found


def check_splits(studies: Sequence[Study]) -> None:
    """Raise SplitError, with patients and studies named, unless every patient is in exactly one split."""
    if wrong := crossings(studies):
        lines = [describe(studies[position], studies[known]) for position, known in wrong[:20]]
        raise SplitError(f"{len(wrong)} studies leak between splits:\n" + "\n".join(lines))


def describe(study: Study, other: Study) -> str:
    spelt = "" if study.patient_id == other.patient_id else f" as {other.patient_id}"
    return (
        f"study {study.study_id}: patient {study.patient_id} is in split {study.split} here and{spelt} in "
        f"{other.split} in study {other.study_id}; a patient belongs to one split"
    )


def assign_splits(studies: Iterable[Study], validation: float = 0.1, test: float = 0.1, seed: int = 0) -> list[Study]:
    """The studies with splits drawn anew, by a hash of the patient id.

    A patient's split depends on the id and ``seed`` alone: it stays when others are added or the order changes. Ids
    that look like one patient (``spellings``) go by the first of them.
    ``validation`` and ``test`` are shares of the patients, 0 to 1.
    """
    if not (min(validation, test) >= 0 and validation + test <= 1):
        raise InputError(f"expected shares of at least 0 with a sum of at most 1, got {validation} and {test}")

    def split_of(patient_id: str) -> Split:
        digest = hashlib.sha256(f"{seed}\0{patient_id}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64  # uniform in [0, 1)
        if place < test:
            return Split.TEST
        return Split.VALIDATION if place < test + validation else Split.TRAIN

    studies = list(studies)
    first = {other: group[0] for group in spellings(study.patient_id for study in studies) for other in group}
    return [replace(study, split=split_of(first.get(study.patient_id, study.patient_id))) for study in studies]
