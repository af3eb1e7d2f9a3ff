"""CheXpert 5x200 and 8x200 on any labelled studies: n classes, m studies a class that show nothing else of the n.

GLoRIA (Huang et al. 2021) draws 200 exclusively positive studies of each of five findings, ConVIRT (Zhang et al. 2020)
200 of each of eight classes with "no finding" among them; an answer is right if it is of the query's class. A cohort
with other labels has classes of its own: what is kept is the protocol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from unimedi.errors import InputError
from unimedi.evaluation.result import TaskResult
from unimedi.evaluation.retrieval.tasks import DEPTHS
from unimedi.evaluation.split import EvalSplit
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, mean_estimate
from unimedi.metrics.checks import NotComputable, only_class
from unimedi.metrics.measurement import Measurement, Measurements, named
from unimedi.metrics.recall import precision_at_k, same_group

NO_FINDING = "no_finding"  # a label of its own, or else: everything labelled is known to be absent
CLASSES = {
    5: ("atelectasis", "cardiomegaly", "consolidation", "edema", "pleural_effusion"),
    8: (
        NO_FINDING,
        "atelectasis",
        "cardiomegaly",
        "edema",
        "fracture",
        "pleural_effusion",
        "pneumonia",
        "pneumothorax",
    ),
}  # of CheXpert, by the number of classes
PER_CLASS = 200

Labels = Mapping[str, Float[ndarray, "studies"]]  # 1, 0, or NaN where unknown


class TooFewStudies(InputError):  # noqa: N818 (an answer about the cohort, not a fault)
    """A class has fewer exclusive studies than the protocol asks for; the message gives the counts."""


@dataclass(frozen=True)
class ClassSample:
    """Rows of the drawn studies, ascending, and the class of each (a number into ``classes``)."""

    classes: tuple[str, ...]
    per_class: int
    rows: Int[ndarray, "drawn"]
    numbers: Int[ndarray, "drawn"]

    @property
    def name(self) -> str:
        """Like ``5x200``."""
        return f"{len(self.classes)}x{self.per_class}"


def exclusive_classes(labels: Labels, classes: Sequence[str]) -> Int[ndarray, "studies"]:
    """The only class of each study, as a number into ``classes``; -1 where it has none or several of them, or where any
    other class is not known to be absent.

    Raises:
        InputError: a class has no labels, or other ones than 1, 0 and NaN.
    """
    return only_class({name: _column(labels, name) for name in classes})[0]


def commonest_classes(labels: Labels, count: int) -> tuple[str, ...]:
    """The ``count`` findings with the most studies that show nothing else of all that is labelled, in label order.

    Raises TooFewStudies where fewer findings are labelled.
    """
    names = list(labels)
    if len(names) < count:
        raise TooFewStudies(f"expected at least {count} labelled findings, got {len(names)}")
    numbers = exclusive_classes(labels, names)
    found = np.bincount(numbers[numbers >= 0], minlength=len(names))
    chosen = np.argsort(-found, kind="stable")[:count]
    return tuple(names[i] for i in sorted(chosen.tolist()))


def class_sample(
    labels: Labels, classes: Sequence[str], per_class: int = PER_CLASS, seed: int = 0, least: int | None = None
) -> ClassSample:
    """Draw ``per_class`` exclusive studies of every class, at random by ``seed``, without replacement.

    Raises TooFewStudies with the counts where a class has fewer. With ``least`` the number shrinks, for all classes
    alike, to what the smallest class has, but not below ``least``.
    """
    numbers = exclusive_classes(labels, classes)
    counts = {name: int((numbers == i).sum()) for i, name in enumerate(classes)}
    drawn = per_class if least is None else min(per_class, *counts.values())
    if min(counts.values()) < max(drawn, least or 0):
        found = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise TooFewStudies(
            f"expected {per_class if least is None else least} studies of each class that show no other, got {found}"
        )
    generator = np.random.default_rng(seed)
    picked = [generator.choice(np.flatnonzero(numbers == i), drawn, replace=False) for i in range(len(classes))]
    rows = np.sort(np.concatenate(picked))
    return ClassSample(tuple(classes), drawn, rows, numbers[rows])


def class_precision(
    queries: Float[ndarray, "drawn dim"], answers: Float[ndarray, "drawn dim"], sample: ClassSample, k: int
) -> Float[ndarray, "drawn"]:
    """P@k of each drawn query among the answers of all drawn studies; right: an answer of the query's class.

    The query's own answer is among them, as in GLoRIA's protocol; by chance P@k is 1 / number of classes.
    """
    return precision_at_k(queries @ answers.T, same_group(sample.numbers, sample.numbers), k)


def class_retrieval(split: EvalSplit, classes: int, seed: int, resamples: int) -> TaskResult:
    """``p@k`` of image → report by class, over all classes and of each: CheXpert's 5x200 or 8x200.

    Args:
        classes: 5 or 8. They are CheXpert's where the cohort has labels of them, else its own commonest.

    Returns:
        ``variant`` is classes x studies a class. Where a class has fewer than 200 studies all have as many as the
        smallest, down to 10; a note says so.

    Raises:
        NotComputable: no labels, no reports, or a class with fewer than 10 studies.
    """
    if not split.labels:
        raise NotComputable("no labels")
    split = split.reported
    if not len(split):
        raise NotComputable("no study has a report")
    sample, notes = _sample(split, classes, seed)
    bootstrap = PatientBootstrap([split.patients[row] for row in sample.rows], resamples, seed)
    queries, answers = split.table.embedding[sample.rows], split.reports[sample.rows]
    rows: list[Measurement] = []
    for k in DEPTHS:
        precision = class_precision(queries, answers, sample, k)
        rows.append(named(mean_estimate(precision, bootstrap), metric=f"p@{k}"))
        for number, name in enumerate(sample.classes):
            here = sample.numbers == number
            rows.append(named(mean_estimate(precision[here], bootstrap.of(here)), metric=f"p@{k}", finding=name))
    rows.append(named(Estimate(1 / classes, n=len(sample.rows)), metric="chance"))
    found = Measurements(rows).named(task="retrieval", modality=split.kind, variant=sample.name)
    return TaskResult(found, [f"retrieval by class, {split.kind}{note}" for note in notes])


def _sample(split: EvalSplit, classes: int, seed: int) -> tuple[ClassSample, list[str]]:
    """The drawn studies, and how they differ from the protocol's."""
    named_classes, notes = CLASSES[classes], []
    own = not set(named_classes) - {NO_FINDING} <= set(split.labels)
    try:
        names = commonest_classes(split.labels, classes) if own else named_classes
        try:
            sample = class_sample(split.labels, names, PER_CLASS, seed)
        except TooFewStudies as reason:
            sample = class_sample(split.labels, names, PER_CLASS, seed, least=DEPTHS[-1])
            notes.append(f": {sample.name} in place of {classes}x{PER_CLASS}; {reason}")
    except TooFewStudies as reason:
        raise NotComputable(str(reason)) from reason
    if own:
        notes.append(f", {sample.name}: commonest findings, for lack of CheXpert's classes")
    return sample, notes


def _column(labels: Labels, name: str) -> Float[ndarray, "studies"]:
    if name in labels:
        return labels[name]
    if name != NO_FINDING or not labels:
        raise InputError(f"expected labels of {name}, got those of {', '.join(labels) or 'nothing'}")
    values = np.stack(list(labels.values()))
    return np.where((values == 0).all(axis=0), 1.0, np.where((values == 1).any(axis=0), 0.0, np.nan))
