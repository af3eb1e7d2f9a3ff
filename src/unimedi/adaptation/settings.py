"""Settings of a training on labels: ``unimedi finetune`` and ``unimedi segment``.

Nothing here needs torch, so that the command line can list the settings at once.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from unimedi.errors import InputError
from unimedi.ranges import NOT_NEGATIVE, POSITIVE, SEED, SHARE, SOME_SHARE, at_least, check_settings

Kind = Literal["xray", "ct"]
Algorithm = Literal["adamw", "muon"]
Precision = Literal["auto", "bf16", "fp32"]
HeldOut = Literal["validation", "test"]
Decoder = Literal["linear", "setr_pup", "unetr"]
Resolution = Literal["volume", "hires"]


@dataclass(frozen=True)
class TuningSettings:
    """What fine-tuning and segmentation share: what is trained, for how long, and what is reported.

    Attributes:
        kinds: kinds of image; each gets a model of its own.
        classes: columns of the manifest to learn (all, where none is named).
        fractions: shares of the labelled training studies to learn from, above 0 and up to 1.
        seeds: for each of them a share below 1 is drawn, and trained on, once.
        frozen: the encoder keeps its weights; only the head or the decoder learns.
        steps: updates of each training.
        batch: studies of each update.
        learning_rates: peak rates, tried one after the other; the best on validation studies counts.
        weight_decay: of the optimiser, decoupled.
        algorithm: the optimiser.
        precision: bf16 is mixed; auto takes it where the hardware has it, else fp32.
        warm_up: the share of the steps in which the rate rises; then it falls by a cosine.
        checks: how often a training is measured on validation studies; its best moment counts.
        validation_cap: at most so many validation studies are measured.
        split: the split whose figures are reported.
        resamples: of the patients, for intervals.
    """

    kinds: tuple[Kind, ...] = ("xray", "ct")
    classes: tuple[str, ...] = ()
    fractions: Annotated[tuple[float, ...], SOME_SHARE] = (0.01, 0.1, 1.0)
    seeds: Annotated[tuple[int, ...], SEED] = (0, 1, 2)
    frozen: bool = False
    steps: Annotated[int, at_least(1)] = 300
    batch: Annotated[int, at_least(1)] = 16
    learning_rates: Annotated[tuple[float, ...], POSITIVE] = (3e-4, 1e-3)
    weight_decay: Annotated[float, NOT_NEGATIVE] = 0.05
    algorithm: Algorithm = "adamw"
    precision: Precision = "auto"
    warm_up: Annotated[float, SHARE] = 0.1
    checks: Annotated[int, at_least(1)] = 5
    validation_cap: Annotated[int, at_least(1)] = 120
    split: HeldOut = "test"
    resamples: Annotated[int, at_least(1)] = 1000

    def __post_init__(self) -> None:
        check_settings(self)
        for name in ("kinds", "fractions", "seeds", "learning_rates"):
            if not getattr(self, name):
                raise InputError(f"{name}: expected at least one value, got none")
        for name, values in vars(self).items():  # the same training twice says nothing of seeds
            if isinstance(values, tuple) and len(set(values)) < len(values):
                raise InputError(f"{name}: expected each value once, got {list(values)}")


@dataclass(frozen=True)
class FineTuneSettings(TuningSettings):
    """Settings of classification: all of :class:`TuningSettings`."""


@dataclass(frozen=True)
class SegmentSettings(TuningSettings):
    """Settings of segmentation: all of :class:`TuningSettings`, and these.

    Attributes:
        batch: studies of each update.
        xray_decoders: decoders to train on radiographs, one after the other.
        ct_decoders: decoders to train on volumes.
        resolution: of volumes. volume: T_3D's input, in one window. hires: the stored array, in sliding windows.
    """

    batch: Annotated[int, at_least(1)] = 8
    xray_decoders: tuple[Decoder, ...] = ("linear", "setr_pup")
    ct_decoders: tuple[Decoder, ...] = ("unetr",)
    resolution: Resolution = "volume"
