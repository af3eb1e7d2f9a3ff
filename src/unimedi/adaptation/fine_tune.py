"""Fine-tuning: which findings a study shows, learnt from labelled studies, beside the same from random weights."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import expit
from torch import Tensor

from unimedi.adaptation.classifier import Classifier
from unimedi.adaptation.prediction.trained import CLASSIFICATION, BestModels
from unimedi.adaptation.settings import FineTuneSettings
from unimedi.adaptation.subset import Labels, Scores
from unimedi.adaptation.tuning import Say, TaskModel, Tuning, TuningTask, measure_arms, tune
from unimedi.cohort.study import Split
from unimedi.files.store_address import StorePlace
from unimedi.inputs.labels import label_columns, labelled, subsample
from unimedi.inputs.store import Store
from unimedi.metrics.auroc import macro_auroc
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, paired_difference, seed_sd
from unimedi.metrics.checks import NotComputable, known_and_positive
from unimedi.metrics.classification import NO_CHOICE, best_threshold, decision_measurements
from unimedi.metrics.measurement import Measurements, mean_over_seeds, named, with_findings

TITLE = "fine-tuning"


def fine_tune(
    run: Path, data: StorePlace, settings: FineTuneSettings | None = None, say: Say = print, out: Path | None = None
) -> Measurements:
    """Fine-tune a model on the labels of a store and measure it, beside the same from random weights.

    A volume and a radiograph take the same path. A finding is called present from the probability on that is best on
    the validation studies (``NO_CHOICE``, where they hold one class of it or are themselves measured).

    Args:
        run: a run folder, or a ``pretrained`` folder itself.
        data: the prepared store, a folder or a URI.
        settings: what is trained, for how long, and what is measured.
        say: hears one line at a time.
        out: where the model of each kind of image is kept: the pretrained arm's of most labels and the first seed.

    Returns:
        Measurements of the task ``fine_tune``, means over the seeds: metrics auroc, ap, acc, balanced_acc, f1, ece and
        prevalence (AP by chance), as means over findings and for each; where there are several seeds,
        ``auroc_seed_sd`` of the mean AUROC. See :func:`~unimedi.adaptation.tuning.measure_arms` for the other fields.

    Raises:
        MissingError: no model there.
        StoreError: the store was prepared for another model.
        NotComputable: no kind of image has labels in all three splits.
        InputError: none of the classes is a label column.
    """
    found = tune(TITLE, run, data, settings or FineTuneSettings(), say, out, _measure_kind)
    return found.named(task="fine_tune")


def _measure_kind(kind: str, tuning: Tuning[FineTuneSettings]) -> Measurements:
    task = finding_task(kind, tuning.store, tuning.settings, tuning.say)
    keep = partial(_keep, tuning.best, kind, task.studies(max(tuning.settings.fractions))) if tuning.best else None
    return measure_arms(task, tuning, "auroc", _over_seeds, _gain, keep)


def _over_seeds(runs: Sequence[Measurements]) -> Measurements:
    means = mean_over_seeds(runs)
    if len(runs) < 2:
        return means
    return means | Measurements([named(seed_sd([run["auroc"] for run in runs]), metric="auroc_seed_sd")])


def _gain(ours: Sequence[Measurements], other: Sequence[Measurements]) -> Estimate:
    return paired_difference(mean_over_seeds(ours)["auroc"], mean_over_seeds(other)["auroc"])


def _keep(best: BestModels, kind: str, studies: int, value: float, model: TaskModel[Measurements]) -> None:
    assert isinstance(model, FindingModel)
    best.offer(
        model.module, value, task=CLASSIFICATION, kind=kind, classes=model.classifier.findings,
        thresholds=model.thresholds(), training_studies=studies,
    )  # fmt: skip


class FindingModel:
    """A classifier, and the studies that it is chosen and measured on; see :class:`.tuning.TaskModel`."""

    def __init__(
        self, classifier: Classifier, store: Store, validation: Sequence[int], test: Sequence[int], resamples: int
    ) -> None:
        self.classifier, self.store, self.module = classifier, store, classifier.module
        self.validation, self.held_out, self.resamples = validation, test, resamples

    def loss(self, batch: Sequence[int], generator: np.random.Generator) -> Tensor:
        return self.classifier.loss(self.store, batch, generator)

    def validate(self) -> float:
        """Macro AUROC of the validation studies."""
        logits, labels = self._answers(self.validation)
        return macro_auroc(logits, labels, self._bootstrap(self.validation, resamples=1)).mean.value

    def test(self) -> Measurements:
        """Each metric of the test studies, its mean and by finding, at thresholds of the validation studies."""
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


def finding_task(kind: str, store: Store, settings: FineTuneSettings, say: Say = print) -> TuningTask[Measurements]:
    """The findings that are labelled in all three splits, of validation in the studies that the cap leaves.

    ``say`` hears of the other findings, and of those without a threshold.

    Raises:
        NotComputable: there is no such finding (with the counts), or none with both classes in validation.
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
        say(f"{TITLE}, {kind}: {', '.join(lost)} left out, without a label in one of the splits ({counts})")
    unchosen = [name for name in findings if not {0.0, 1.0} <= {*columns[1][name]}]
    if unchosen == findings:
        raise NotComputable(f"no finding has both classes in the {len(validation)} validation studies")
    if unchosen:
        say(f"{TITLE}, {kind}: threshold {NO_CHOICE}, one class only in validation, of {', '.join(unchosen)}")
    return TuningTask(
        title=f"{TITLE}, {kind}",
        train=train,
        labels={name: columns[0][name] for name in findings},
        model=lambda model: FindingModel(
            Classifier(model, findings, settings.frozen, precision=settings.precision),
            store,
            validation,
            test,
            settings.resamples,
        ),
    )
