"""Splits by patient, never by study.

Two studies of one patient are alike far beyond their findings (habitus, implants, old fractures). A patient in training
and in test makes the test easier than it is, so it is an error, not a warning.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from unimedi.cohort.patient_id import normalized_id, similar_ids
from unimedi.cohort.study import Split, Study
from unimedi.errors import InputError


class SplitError(InputError):
    """A patient stands in more than one split."""


def leaks(studies: Sequence[Study]) -> list[tuple[int, int]]:
    """Studies that stand in another split than their patient's first study.

    Ids are compared by ``normalized_id``: ``P7``, ``p7 `` and ``p7`` are one patient, and so are ``123`` and ``123.0``.

    Returns:
        Pairs of positions in ``studies``: the study, and the first one of its patient.
    """
    first: dict[str, int] = {}
    found = []
    for position, study in enumerate(studies):
        known = first.setdefault(normalized_id(study.patient_id), position)
        if studies[known].split != study.split:
            found.append((position, known))
    return found


def check_splits(studies: Sequence[Study]) -> None:
    """Check that every patient is in exactly one split.

    Raises:
        SplitError: one is not; patients and studies are named, 20 at most.
    """
    if wrong := leaks(studies):
        lines = [leak_message(studies[position], studies[known]) for position, known in wrong[:20]]
        raise SplitError(f"{len(wrong)} studies leak between splits:\n" + "\n".join(lines))


def leak_message(study: Study, other: Study) -> str:
    spelt = "" if study.patient_id == other.patient_id else f" as {other.patient_id}"
    return (
        f"study {study.study_id}: patient {study.patient_id} is in split {study.split} here and{spelt} in "
        f"{other.split} in study {other.study_id}; a patient belongs to one split"
    )


def assign_splits(studies: Iterable[Study], validation: float = 0.1, test: float = 0.1, seed: int = 0) -> list[Study]:
    """Draw splits anew, by a hash of the patient id.

    A patient's split depends on the id and ``seed`` alone: it stays when others are added or the order changes. Ids
    that look like one patient (``similar_ids``) get the split of the first of them.

    Args:
        studies: any; their own splits are not looked at.
        validation: share of the patients, 0 to 1.
        test: share of the patients, 0 to 1.
        seed: another one draws other patients.

    Returns:
        The studies in the same order, with their new splits.

    Raises:
        InputError: a share is below 0, or both are more than 1 together.
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
    first = {other: group[0] for group in similar_ids(study.patient_id for study in studies) for other in group}
    return [replace(study, split=split_of(first.get(study.patient_id, study.patient_id))) for study in studies]
