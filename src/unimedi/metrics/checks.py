"""Checks of the input of measures: finite numbers, labels that are 1, 0 or NaN (unknown); all else is an error.

A NaN among scores would not be noticed later: sorted, compared or binned it still gives a number.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from unimedi.errors import InputError, UnimediError

Place = Callable[[int], str]  # the number of a row → the study or query it is of, in words
STUDY_NUMBER: Place = "study number {}".format


class NotComputable(UnimediError):  # noqa: N818 (an answer about the cohort, not a fault)
    """A task that this cohort cannot answer (no masks, one modality...); the message says why, in one clause."""


def refuse_not_finite(values: Float[ndarray, "rows *columns"], what: str, place: Place = STUDY_NUMBER) -> None:
    """InputError that names the first row where a value is NaN or infinite."""
    finite = np.isfinite(values)
    if not finite.all():
        where = np.argwhere(~finite)[0]
        raise InputError(f"expected finite {what}, got {values[tuple(where)]} for {place(int(where[0]))}")


def refuse_no_similarity(similarity: Float[ndarray, "queries candidates"]) -> None:
    """InputError that names the query of a similarity that is NaN or +inf; -inf is a candidate that does not count."""
    refuse_not_finite(np.where(similarity == -np.inf, 0, similarity), "similarities", "query {}".format)


def known_and_positive(
    labels: Float[ndarray, "studies"], name: str
) -> tuple[Bool[ndarray, "studies"], Bool[ndarray, "studies"]]:
    """Of which studies the label ``name`` is known, and in which it is 1. InputError where one is not 1, 0 or NaN.

    CheXpert's -1 (uncertain) is an error here: the reader of a collection decides what it means.
    """
    known = ~np.isnan(labels)
    odd = known & (labels != 0) & (labels != 1)
    if odd.any():
        row = int(odd.argmax())
        raise InputError(f"{name}: expected labels 1, 0 or NaN (unknown), got {labels[row]:g} for {STUDY_NUMBER(row)}")
    return known, labels == 1


def only_class(
    labels: Mapping[str, Float[ndarray, "studies"]],
) -> tuple[Int[ndarray, "studies"], Bool[ndarray, "studies"]]:
    """The only class of each study, as a number into ``labels``, and which studies are known to have none.

    The number is -1 where a study has none or several of the classes, or where any of them is not known.

    Raises:
        InputError: a label is neither 1, 0 nor NaN.
    """
    columns = [known_and_positive(values, name) for name, values in labels.items()]
    known, positive = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
    count = np.where(known.all(axis=1), positive.sum(axis=1), -1)
    return np.where(count == 1, positive.argmax(axis=1), -1), count == 0
