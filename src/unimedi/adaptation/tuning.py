"""What fine-tuning and segmentation share: arms, shares of the labels, seeds, learning rates, one choice on validation.

Every arm (the pretrained weights, random ones) gets the same studies, steps, batches and learning rates to choose
from, and chooses its rate and its moment on the validation split alone. The test split is read once a training.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from unimedi.adaptation.prediction.trained import BestModels
from unimedi.adaptation.settings import TuningSettings
from unimedi.adaptation.subset import Labels, stratified_subset
from unimedi.adaptation.training import BestWeights, DivergedError, train
from unimedi.files.store_address import StorePlace
from unimedi.inputs.labels import known_classes
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurements, named, percent
from unimedi.model.unimedi import UniMediModel
from unimedi.model.untrained import untrained
from unimedi.optimization.optimizer import OPTIMIZERS
from unimedi.optimization.precision import choose_precision
from unimedi.optimization.schedule import warmup_cosine
from unimedi.representation.embedder import Embedder

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S", bound=TuningSettings)
Say = Callable[[str], None]
RANDOM_INIT = "random_init"  # the arm of the same architecture, untrained; '' is the pretrained one


@runtime_checkable
class TaskModel(Protocol[R_co]):
    """A model with a head for one task and one kind of image, and the studies that it is chosen and measured on.

    ``module`` is what learns. ``loss`` is that of a batch of stored studies (places in the store), varied at random.
    ``validate`` gives the value that the training is chosen by, higher is better. ``test`` measures the test studies.
    """

    @property
    def module(self) -> nn.Module: ...

    def loss(self, batch: Sequence[int], generator: np.random.Generator) -> Tensor: ...

    def validate(self) -> float: ...

    def test(self) -> R_co: ...


@dataclass(frozen=True)
class TuningTask(Generic[R]):
    """One task on one kind of image: the training studies, what shares of them are drawn by, and its model."""

    title: str
    train: list[int]  # places in the store
    labels: Labels  # of ``train``, in its order
    model: Callable[[UniMediModel], TaskModel[R]]  # builds the task's model around a pretrained one

    def studies(self, fraction: float) -> int:
        """How many studies a fraction of the labels is: two at least."""
        return min(max(round(fraction * len(self.train)), 2), len(self.train))


@dataclass(frozen=True)
class Tuning(Generic[S]):
    """What all trainings of one command share: the pretrained model, the store, the settings, the models to keep."""

    title: str
    model: UniMediModel
    store: Store
    settings: S
    say: Say
    best: BestModels | None


def tune(
    title: str,
    run: Path,
    data: StorePlace,
    settings: S,
    say: Say,
    out: Path | None,
    measure: Callable[[str, Tuning[S]], Measurements],
) -> Measurements:
    """Open the model and the store, and ``measure`` every kind of image of the settings; ``title`` begins what is said.

    Raises:
        NotComputable: of no kind; the message says why of each.
    """
    embedder = Embedder.from_pretrained(run)
    store = Store.open(data, expect=embedder.processor.preprocess)
    precision, why = choose_precision(settings.precision, embedder.model.device.type)
    say(f"precision: {why}")
    settings = replace(settings, precision="bf16" if precision == "bf16" else "fp32")
    for sentence in known_classes(store, settings.classes)[1]:
        say(f"{title}: {sentence}")
    best = BestModels(out, embedder, store, precision) if out else None
    tuning = Tuning(title, embedder.model, store, settings, say, best)
    found, lacking = Measurements(), list[str]()
    for kind in settings.kinds:
        try:
            found |= measure(kind, tuning).named(modality=kind)
        except NotComputable as reason:
            lacking.append(f"{title}, {kind}: {reason}")
            say(lacking[-1])
    if not found:
        raise NotComputable("; ".join(lacking))
    if best:
        best.finish()
    return found


def measure_arms(
    task: TuningTask[R],
    tuning: Tuning[S],
    metric: str,
    summarise: Callable[[Sequence[R]], Measurements],
    gain: Callable[[Sequence[R], Sequence[R]], Estimate],
    keep: Callable[[float, TaskModel[R]], None] | None,
) -> Measurements:
    """Both arms at every share of the labels, trained and measured.

    Args:
        task: what is learnt.
        tuning: from what, and how.
        metric: the one that ``gain`` is of.
        summarise: the test results of all seeds → measurements (metric, finding).
        gain: the same of the pretrained arm and of the random one → their paired difference.
        keep: see :func:`train_arms`.

    Returns:
        Measurements with ``share`` and ``method`` ('' is the pretrained arm); the gain has ``minus="random_init"``, and
        ``training_studies`` is how many studies the share is.
    """
    arms = {"": tuning.model, RANDOM_INIT: untrained(tuning.model, 0)}
    found = Measurements()
    for share, results in train_arms(task, arms, tuning.settings, tuning.say, keep).items():
        for arm, runs in results.items():
            found |= summarise(runs).named(method=arm, share=share)
        count, gained = task.studies(share), gain(results[""], results[RANDOM_INIT])
        studies = named(Estimate(float(count), n=count), metric="training_studies", share=share)
        found |= Measurements([named(gained, minus=RANDOM_INIT, metric=metric, share=share), studies])
    return found


def train_arms(
    task: TuningTask[R],
    arms: Mapping[str, UniMediModel],
    settings: TuningSettings,
    say: Say,
    keep: Callable[[float, TaskModel[R]], None] | None = None,
) -> dict[float, dict[str, list[R]]]:
    """Share of the labels → arm → the test result of each seed's training (one seed, where all labels are taken).

    ``keep`` is given one model, with its validation value: the first arm's, of most labels and the first seed.
    """
    kept = (max(settings.fractions), settings.seeds[0], next(iter(arms)))
    trainings = [
        (fraction, seed, arm)
        for fraction in settings.fractions
        for seed in (settings.seeds if fraction < 1 else settings.seeds[:1])
        for arm in arms
    ]
    results: dict[float, dict[str, list[R]]] = {f: {arm: [] for arm in arms} for f in settings.fractions}
    started = time.monotonic()
    for done, (fraction, seed, arm) in enumerate(trainings):
        chosen = stratified_subset(task.labels, task.studies(fraction), seed)
        studies = [task.train[i] for i in chosen]
        words = f"{task.title}, {percent(fraction)} of labels ({len(studies)} studies)"
        say(f"{words}, {arm or 'pretrained'}, seed {seed}")
        value, model = train_best(task, arms[arm], studies, settings, seed, say)
        if keep and (fraction, seed, arm) == kept:
            keep(value, model)
        results[fraction][arm].append(model.test())
        left = (time.monotonic() - started) / (done + 1) * (len(trainings) - done - 1)
        say(f"  training {done + 1} of {len(trainings)} done, about {math.ceil(left / 60)} min left")
    return results


def train_best(
    task: TuningTask[R], model: UniMediModel, studies: Sequence[int], settings: TuningSettings, seed: int, say: Say
) -> tuple[float, TaskModel[R]]:
    """Train once with each learning rate: the best validation value, and the model with its weights of that moment.

    Raises:
        DivergedError: no learning rate gave a finite loss.
    """
    best: tuple[float, TaskModel[R]] | None = None
    for rate in settings.learning_rates:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # of the decoder's weights
            candidate = task.model(copy.deepcopy(model))
        try:
            value = fit(candidate, studies, settings, rate, seed, say)
        except DivergedError as error:
            say(f"  rate {rate:g}: {error}")
            continue
        if best is None or value > best[0]:
            best = value, candidate
    if best is None:
        raise DivergedError(f"{task.title}: the loss is not finite with any of {settings.learning_rates}")
    return best


def fit(
    model: TaskModel[R], studies: Sequence[int], settings: TuningSettings, rate: float, seed: int, say: Say
) -> float:
    """Train on ``studies`` and put the weights of the best validation value back; returns that value."""
    generator, steps = np.random.default_rng(seed), settings.steps
    every, warm_up = max(1, steps // settings.checks), round(settings.warm_up * steps)
    best = BestWeights(model.module)

    def loss_of(step: int) -> Tensor:
        model.module.train()
        batch = generator.choice(studies, min(settings.batch, len(studies)), replace=False)
        return model.loss([int(index) for index in batch], generator)

    def check(done: int) -> bool:
        if done % every == 0 or done == steps:
            model.module.eval()
            value = model.validate()
            best.offer(value, done)
            say(f"  rate {rate:g}, step {done} of {steps}, validation {value:.3f}")
        return False

    def rate_at(step: int) -> float:
        return rate * warmup_cosine(step, warmup=warm_up, total=steps)

    optimiser = OPTIMIZERS[settings.algorithm](model.module, rate, settings.weight_decay)
    train(model.module, optimiser, loss_of, rate_at, steps, check)
    best.restore()
    model.module.eval()
    return best.value
