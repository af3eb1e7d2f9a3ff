"""Answers of explain-eval on disk, a file a study, so that a stopped run goes on."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from unimedi import __version__
from unimedi.explanation.faithfulness import Answer, Question
from unimedi.files.atomic import leftovers, write_json

FORMAT: Final = 1  # of what is measured of a study: another one, and all is measured anew


class KeptAnswers:
    """Answers under a name that is a hash of all that they follow from: what was kept for other terms is not found.

    Args:
        folder: where they lie; made with the first one.
        terms: fingerprints and settings that every answer follows from, as JSON has them.
    """

    def __init__(self, folder: Path, *terms: Any) -> None:
        self.folder, self.terms = folder, (FORMAT, __version__, *terms)

    def get(self, number: int, question: Question) -> Answer | None:
        """The answer to a question that is the ``number``-th of its kind; None where there is none, or half of one."""
        try:
            content = json.loads(self._file(number, question).read_text(encoding="utf-8"))
            return Answer(
                {fill: {name: _numbers(row) for name, row in maps.items()} for fill, maps in content["drops"].items()},
                {fill: _values(falls) for fill, falls in content["erased"].items()},
                _values(content["pointed"]),
            )
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return None

    def put(self, number: int, question: Question, answer: Answer) -> None:
        """Keep an answer, bit for bit."""
        self.folder.mkdir(exist_ok=True)
        drops = {fill: {name: _json(row) for name, row in maps.items()} for fill, maps in answer.drops.items()}
        erased = {fill: dict(zip(falls, _json(falls.values()), strict=True)) for fill, falls in answer.erased.items()}
        pointed = dict(zip(answer.pointed, _json(answer.pointed.values()), strict=True))
        write_json(self._file(number, question), {"drops": drops, "erased": erased, "pointed": pointed})

    def clear(self) -> None:
        """Remove all of them, those of other terms too."""
        for file in [*self.folder.glob("[0-9a-f]*.json"), *leftovers(self.folder)]:
            file.unlink()
        with suppress(OSError):  # it is not there, or somebody else's file is in it
            self.folder.rmdir()

    def _file(self, number: int, question: Question) -> Path:
        told = json.dumps([*self.terms, number, question.index, question.finding])
        vectors = question.vector.tobytes() + question.other.tobytes()
        return self.folder / f"{hashlib.sha256(told.encode() + vectors).hexdigest()[:32]}.json"


def _json(values: Any) -> list[float | None]:
    """Numbers; null for NaN, which JSON does not have."""
    return [None if np.isnan(value) else float(value) for value in values]


def _numbers(row: list[float | None]) -> Float[ndarray, "fractions"]:
    return np.array([np.nan if value is None else value for value in row], np.float64)


def _values(row: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in row.items()}
