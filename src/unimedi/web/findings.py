"""Zero-shot findings of one image, by sentences that a reader may edit."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit

from unimedi.cohort.image_kind import ImageKind
from unimedi.evaluation.zero_shot.prompts import Prompt, PromptSet, embed_prompts, prompts_for, read_prompts
from unimedi.evaluation.zero_shot.tasks import log_odds
from unimedi.representation.embedder import Embedder

MOST: Final = 60  # findings of one request
Sentence = Annotated[str, Field(min_length=1, max_length=1000)]
Sentences = Annotated[list[Sentence], Field(min_length=1, max_length=200)]


class Sides(BaseModel):
    """The sentences that say that a finding is there, and those that say that it is not."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    present: Sentences
    absent: Sentences


@dataclass(frozen=True, slots=True)
class Answer:
    """A finding and how likely it is by its sentences alone: softmax of (present, absent), no measured probability."""

    name: str
    value: float
    present: tuple[str, ...]
    absent: tuple[str, ...]


class Findings:
    """Answers of a model by sentences: at first those of its language that come with the package.

    Args:
        embedder: embeds the sentences.
    """

    def __init__(self, embedder: Embedder) -> None:
        path, self.notes = prompts_for(embedder.model.config.report_languages)
        self._embedder, self.prompts = embedder, read_prompts(path)
        self._usual = embed_prompts(embedder.texts, self.prompts, list(self.prompts.findings))

    def usual(self, vector: NDArray[np.float32]) -> list[Answer]:
        """By the package's sentences; the likeliest first."""
        return self._answers(vector, self.prompts)

    def asked(self, vector: NDArray[np.float32], sides: list[Sides]) -> list[Answer]:
        """By the reader's own sentences; the likeliest first, of two of one name the last."""
        own = {one.name: Prompt(tuple(one.present), tuple(one.absent)) for one in sides}
        return self._answers(vector, PromptSet("own", 0, self.prompts.language, own))

    def _answers(self, vector: NDArray[np.float32], prompts: PromptSet) -> list[Answer]:
        usual = prompts is self.prompts
        vectors = self._usual if usual else embed_prompts(self._embedder.texts, prompts, list(prompts.findings))
        odds = log_odds(vector[None], vectors, self._embedder.scale)
        answers = [
            Answer(name, float(expit(odds[name][0])), prompts.findings[name].present, prompts.findings[name].absent)
            for name in odds
        ]
        return sorted(answers, key=lambda answer: -answer.value)


def kind_of(ndim: int) -> str:
    """``X-ray`` or ``CT``: what an image is to the model."""
    return "CT" if ImageKind.of(ndim) is ImageKind.CT else "X-ray"
