"""What is asked of an archive, and what it answers."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from unimedi.errors import InputError

WAYS: Final = ("image", "report", "text")  # to compare: with the images' vectors, the reports', the reports' words
CHOICES: Final = {  # a word for some of them
    "image": ("image",), "report": ("report",), "vector": ("image", "report"), "text": ("text",), "both": WAYS,
}  # fmt: skip
LONGEST: Final = 10_000  # characters of a query: more than a report has
MOST: Final = 10_000  # hits
FUSED: Final = 60  # of reciprocal rank fusion (Cormack et al. 2009): how little the first ranks stand out


@dataclass(frozen=True, slots=True)
class Query:
    """A vector, words, or both.

    Args:
        vector: float32 (dim,), of length 1, in the space of ``model``; None where only words are looked for.
        model: fingerprint of the model that made the vector.
        text: words that reports should have; any of them will do, more and rarer ones count more.
        ways: how studies are compared with it, some of ``image``, ``report``, ``text``; those that the query does not
            allow are left out, and rankings of several are fused.

    Raises:
        InputError: it is empty, too long, or holds half a character.
    """

    vector: NDArray[np.float32] | None = None
    model: str = ""
    text: str = ""
    ways: tuple[str, ...] = WAYS

    def __post_init__(self) -> None:
        check_words(self.text)
        if not self.asked:
            raise InputError("expected a query: words, or a study or file to be like; got none")

    @property
    def asked(self) -> tuple[str, ...]:
        """The ways that apply."""
        has_words = any(letter.isalnum() for letter in self.text)
        return tuple(way for way in self.ways if (has_words if way == "text" else self.vector is not None))


@dataclass(frozen=True, slots=True)
class Hit:
    """A study that was found.

    Attributes:
        score: of a single way its own; of several the sum of 1 / (60 + rank), as :func:`fuse` weighs them.
        scores: way → cosine with the vector of the image or report, or BM25 of the words; only where it was found.
        other fields: as of :class:`~unimedi.archive.study.ArchivedStudy`.
    """

    study_id: str
    patient_id: str
    modality: str
    date: datetime.date | None
    split: str
    findings: tuple[str, ...]
    report: str
    image: str
    score: float
    scores: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; the date in ISO 8601."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values |= {"date": self.date.isoformat() if self.date else None, "findings": list(self.findings)}
        return values | {"scores": dict(self.scores)}


def check_words(text: str) -> None:
    """InputError where a query's words are too many, or no text."""
    if len(text) > LONGEST:
        raise InputError(f"expected a query of at most {LONGEST:,} characters, got {len(text):,}")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError("expected a query in Unicode, got half a character")


def fuse(rankings: Mapping[str, Sequence[tuple[int, float]]]) -> list[tuple[int, float, dict[str, float]]]:
    """Several rankings as one, by reciprocal rank; a single one keeps its scores.

    Words weigh as much as the vectors together, so images and reports have a half each where both are compared.

    Args:
        rankings: way → (key, score), best first.

    Returns:
        Key, score and the scores by way of each, best first; ties as in the first ranking that has them.
    """
    fused: dict[int, float] = {}
    scores: dict[int, dict[str, float]] = {}
    vectors = sum(way != "text" for way in rankings)
    for way, ranking in rankings.items():
        weight = 1.0 if way == "text" else 1 / vectors
        for rank, (key, score) in enumerate(ranking, start=1):
            fused[key] = fused.get(key, 0.0) + weight / (FUSED + rank) if len(rankings) > 1 else score
            scores.setdefault(key, {})[way] = score
    return [(key, fused[key], scores[key]) for key in sorted(fused, key=lambda key: -fused[key])]


def more_like(
    vector: NDArray[np.float32], more: Sequence[NDArray[np.float32]], less: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Rocchio's: q + .75 mean(more) - .25 mean(less), brought to length 1.

    Raises InputError where nothing is left of it.
    """
    moved = vector.astype(np.float64)
    for share, rows in ((0.75, more), (-0.25, less)):
        moved = moved + share * np.mean(np.stack(rows), axis=0) if rows else moved
    length = float(np.linalg.norm(moved))
    if length < 1e-6:
        raise InputError("expected examples that leave a direction to search in, got ones that cancel each other")
    return (moved / length).astype(np.float32)
