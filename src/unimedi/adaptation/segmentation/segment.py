"""``unimedi segment``: learn the masks of the training split, measure on held-out ones, beside random weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from torch import Tensor

from unimedi.adaptation.prediction.trained import SEGMENTATION, Keeper
from unimedi.adaptation.segmentation.decoders import DECODERS
from unimedi.adaptation.segmentation.loss import mask_loss
from unimedi.adaptation.segmentation.masks import (
    MaskedSplits,
    known_masks,
    layers,
    masked_batch,
    masked_splits,
    stored_mask,
    windows,
)
from unimedi.adaptation.segmentation.segmenter import RESOLUTIONS, Segmenter
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
from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError, StateError
from unimedi.inputs.labels import known_classes
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurements, named
from unimedi.metrics.overlap import Overlap, gain, mean_overlap, overlap_measurements, study_overlap, trivial
from unimedi.model.unimedi import UniMediModel
from unimedi.representation.embedder import Embedder

TASK = "segmentation"
DEFAULT_DECODERS = {"xray": ("linear", "setr_pup"), "ct": ("unetr",)}


class MissingExtraError(StateError):
    """An optional package is not installed; the message names the extra that brings it."""


@dataclass(frozen=True)
class SegmentSettings(TuningSettings):
    """:class:`~unimedi.adaptation.tuning.TuningSettings` of segmentation; ``frozen`` trains the decoder alone.

    ``resolution`` of volumes: ``volume`` is T_3D's input in one window, ``fine`` the store's, in sliding windows.
    Decoders: ``linear``, ``setr_pup``, ``unetr``, each for radiographs and for volumes.
    """

    batch: int = 8
    xray_decoders: tuple[str, ...] = DEFAULT_DECODERS["xray"]
    ct_decoders: tuple[str, ...] = DEFAULT_DECODERS["ct"]
    resolution: str = "volume"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resolution not in RESOLUTIONS:
            raise InputError(f"resolution: expected one of {', '.join(RESOLUTIONS)}, got {self.resolution!r}")
        if unknown := sorted({*self.xray_decoders, *self.ct_decoders} - set(DECODERS)):
            raise InputError(f"decoder: expected one of {', '.join(DECODERS)}, got {unknown[0]!r}")


def segment(
    run: Path, data: Path, settings: SegmentSettings | None = None, say: Say = print, out: Path | None = None
) -> Measurements:
    """Train decoders (and E_v, unless frozen) on the masks of a store's training split and measure them.

    The model of each kind of image that most labels gave, and the first seed, is kept in the folder ``out``; of several
    decoders that with the best Dice on validation studies.

    Returns measurements of the task ``segmentation`` with ``share``; ``variant`` is the decoder, ``method`` is '' or
    ``random_init``. Over all classes and of each: ``dice_positive``, ``dice_all``, ``found`` and ``hd95_mm``; the
    ``dice_positive`` minus that of ``random_init``; and ``dice_all`` of the method ``trivial``, which marks nothing.

    Raises:
        MissingExtraError: MONAI is not installed.
        FileNotFoundError: no model there.
        StoreError: the store was prepared for another model.
        NotComputable: no kind of image has masks in training, validation and the split under test.
        ValueError: none of the classes is a column.
    """
    settings = settings or SegmentSettings()
    try:
        import monai  # noqa: F401 (5 s: before anything else is read)
    except ModuleNotFoundError as error:
        raise MissingExtraError("segmentation needs MONAI; install unimedi[segmentation]") from error
    embedder = Embedder.from_pretrained(run)
    store = Store.open(data, expect=embedder.processor.preprocess)
    settings = with_precision(settings, embedder.model.device, say)
    for sentence in known_classes(store, settings.classes)[1]:
        say(f"segmentation: {sentence}")
    found = Measurements()
    lacking = []
    keeper = Keeper(out, embedder, store, settings.precision) if out else None
    for kind in settings.kinds:
        try:
            found |= _kind_measurements(kind, store, embedder.model, settings, say, keeper)
        except NotComputable as reason:
            lacking.append(f"segmentation, {kind}: {reason}")
            say(lacking[-1])
    if not found:
        raise NotComputable("; ".join(lacking))
    if keeper:
        keeper.finish()
    return found


class MaskLearner:
    """A segmenter with the studies that it is chosen and measured on."""

    def __init__(self, module: Segmenter, store: Store, splits: MaskedSplits) -> None:
        self.module, self.store, self.splits = module, store, splits
        self.numbers = [store.findings.index(name) for name in splits.classes]
        self.device = next(module.parameters()).device

    def loss(self, batch: Sequence[int], draws: np.random.Generator) -> Tensor:
        stored, fields, known = masked_batch(self.store, batch, self.splits.classes, draws)
        images, wanted = windows(
            self.module.inputs(stored.to(self.device)), fields, self.numbers, self.module.window, draws
        )
        return mask_loss(self.module(images), wanted, known.to(self.device))

    def validate(self) -> float:
        """Dice on the positives among the validation studies, the mean over classes that they have."""
        result = self._measure(self.splits.validation, distances=False)
        per_class = [result.dice[there, n].mean() for n, there in enumerate(result.present.T) if there.any()]
        return float(np.mean(per_class))

    def test(self) -> Overlap:
        return self._measure(self.splits.test, distances=True)

    def predicted(self, index: int) -> Bool[ndarray, "classes *stored"]:
        """The predicted masks of one stored study."""
        stored = torch.from_numpy(self.store.pixels(index))[None].to(self.device)
        return np.asarray(self.module.predict(stored)[0].cpu().numpy())

    def _measure(self, indices: Sequence[int], distances: bool) -> Overlap:
        found: list[ndarray] = []
        present: list[ndarray] = []
        dice, hd95 = [], []
        for index in indices:
            bits = stored_mask(self.store, index)
            ours, true = self.predicted(index), layers(bits, self.numbers)
            one, distance = study_overlap(ours, true, self.store.studies[index].spacing if distances else ())
            for column, masks in ((found, ours), (present, true)):
                column.append(np.asarray(masks.reshape(len(masks), -1).any(axis=1)))
            dice.append(np.where(known_masks(self.store, index, bits, self.splits.classes), one, np.nan))
            hd95.append(distance)
        return Overlap(
            self.splits.classes, np.stack(present), np.stack(found).astype(float), np.stack(dice), np.stack(hd95)
        )


def mask_problem(
    kind: str, decoder: str, store: Store, splits: MaskedSplits, settings: SegmentSettings
) -> Problem[Overlap]:
    """One decoder on one kind of image."""

    def learner(model: UniMediModel) -> MaskLearner:
        classes, ndim = len(splits.classes), ImageKind(kind).ndim
        module = Segmenter(model, ndim, decoder, classes, settings.frozen, settings.resolution, settings.precision)
        return MaskLearner(module, store, splits)

    labels = dict(zip(splits.classes, splits.labels.T, strict=True))
    return Problem(f"segmentation, {kind}, {decoder}", splits.train, labels, learner)


def _kind_measurements(
    kind: str, store: Store, model: UniMediModel, settings: SegmentSettings, say: Say, keeper: Keeper | None
) -> Measurements:
    splits = masked_splits(kind, store, settings)
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in splits.test], settings.resamples)
    for split, known in (("train", splits.train), (settings.split, splits.test)):
        if unknown := len(store.select(split, kind)) - len(known):
            say(f"segmentation, {kind}: {unknown} {split} studies left out: no mask of these classes, nor labels 0")
    nothing = overlap_measurements(trivial(splits.held_out, splits.classes), bootstrap)
    found = nothing.select(metric="dice_all").named(method="trivial")
    for decoder in {"xray": settings.xray_decoders, "ct": settings.ct_decoders}[kind]:
        problem = mask_problem(kind, decoder, store, splits, settings)
        about = {"decoder": decoder, "training_studies": studies_of(max(settings.fractions), problem)}
        about |= {"task": SEGMENTATION, "kind": kind, "classes": splits.classes, "resolution": settings.resolution}
        keep = partial(_keep, keeper, about) if keeper else None
        for share, results in compare(problem, arms(model), settings, say, keep).items():
            means = {method: mean_overlap(runs) for method, runs in results.items()}
            for method, result in means.items():
                found |= overlap_measurements(result, bootstrap).named(variant=decoder, method=method, share=share)
            gained = named(gain(means[""], means[RANDOM_INIT], bootstrap), minus=RANDOM_INIT, metric="dice_positive")
            count = studies_of(share, problem)
            taught = named(Estimate(float(count), n=count), metric="training_studies")
            found |= Measurements([gained, taught]).named(variant=decoder, share=share)
    return found.named(task=TASK, modality=kind)


def _keep(keeper: Keeper, about: dict[str, Any], value: float, learner: Learner[Overlap]) -> None:
    keeper.offer(learner.module, value, **about)
