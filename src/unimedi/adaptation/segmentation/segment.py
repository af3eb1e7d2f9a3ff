"""``unimedi segment``: learn the masks of the training split, measure on held-out ones, beside random weights."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from torch import Tensor

from unimedi.adaptation.prediction.trained import SEGMENTATION
from unimedi.adaptation.segmentation.loss import mask_loss
from unimedi.adaptation.segmentation.masks import (
    MaskedSplits,
    class_masks,
    known_masks,
    masked_batch,
    masked_splits,
    stored_mask,
    windows,
)
from unimedi.adaptation.segmentation.segmenter import Segmenter
from unimedi.adaptation.settings import SegmentSettings
from unimedi.adaptation.tuning import Say, TaskModel, Tuning, TuningTask, measure_arms, tune
from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import StateError
from unimedi.files.store_address import StorePlace
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap
from unimedi.metrics.measurement import Measurements
from unimedi.metrics.overlap import Overlap, gain, mean_overlap, overlap_measurements, study_overlap, trivial
from unimedi.model.unimedi import UniMediModel

TITLE = "segmentation"


class MissingExtraError(StateError):
    """An optional package is not installed; the message names the extra that brings it."""


def segment(
    run: Path, data: StorePlace, settings: SegmentSettings | None = None, say: Say = print, out: Path | None = None
) -> Measurements:
    """Train decoders (and E_v, unless frozen) on the masks of a store and measure them, beside random weights.

    Args:
        run: a run folder, or a ``pretrained`` folder itself.
        data: the prepared store.
        settings: what is trained, for how long, and what is measured.
        say: hears one line at a time.
        out: where the model of each kind of image is kept: the pretrained arm's of most labels and the first seed; of
            several decoders that with the best Dice on validation studies.

    Returns:
        Measurements of the task ``segmentation``; ``variant`` is the decoder, the metrics are dice_positive, dice_all,
        found and hd95_mm (mm), as means over classes and for each. The method ``trivial`` marks nothing. See
        :func:`~unimedi.adaptation.tuning.measure_arms` for the other fields; the gain is of dice_positive.

    Raises:
        MissingExtraError: MONAI is not installed.
        MissingError: no model there.
        StoreError: the store was prepared for another model.
        NotComputable: no kind of image has masks in training, validation and the split under test.
        InputError: none of the classes is a column.
    """
    try:
        import monai  # noqa: F401 (5 s: before anything else is read)
    except ModuleNotFoundError as error:
        raise MissingExtraError("segmentation needs MONAI; install unimedi[segmentation]") from error
    found = tune(TITLE, run, data, settings or SegmentSettings(), say, out, _measure_kind)
    return found.named(task="segmentation")


def _measure_kind(kind: str, tuning: Tuning[SegmentSettings]) -> Measurements:
    store, settings = tuning.store, tuning.settings
    splits = masked_splits(kind, store, settings)
    bootstrap = PatientBootstrap([store.studies[i].patient_id for i in splits.test], settings.resamples)
    for split, known in (("train", splits.train), (settings.split, splits.test)):
        if unknown := len(store.select(split, kind)) - len(known):
            tuning.say(f"{TITLE}, {kind}: {unknown} {split} studies left out: no mask of these classes, nor labels 0")
    nothing = overlap_measurements(trivial(splits.held_out, splits.classes), bootstrap)
    found = nothing.select(metric="dice_all").named(method="trivial")
    for decoder in {"xray": settings.xray_decoders, "ct": settings.ct_decoders}[kind]:
        found |= _measure_decoder(kind, decoder, splits, bootstrap, tuning).named(variant=decoder)
    return found


def _measure_decoder(
    kind: str, decoder: str, splits: MaskedSplits, bootstrap: PatientBootstrap, tuning: Tuning[SegmentSettings]
) -> Measurements:
    settings, best = tuning.settings, tuning.best
    task = mask_task(kind, decoder, tuning.store, splits, settings)

    def keep(value: float, model: TaskModel[Overlap]) -> None:
        if best:
            best.offer(
                model.module, value, task=SEGMENTATION, kind=kind, classes=splits.classes, decoder=decoder,
                resolution=settings.resolution, training_studies=task.studies(max(settings.fractions)),
            )  # fmt: skip

    def summarise(runs: Sequence[Overlap]) -> Measurements:
        return overlap_measurements(mean_overlap(runs), bootstrap)

    def difference(ours: Sequence[Overlap], other: Sequence[Overlap]) -> Estimate:
        return gain(mean_overlap(ours), mean_overlap(other), bootstrap)

    return measure_arms(task, tuning, "dice_positive", summarise, difference, keep)


class MaskModel:
    """A segmenter, and the studies that it is chosen and measured on; see :class:`.tuning.TaskModel`."""

    def __init__(self, module: Segmenter, store: Store, splits: MaskedSplits) -> None:
        self.module, self.store, self.splits = module, store, splits
        self.numbers = [store.findings.index(name) for name in splits.classes]
        self.device = next(module.parameters()).device

    def loss(self, batch: Sequence[int], generator: np.random.Generator) -> Tensor:
        stored, fields, known = masked_batch(self.store, batch, self.splits.classes, generator)
        images, wanted = windows(
            self.module.inputs(stored.to(self.device)), fields, self.numbers, self.module.window, generator
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
            ours, true = self.predicted(index), class_masks(bits, self.numbers)
            one, distance = study_overlap(ours, true, self.store.studies[index].spacing if distances else ())
            for column, masks in ((found, ours), (present, true)):
                column.append(np.asarray(masks.reshape(len(masks), -1).any(axis=1)))
            dice.append(np.where(known_masks(self.store, index, bits, self.splits.classes), one, np.nan))
            hd95.append(distance)
        return Overlap(
            self.splits.classes, np.stack(present), np.stack(found).astype(float), np.stack(dice), np.stack(hd95)
        )


def mask_task(
    kind: str, decoder: str, store: Store, splits: MaskedSplits, settings: SegmentSettings
) -> TuningTask[Overlap]:
    """One decoder on one kind of image."""

    def with_decoder(model: UniMediModel) -> MaskModel:
        classes, ndim = len(splits.classes), ImageKind(kind).ndim
        module = Segmenter(model, ndim, decoder, classes, settings.frozen, settings.resolution, settings.precision)
        return MaskModel(module, store, splits)

    labels = dict(zip(splits.classes, splits.labels.T, strict=True))
    return TuningTask(f"{TITLE}, {kind}, {decoder}", splits.train, labels, with_decoder)
