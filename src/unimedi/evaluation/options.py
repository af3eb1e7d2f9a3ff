"""What changes what ``unimedi evaluate`` measures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from unimedi.cohort.image_kind import ImageKind
from unimedi.evaluation.slices.lesions import FOCAL
from unimedi.evaluation.zero_shot.prompts import DEFAULT_PROMPTS, prompts_for
from unimedi.phantom.patient.catalogue import DETAILS
from unimedi.ranges import SEED, SOME_SHARE, at_least, check_settings


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """Choices of ``unimedi evaluate``.

    Attributes:
        seed: of everything that is drawn: resamples of patients, samples of studies.
        resamples: how many times the patients are drawn for the intervals.
        batch_size: images that are encoded together.
        probe_cap: at most so many training studies of a kind are encoded for the linear probe, and a third as many
            validation studies, as encoding takes the time; None: all.
        probe_seeds: a share of the labels is drawn once for each of them.
        fractions: shares of the labelled training studies that a linear probe learns from, above 0 and up to 1.
        kinds: the kinds of image that are evaluated.
        classes: label columns that are evaluated; empty: all.
        multiclass: each study has exactly one of ``classes``, so the accuracy of choosing it is measured too.
        supervised_steps: above 0, the same encoder is trained with labels for so many steps, as a reference.
        prompts: a file of sentences for zero-shot; None becomes one in the model's language when a command starts.
        focal: findings with lesions that a single slice can show; slice selection is measured on these.
        details: label columns that say more of a lesion than that it is there, as a CT's report does; they are measured
            by themselves and count in no mean over findings.
    """

    seed: Annotated[int, SEED] = 0
    resamples: Annotated[int, at_least(1)] = 1000
    batch_size: Annotated[int, at_least(1)] = 16
    probe_cap: Annotated[int | None, at_least(1)] = 400
    probe_seeds: Annotated[tuple[int, ...], SEED] = (0, 1, 2)
    fractions: Annotated[tuple[float, ...], SOME_SHARE] = (0.01, 0.1, 1.0)
    kinds: tuple[str, ...] = tuple(map(str, ImageKind))
    classes: tuple[str, ...] = ()
    multiclass: bool = False
    supervised_steps: Annotated[int, at_least(0)] = 0
    prompts: Path | None = None
    focal: tuple[str, ...] = FOCAL
    details: tuple[str, ...] = DETAILS

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def prompt_file(self) -> Path:
        """The prompts that are used; the English ones where no command has chosen any."""
        return self.prompts or DEFAULT_PROMPTS


def with_prompts(options: EvaluationOptions, languages: Sequence[str]) -> tuple[EvaluationOptions, list[str]]:
    """The options with a prompt file, and notes: their own file, or that of :func:`prompts_for`."""
    if options.prompts:
        return options, []
    path, notes = prompts_for(languages)
    return replace(options, prompts=path), notes
