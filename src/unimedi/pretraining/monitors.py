"""Is it still learning? Named warnings as pure functions of the log.

The step writes measures into its logs (``effective_rank``, ``ct/teacher_entropy``, ``xray/prototype_use``, ``l_vl``);
``warnings_of`` looks at the last records and returns what is wrong now. Nothing here remembers anything, so a resumed
run warns exactly as an undisturbed one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from unimedi.pretraining.gradient_monitor import PREFIX

WINDOW: Final = 20  # steps over which a measure is averaged before it is judged; one batch says little
STUCK_AFTER: Final = 150  # steps; a healthy start from scratch may stay at ln(batch) for 140 (docs/log.md)
NAN_PATIENCE: Final = 5  # skipped steps in a row: not a bad batch any more but a broken run
GRADIENT_PATIENCE: Final = 10  # steps in a row without a gradient: not a batch that has nothing to say
NO_GRADIENT: Final = 1e-8  # of the largest norm of its group: below the rounding of float32
UNIFORM_SHARE: Final = 0.998  # of ln K: a teacher above this says the same of every image (docs/log.md)
STUCK_SHARE: Final = 0.98  # of the chance level: a contrastive loss above this has learnt nothing


@dataclass(frozen=True, slots=True)
class Rule:
    """Warn ``name`` when the mean of a logged ``measure`` (alone or behind ``xray/``, ``ct/``) is below ``least``."""

    measure: str
    least: float
    name: str
    sentence: str


def rules(prototypes: int) -> tuple[Rule, ...]:
    """The thresholds, for a head of ``prototypes``.

    Low entropy alone may be a sharp and healthy teacher, so its bound is tight; one prototype for all is never healthy.
    """
    entropy = 0.05 * math.log(prototypes)
    return (
        Rule("effective_rank", 2.0, "collapse/effective_rank", "the embeddings of a batch lie on a line"),
        Rule(
            "teacher_entropy", entropy, "collapse/teacher_entropy", "the teacher puts all its weight on one prototype"
        ),
        Rule("prototype_use", 2.0, "collapse/prototype_use", "the images of a batch share one prototype"),
    )


@dataclass(frozen=True, slots=True)
class Warned:
    """A named warning with the sentence that explains it."""

    name: str
    message: str


def warnings_of(records: Sequence[Mapping[str, Any]], prototypes: int) -> list[Warned]:
    """What is wrong at the last of ``records`` (log lines in order; the last ``WINDOW`` are looked at).

    ``prototypes`` is K of the DINO head. A skipped step carries ``skipped: True`` and counts in no mean.
    """
    if not records:
        return []
    found = []
    if records[-1].get("skipped"):
        found.append(Warned("nan", f"step {records[-1]['step']}: loss or gradient not finite, the step was skipped"))
    recent = [record for record in records[-WINDOW:] if not record.get("skipped")]
    if len(recent) < WINDOW // 2:
        return found
    for rule in rules(prototypes):
        for key in sorted(k for k in recent[-1] if k.rpartition("/")[2] == rule.measure):
            if (mean := _mean(recent, key)) < rule.least:
                prefix = key.removesuffix(rule.measure)
                figures = f"{key} {mean:.3g} over {len(recent)} steps, expected {rule.least:.3g} or more"
                found.append(Warned(prefix + rule.name, f"{rule.sentence}: {figures}"))
    if int(records[-1]["step"]) < STUCK_AFTER:
        return found
    for key in sorted(k for k in recent[-1] if k.rpartition("/")[2] == "teacher_entropy"):
        if (mean := _mean(recent, key)) > UNIFORM_SHARE * math.log(prototypes):
            sentence = f"the teacher spreads evenly over all prototypes: {key} {mean:.4g} of {math.log(prototypes):.4g}"
            found.append(Warned(key.removesuffix("teacher_entropy") + "collapse/uniform_teacher", sentence))
    if {"l_vl", "ln_batch"} <= recent[-1].keys():
        l_vl, chance = _mean(recent, "l_vl"), _mean(recent, "ln_batch")
        if l_vl > STUCK_SHARE * chance:
            sentence = f"l_vl {l_vl:.3f} is still at ln(batch) = {chance:.3f}: images and reports do not meet"
            found.append(Warned("stuck/l_vl", sentence))
    return found


def unmoved(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What got no gradient in any of the last ``GRADIENT_PATIENCE`` records, though it took part in all of them.

    Compared are the norms under ``gradient/`` (see :mod:`unimedi.pretraining.gradient_monitor`), branches with
    branches, what a loss sent to each kind of image with what it sent to the others: a branch that is at rest while the
    rest moves, or all where nothing does. A branch that a recipe, a kind of batch or the point of the run leaves out
    is not in the record.
    """
    recent = records[-GRADIENT_PATIENCE:]
    if len(recent) < GRADIENT_PATIENCE or any(record.get("skipped") for record in recent):
        return []
    still = [_still(record) for record in recent]
    return sorted(set.intersection(*still))


def _still(record: Mapping[str, Any]) -> set[str]:
    """The names under ``gradient/`` with a norm of nothing beside the largest of their group."""
    norms = {key.removeprefix(PREFIX): float(norm) for key, norm in record.items() if key.startswith(PREFIX)}
    largest: dict[str, float] = {}
    for name, norm in norms.items():
        group = name.rpartition("/")[0]
        largest[group] = max(norm, largest.get(group, 0.0))
    return {name for name, norm in norms.items() if norm <= NO_GRADIENT * largest[name.rpartition("/")[0]]}


def skipped_in_a_row(records: Sequence[Mapping[str, Any]]) -> int:
    """How many of the last records are skipped steps."""
    return next((n for n, record in enumerate(reversed(records)) if not record.get("skipped")), len(records))


def _mean(records: Sequence[Mapping[str, Any]], key: str) -> float:
    values = [float(record[key]) for record in records if record.get(key) is not None]
    return sum(values) / len(values)
