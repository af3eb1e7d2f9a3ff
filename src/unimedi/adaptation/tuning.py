"""What fine-tuning and segmentation share: rows, shares of the labels, seeds, learning rates, one honest choice.

Every row (the pretrained weights, random ones) gets the same studies, steps, batches and learning rates to choose
from, and chooses its rate and its moment on the validation split alone. The test split is read once a training.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from unimedi.adaptation.subset import Labels, stratified_subset
from unimedi.adaptation.training import BestWeights, DivergedError, train
from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError
from unimedi.metrics.measurement import percent
from unimedi.model.unimedi import UniMediModel
from unimedi.model.untrained import untrained
from unimedi.optimization.optimizer import OPTIMIZERS
from unimedi.optimization.precision import PRECISIONS, choose_precision
from unimedi.optimization.schedule import warmup_cosine
from unimedi.ranges import NOT_NEGATIVE, POSITIVE, SEED, SHARE, SOME_SHARE, at_least, check_ranges

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Say = Callable[[str], None]


RANGES: Final = {
    "fractions": SOME_SHARE,
    "seeds": SEED,
    "learning_rates": POSITIVE,
    "weight_decay": NOT_NEGATIVE,
    "warm_up": SHARE,
    **dict.fromkeys(("steps", "batch", "checks", "validation_cap", "resamples"), at_least(1)),
}


@dataclass(frozen=True)
class TuningSettings:
    """What is trained, for how long, and what is reported.

    ``classes`` are columns (all, where none is named). A fraction is of the labelled studies of the training split;
    those below 1 are drawn once for each of ``seeds``.
    ``learning_rates`` are tried one after the other. ``checks`` is how often a training looks at (at most
    ``validation_cap``) validation studies. ``warm_up`` is a share of the steps.
    ``precision`` bf16 is mixed; auto takes it where the hardware has it, else fp32.
    """

    kinds: tuple[str, ...] = tuple(map(str, ImageKind))
    classes: tuple[str, ...] = ()
    fractions: tuple[float, ...] = (0.01, 0.1, 1.0)
    seeds: tuple[int, ...] = (0, 1, 2)
    frozen: bool = False
    steps: int = 300
    batch: int = 16
    learning_rates: tuple[float, ...] = (3e-4, 1e-3)
    weight_decay: float = 0.05
    algorithm: str = "adamw"
    precision: str = "auto"
    warm_up: float = 0.1
    checks: int = 5
    validation_cap: int = 120
    split: str = "test"
    resamples: int = 1000

    def __post_init__(self) -> None:
        for name, values, allowed in (
            ("kinds", self.kinds, tuple(map(str, ImageKind))),
            ("algorithm", (self.algorithm,), tuple(OPTIMIZERS)),
            ("precision", (self.precision,), PRECISIONS),
            ("split", (self.split,), ("validation", "test")),
        ):
            if unknown := [value for value in values if value not in allowed]:
                raise InputError(f"{name}: expected one of {', '.join(allowed)}, got {unknown[0]!r}")
        for name in ("kinds", "fractions", "seeds", "learning_rates"):
            if not getattr(self, name):
                raise InputError(f"{name}: expected at least one value, got none")
        for name in ("kinds", "classes", "fractions", "seeds"):  # a training twice is no spread over seeds
            if len(set(values := getattr(self, name))) < len(values):
                raise InputError(f"{name}: expected each value once, got {list(values)}")
        check_ranges(self, RANGES)


SettingsT = TypeVar("SettingsT", bound=TuningSettings)


def with_precision(settings: SettingsT, device: torch.device, say: Say) -> SettingsT:
    """The same with ``precision`` bf16 or fp32 in place of auto; ``say`` hears which and why."""
    precision, reason = choose_precision(settings.precision, device.type)
    say(f"precision: {reason}")
    return replace(settings, precision=precision)


@runtime_checkable
class Learner(Protocol[R_co]):
    """A model with a head for one task and one kind of image. ``module`` is what learns."""

    @property
    def module(self) -> nn.Module: ...

    def loss(self, batch: Sequence[int], draws: np.random.Generator) -> Tensor: ...

    def validate(self) -> float: ...

    def test(self) -> R_co: ...


@dataclass(frozen=True)
class Problem(Generic[R]):
    """One task on one kind of image: the training studies, what to draw them by, and how a learner is made."""

    title: str
    train: list[int]
    labels: Labels  # of ``train``, in its order
    learner: Callable[[UniMediModel], Learner[R]]


RANDOM_INIT = "random_init"


def arms(model: UniMediModel, seed: int = 0) -> dict[str, UniMediModel]:
    """``{"": the pretrained model, "random_init": the same architecture, untrained}``."""
    return {"": model, RANDOM_INIT: untrained(model, seed)}


def compare(
    problem: Problem[R],
    models: Mapping[str, UniMediModel],
    settings: TuningSettings,
    say: Say,
    keep: Callable[[float, Learner[R]], None] | None = None,
) -> dict[float, dict[str, list[R]]]:
    """Fraction → method → the test result of each seed's training.

    ``keep`` is given one learner, with its validation value: the first model's, of most labels and the first seed.
    """
    kept = (max(settings.fractions), settings.seeds[0], next(iter(models)))
    plan = [
        (fraction, seed, name)
        for fraction in settings.fractions
        for seed in (settings.seeds if fraction < 1 else settings.seeds[:1])
        for name in models
    ]
    results: dict[float, dict[str, list[R]]] = {f: {name: [] for name in models} for f in settings.fractions}
    started = time.monotonic()
    for done, (fraction, seed, name) in enumerate(plan):
        chosen = stratified_subset(problem.labels, studies_of(fraction, problem), seed)
        studies = [problem.train[i] for i in chosen]
        labels, arm = f"{percent(fraction)} of labels ({len(studies)} studies)", name or "pretrained"
        say(f"{problem.title}, {labels}, {arm}, seed {seed}")
        value, learner = chosen_learner(problem, models[name], studies, settings, seed, say)
        if keep and (fraction, seed, name) == kept:
            keep(value, learner)
        results[fraction][name].append(learner.test())
        left = (time.monotonic() - started) / (done + 1) * (len(plan) - done - 1)
        say(f"  training {done + 1} of {len(plan)} done, about {math.ceil(left / 60)} min left")
    return results


def studies_of(fraction: float, problem: Problem[R]) -> int:
    """How many studies a fraction of the labels is: two at least."""
    return min(max(round(fraction * len(problem.train)), 2), len(problem.train))


def best_learner(
    problem: Problem[R], model: UniMediModel, studies: Sequence[int], settings: TuningSettings, seed: int, say: Say
) -> Learner[R]:
    """The learner of :func:`chosen_learner`."""
    return chosen_learner(problem, model, studies, settings, seed, say)[1]


def chosen_learner(
    problem: Problem[R], model: UniMediModel, studies: Sequence[int], settings: TuningSettings, seed: int, say: Say
) -> tuple[float, Learner[R]]:
    """Train once with each learning rate; the best validation value, and its learner at its best moment.

    Raises:
        DivergedError: no learning rate gave a finite loss.
    """
    best: tuple[float, Learner[R]] | None = None
    for rate in settings.learning_rates:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # of the decoder's weights
            learner = problem.learner(copy.deepcopy(model))
        try:
            value = fit(learner, studies, settings, rate, seed, say)
        except DivergedError as error:
            say(f"  rate {rate:g}: {error}")
            continue
        if best is None or value > best[0]:
            best = value, learner
    if best is None:
        raise DivergedError(f"{problem.title}: the loss is not finite with any of {settings.learning_rates}")
    return best


def fit(
    learner: Learner[R], studies: Sequence[int], settings: TuningSettings, rate: float, seed: int, say: Say
) -> float:
    """Train on ``studies`` and put the weights of the best validation value back; returns that value."""
    draws, steps = np.random.default_rng(seed), settings.steps
    every, warm_up = max(1, steps // settings.checks), round(settings.warm_up * steps)
    best = BestWeights(learner.module)

    def loss_of(step: int) -> Tensor:
        learner.module.train()
        batch = draws.choice(studies, min(settings.batch, len(studies)), replace=False)
        return learner.loss([int(index) for index in batch], draws)

    def check(done: int) -> bool:
        if done % every == 0 or done == steps:
            learner.module.eval()
            value = learner.validate()
            best.offer(value, done)
            say(f"  rate {rate:g}, step {done} of {steps}, validation {value:.3f}")
        return False

    optimiser = OPTIMIZERS[settings.algorithm](learner.module, rate, settings.weight_decay)
    train(
        learner.module, optimiser, loss_of, lambda s: rate * warmup_cosine(s, warmup=warm_up, total=steps), steps, check
    )
    best.restore()
    learner.module.eval()
    return best.value
