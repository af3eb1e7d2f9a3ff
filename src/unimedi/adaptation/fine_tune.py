"""Fine-tuning: which findings a study shows, learnt from labelled studies, beside the same from random weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import expit
from torch import Tensor

from unimedi.adaptation.classifier import Classifier
from unimedi.adaptation.prediction.trained import CLASSIFICATION, Keeper
from unimedi.adaptation.subset import Labels, Scores
from unimedi.adaptation.tuning import (
    RANDOM_INIT,
    Learner,
    Problem,
    Say,
    TuningSettings,
    arms,
    compare,
    studies_of,
    with_precision,
)
from unimedi.cohort.study import Split
from unimedi.inputs.labels import known_classes, label_columns, labelled, subsample
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import macro_auroc
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, paired_difference, seed_sd
from unimedi.metrics.checks import NotComputable, known_and_positive
from unimedi.metrics.classification import NO_CHOICE, best_threshold, decision_measurements
from unimedi.metrics.measurement import Measurements, mean_over_seeds, named, with_findings
from unimedi.model.unimedi import UniMediModel
from unimedi.representation.embedder import Embedder

TASK = "fine_tune"


@dataclass(frozen=True)
class FineTuneSettings(TuningSettings):
    """:class:`~unimedi.adaptation.tuning.TuningSettings` of classification; ``frozen`` trains the reader alone."""


def fine_tune(
    run: Path, data: Path, settings: FineTuneSettings | None = None, say: Say = print, out: Path | None = None
) -> Measurements:
    """Fine-tune a run's model (a run folder, or a ``pretrained`` folder itself) on the labels of a store.

    The model of each kind of image that most labels gave, and the first seed, is kept in the folder ``out``.

    Returns measurements of the task ``fine_tune`` with ``share``; ``method`` is '' or ``random_init``. Over all
    findings and of each: auroc, ap, acc, balanced_acc, f1, ece and prevalence (AP by chance), means over the seeds;
    where there are several seeds ``auroc_seed_sd``; and the ``auroc`` minus that of ``random_init``. A finding
    is called present from the probability on that is best on the validation studies (``NO_CHOICE``, where they hold one
    class of it or are what is measured). A volume and a radiograph take the same path.

    Raises:
        FileNotFoundError: no model there.
        StoreError: the store was prepared for another model.
        NotComputable: no kind of image has labels in all three splits.
        ValueError: none of the classes is a label column.
    """
    settings = settings or FineTuneSettings()
    embedder = Embedder.from_pretrained(run)
    store = Store.open(data, expect=embedder.processor.preprocess)
    settings = with_precision(settings, embedder.model.device, say)
    for sentence in known_classes(store, settings.classes)[1]:
        say(f"fine-tuning: {sentence}")
    found = Measurements()
    lacking = []
    keeper = Keeper(out, embedder, store, settings.precision) if out else None
    for kind in settings.kinds:
        try:
            found |= _kind_measurements(kind, store, embedder.model, settings, say, keeper)
        except NotComputable as reason:
            lacking.append(f"fine-tuning, {kind}: {reason}")
            say(lacking[-1])
    if not found:
        raise NotComputable("; ".join(lacking))
    if keeper:
        keeper.finish()
    return found


class FindingLearner:
    """A classifier with the studies that it is chosen and measured on."""

    def __init__(
        self, classifier: Classifier, store: Store, validation: Sequence[int], test: Sequence[int], resamples: int
    ) -> None:
        self.classifier, self.store, self.module = classifier, store, classifier.module
        self.validation, self.held_out, self.resamples = validation, test, resamples

    def loss(self, batch: Sequence[int], draws: np.random.Generator) -> Tensor:
        return self.classifier.loss(self.store, batch, draws)

    def validate(self) -> float:
        """Macro AUROC of the validation studies."""
        logits, labels = self._answers(self.validation)
        return macro_auroc(logits, labels, self._bootstrap(self.validation, resamples=1)).mean.value

    def test(self) -> Measurements:
        """All metrics of the test studies, over findings and of each, at thresholds of the validation studies."""
        logits, labels = self._answers(self.held_out)
        bootstrap = self._bootstrap(self.held_out, self.resamples)
        areas = macro_auroc(logits, labels, bootstrap)
        decided = decision_measurements(logits, _probabilities(logits), labels, self.thresholds(), bootstrap)
        return with_findings("auroc", areas.mean, areas.by_finding) | decided

    def thresholds(self) -> dict[str, float]:
        """The probability from which each finding is called present."""
        if not set(self.validation).isdisjoint(self.held_out):  # validation is measured: nothing is chosen by it
            return dict.fromkeys(self.classifier.findings, NO_CHOICE)
        logits, labels = self._answers(self.validation)
        return {name: _threshold(one, labels[name], name) for name, one in _probabilities(logits).items()}

    def _answers(self, indices: Sequence[int]) -> tuple[Scores, Labels]:
        columns = label_columns(self.store, indices)
        labels = {name: columns[name] for name in self.classifier.findings}
        return self.classifier.scores(self.store, indices), labels

    def _bootstrap(self, indices: Sequence[int], resamples: int) -> PatientBootstrap:
        return PatientBootstrap([self.store.studies[i].patient_id for i in indices], resamples)


def _probabilities(logits: Scores) -> Scores:
    return {name: expit(values) for name, values in logits.items()}


def _threshold(probability: Float[ndarray, "studies"], labels: Float[ndarray, "studies"], name: str) -> float:
    known, there = known_and_positive(labels, name)
    best = best_threshold(probability[known], there[known])
    return NO_CHOICE if math.isnan(best) else best


def _kind_measurements(
    kind: str, store: Store, model: UniMediModel, settings: FineTuneSettings, say: Say, keeper: Keeper | None
) -> Measurements:
    problem = finding_problem(kind, store, settings, say)
    studies = studies_of(max(settings.fractions), problem)
    keep = partial(_keep, keeper, kind, studies) if keeper else None
    found = Measurements()
    for share, results in compare(problem, arms(model), settings, say, keep).items():
        means = {method: mean_over_seeds(runs) for method, runs in results.items()}
        for method, runs in results.items():
            rows = means[method]
            if len(runs) > 1:
                rows |= Measurements([named(seed_sd([run["auroc"] for run in runs]), metric="auroc_seed_sd")])
            found |= rows.named(method=method, share=share)
        gain = named(paired_difference(*(mean["auroc"] for mean in means.values())), minus=RANDOM_INIT, metric="auroc")
        count = studies_of(share, problem)
        taught = named(Estimate(float(count), n=count), metric="training_studies")
        found |= Measurements([gain, taught]).named(share=share)
    return found.named(task=TASK, modality=kind)


def _keep(keeper: Keeper, kind: str, studies: int, value: float, learner: Learner[Measurements]) -> None:
    assert isinstance(learner, FindingLearner)
    findings, thresholds = learner.classifier.findings, learner.thresholds()
    keeper.offer(
        learner.module, value, task=CLASSIFICATION, kind=kind, classes=findings, thresholds=thresholds,
        training_studies=studies,
    )  # fmt: skip


def finding_problem(kind: str, store: Store, settings: FineTuneSettings, say: Say = print) -> Problem[Measurements]:
    """The findings that are labelled in all three splits, validation as capped; ``say`` hears of the others, and of
    those without a threshold.

    NotComputable, with the counts, where there is none, or none with both classes in validation.
    """
    wanted = settings.classes or store.findings
    train, validation, test = (
        labelled(store, split, kind, wanted) for split in ("train", "validation", Split(settings.split))
    )
    counts = f"{len(train)} labelled training, {len(validation)} validation and {len(test)} {settings.split} studies"
    validation = subsample(validation, settings.validation_cap, seed=0)  # first: what it loses cannot be chosen by
    columns = [label_columns(store, part) for part in (train, validation, test)]
    findings = [name for name in wanted if all(name in part for part in columns)]
    if not findings:
        raise NotComputable(counts)
    if lost := [name for name in wanted if name not in findings and any(name in part for part in columns)]:
        say(f"fine-tuning, {kind}: {', '.join(lost)} left out, without a label in one of the splits ({counts})")
    unchosen = [name for name in findings if not {0.0, 1.0} <= {*columns[1][name]}]
    if unchosen == findings:
        raise NotComputable(f"no finding has both classes in the {len(validation)} validation studies")
    if unchosen:
        say(f"fine-tuning, {kind}: threshold {NO_CHOICE}, one class only in validation, of {', '.join(unchosen)}")
    return Problem(
        title=f"fine-tuning, {kind}",
        train=train,
        labels={name: columns[0][name] for name in findings},
        learner=lambda model: FindingLearner(
            Classifier(model, findings, settings.frozen, precision=settings.precision),
            store,
            validation,
            test,
            settings.resamples,
        ),
    )
