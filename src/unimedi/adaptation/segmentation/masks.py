"""The store's masks: which classes of a study are known, the studies that have some, batches of images and masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int16, UInt16
from numpy import ndarray
from torch import Tensor

from unimedi.adaptation.classifier import draw_augmentation
from unimedi.adaptation.settings import TuningSettings
from unimedi.cohort.study import Split
from unimedi.imaging.resample import resize
from unimedi.inputs.augment import Augmentation, apply
from unimedi.inputs.labels import subsample
from unimedi.inputs.store import MAX_MASKS, Store
from unimedi.metrics.checks import NotComputable


@dataclass(frozen=True)
class MaskedSplits:
    """The classes that are in masks of both training and test, and the studies of which at least one is known."""

    train: list[int]
    validation: list[int]  # each with a class in its mask: Dice on these is what a training is chosen by
    test: list[int]
    classes: tuple[str, ...]
    labels: Float[ndarray, "train classes"]  # as :func:`mask_labels` gives them
    held_out: Float[ndarray, "test classes"]


def masked_splits(kind: str, store: Store, settings: TuningSettings) -> MaskedSplits:
    """The classes and studies of a kind of image to train, choose and measure on.

    ``settings.classes`` are the classes asked for (all findings, where none is named); no other finding matters.

    Raises:
        NotComputable: a split has no mask of a class, or no class is in both training and test (with the counts).
    """
    names = [name for name in settings.classes or store.findings if name in store.findings[:MAX_MASKS]]
    splits = ("train", "validation", settings.split)
    parts = [np.array(store.select(split=Split(split), image_kind=kind), dtype=np.int64) for split in splits]
    tables = [mask_labels(store, part.tolist(), names) for part in parts]
    counts = [int((table == 1).any(axis=1).sum()) for table in tables]
    if not all(counts):
        what = f"masks of {', '.join(settings.classes)}" if settings.classes else "masks"
        raise NotComputable(
            f"{what} in {counts[0]} training, {counts[1]} validation and {counts[2]} {settings.split} studies; "
            "each must have some"
        )
    shared = (tables[0] == 1).any(axis=0) & (tables[2] == 1).any(axis=0)
    if not shared.any():
        raise NotComputable(
            f"no finding is in the masks of both {counts[0]} training and {counts[2]} {settings.split} studies"
        )
    classes = tuple(name for name, kept in zip(names, shared, strict=True) if kept)
    tables = [table[:, shared] for table in tables]
    train, test = (~np.isnan(tables[place]).all(axis=1) for place in (0, 2))
    validation = (tables[1] == 1).any(axis=1)
    if not validation.any():
        raise NotComputable(f"no validation study has {' or '.join(classes)} in its mask, so nothing can be chosen")
    return MaskedSplits(
        parts[0][train].tolist(),
        subsample(parts[1][validation].tolist(), settings.validation_cap, seed=0),
        parts[2][test].tolist(),
        classes,
        tables[0][train],
        tables[2][test],
    )


def mask_labels(store: Store, indices: Sequence[int], classes: Sequence[str]) -> Float[ndarray, "studies classes"]:
    """1 where the class has a pixel in the study's mask, 0 where it is labelled absent, else NaN: not known.

    A mask of one class says nothing about another class: the spleen may be outlined where nobody looked at the
    duodenum. Healthy studies have no mask; their labels make them count, so that false positives are measured.
    """
    rows = [_labels(store, index, store.mask(index), classes) for index in indices]
    return np.array(rows, dtype=np.float64).reshape(len(indices), len(classes))


def known_masks(
    store: Store, index: int, bits: UInt16[ndarray, "*stored"], classes: Sequence[str]
) -> Bool[ndarray, "classes"]:
    """Whether the mask of each class is known, as :func:`mask_labels` has it, from the bit field of the study."""
    return np.asarray(~np.isnan(_labels(store, index, bits, classes)))


def stored_mask(store: Store, index: int) -> UInt16[ndarray, "*stored"]:
    """The bit field of a study, all zero where it has none: whether that means absent, :func:`known_masks` says."""
    mask = store.mask(index)
    return np.zeros(store.pixels(index).shape, np.uint16) if mask is None else mask


def class_masks(bits: UInt16[ndarray, "*stored"], numbers: Sequence[int]) -> Bool[ndarray, "classes *stored"]:
    """The bits ``numbers`` of a field, one layer each."""
    return np.stack([(bits >> number) & 1 for number in numbers]).astype(bool)


def masked_batch(
    store: Store, indices: Sequence[int], classes: Sequence[str], generator: np.random.Generator
) -> tuple[Int16[Tensor, "n *stored"], UInt16[ndarray, "n *stored"], Bool[Tensor, "n classes"]]:
    """Stored arrays varied as in pre-training, their masks (bit fields) shifted alike, and which classes are known.

    Known is said of the mask before the shift: a lesion that the shift moves out of the image is still known.
    """
    arrays, fields, known = [], [], []
    for index in indices:
        pixels, bits = store.pixels(index), stored_mask(store, index)
        drawn = draw_augmentation(pixels.shape, generator)
        arrays.append(apply(pixels, drawn))
        known.append(known_masks(store, index, bits, classes))
        fields.append(apply(bits.view(np.int16), Augmentation(drawn.shift, gain=1.0, offset=0.0)).view(np.uint16))
    return torch.from_numpy(np.stack(arrays)), np.stack(fields), torch.from_numpy(np.stack(known))


def windows(
    images: Float[Tensor, "n 1 *grid"],
    fields: UInt16[ndarray, "n *stored"],
    numbers: Sequence[int],
    size: tuple[int, ...],
    generator: np.random.Generator,
) -> tuple[Float[Tensor, "n 1 *size"], Float[Tensor, "n classes *size"]]:
    """One window of each image and what to find in it (0..1, a share where the mask has finer pixels).

    Every second image that has a lesion of these classes gives a window around one of its pixels, the others one from
    anywhere: else most windows of a large volume would be empty. An image of the window's size is its own window.
    """
    seen, wanted = [], []
    for place, (image, bits) in enumerate(zip(images, fields, strict=True)):
        masks, grid = class_masks(bits, numbers), tuple(image.shape[1:])
        target = torch.from_numpy(masks).float()[None]
        lesion = masks.any(axis=0) if grid != size and place % 2 == 0 else np.zeros((0,) * bits.ndim)
        around = np.argwhere(lesion)
        start = window_start(grid, size, bits.shape, around, generator)
        where = (slice(None), *(slice(s, s + length) for s, length in zip(start, size, strict=True)))
        seen.append(image[where])
        wanted.append(resize(target, grid)[0][where])
    return torch.stack(seen), torch.stack(wanted).to(images.device)


def window_start(
    grid: tuple[int, ...],
    size: tuple[int, ...],
    stored: tuple[int, ...],
    lesion: Int[ndarray, "pixels axes"],
    generator: np.random.Generator,
) -> list[int]:
    """The first corner of a window that lies inside ``grid``: around a drawn lesion pixel, else anywhere."""
    room = [whole - part for whole, part in zip(grid, size, strict=True)]
    if not len(lesion):
        return [int(generator.integers(0, free + 1)) for free in room]
    pixel = lesion[int(generator.integers(len(lesion)))]
    centre = [int(p * g / s) for p, g, s in zip(pixel, grid, stored, strict=True)]
    return [min(max(c - part // 2, 0), free) for c, part, free in zip(centre, size, room, strict=True)]


def _labels(
    store: Store, index: int, bits: UInt16[ndarray, "*stored"] | None, classes: Sequence[str]
) -> Float[ndarray, "classes"]:
    there = 0 if bits is None else int(np.bitwise_or.reduce(bits, axis=None))
    absent = [store.studies[index].labels.get(name) is False for name in classes]
    drawn = [there >> store.findings.index(name) & 1 for name in classes]
    return np.asarray(np.where(drawn, 1.0, np.where(absent, 0.0, np.nan)))
