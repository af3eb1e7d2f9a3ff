"""The store's masks: which studies have one, what is in it, and batches of images with what to find in them."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int16, UInt16
from numpy import ndarray
from torch import Tensor

from unimedi.cohort.study import Split
from unimedi.imaging.resample import resize
from unimedi.inputs.augment import Augmentation, apply, draw
from unimedi.inputs.dataset import BatchRecipe
from unimedi.inputs.store import Store
from unimedi.transfer.task import KINDS


def masked(store: Store, split: str, kind: str) -> list[int]:
    """The studies of a split and a kind whose mask is known: it is there, or every finding is labelled absent.

    Who writes masks writes none for a healthy study; without them, no figure would say how often one is marked there.
    """
    studies = store.select(split=Split(split), ndim=KINDS[kind])
    return [i for i in studies if store.studies[i].has_mask or healthy(store, i)]


def healthy(store: Store, index: int) -> bool:
    """Every finding of the store is known to be absent."""
    labels = store.studies[index].labels
    return bool(store.findings) and all(labels.get(name) is False for name in store.findings)


def stored_mask(store: Store, index: int) -> UInt16[ndarray, "*stored"]:
    """The bit field of a study, all zero for a healthy one; ValueError where it is not known."""
    mask = store.mask(index)
    if mask is None and not healthy(store, index):
        raise ValueError(f"study {store.studies[index].study_id} has no mask, and its labels do not say it is healthy")
    return np.zeros(store.pixels(index).shape, np.uint16) if mask is None else mask


def layers(bits: UInt16[ndarray, "*stored"], numbers: Sequence[int]) -> Bool[ndarray, "classes *stored"]:
    """The bits ``numbers`` of a field, one layer each."""
    return np.stack([(bits >> number) & 1 for number in numbers]).astype(bool)


def presence(store: Store, indices: Sequence[int]) -> dict[str, Float[ndarray, "studies"]]:
    """Finding → 1 where its mask has a pixel, else 0, for every finding of the store that fits into a mask."""
    fields = np.array([np.bitwise_or.reduce(stored_mask(store, i), axis=None) for i in indices], dtype=np.uint16)
    return {name: ((fields >> bit) & 1).astype(np.float64) for bit, name in enumerate(store.findings[:16])}


def masked_batch(
    store: Store, indices: Sequence[int], draws: np.random.Generator
) -> tuple[Int16[Tensor, "n *stored"], UInt16[ndarray, "n *stored"]]:
    """Stored arrays, shifted and with other intensities as in pre-training, and their masks, shifted alike."""
    recipe = BatchRecipe()
    arrays, fields = [], []
    for index in indices:
        pixels, bits = store.pixels(index), stored_mask(store, index)
        ranges = recipe.radiograph_augmentation if pixels.ndim == 2 else recipe.volume_augmentation
        drawn = draw(ranges, pixels.shape, draws)
        arrays.append(apply(pixels, drawn))
        fields.append(apply(bits.view(np.int16), Augmentation(drawn.shift, gain=1.0, offset=0.0)).view(np.uint16))
    return torch.from_numpy(np.stack(arrays)), np.stack(fields)


def windows(
    images: Float[Tensor, "n 1 *grid"],
    fields: UInt16[ndarray, "n *stored"],
    numbers: Sequence[int],
    size: tuple[int, ...],
    draws: np.random.Generator,
) -> tuple[Float[Tensor, "n 1 *size"], Float[Tensor, "n classes *size"]]:
    """One window of each image and what to find in it (0..1, a share where the mask has finer pixels).

    Every second image that has a lesion gives a window around one of its pixels, the others one from anywhere: else
    most windows of a large volume would be empty. An image of the window's size is its own window.
    """
    seen, wanted = [], []
    for place, (image, bits) in enumerate(zip(images, fields, strict=True)):
        target = torch.from_numpy(layers(bits, numbers)).float()[None]
        grid = tuple(image.shape[1:])
        around = np.argwhere(bits) if grid != size and place % 2 == 0 else np.zeros((0, bits.ndim), np.int64)
        start = window_start(grid, size, bits.shape, around, draws)
        where = (slice(None), *(slice(s, s + length) for s, length in zip(start, size, strict=True)))
        seen.append(image[where])
        wanted.append(resize(target, grid)[0][where])
    return torch.stack(seen), torch.stack(wanted).to(images.device)


def window_start(
    grid: tuple[int, ...],
    size: tuple[int, ...],
    stored: tuple[int, ...],
    lesion: Int[ndarray, "pixels axes"],
    draws: np.random.Generator,
) -> list[int]:
    """The first corner of a window that lies inside ``grid``: around a drawn lesion pixel, else anywhere."""
    room = [whole - part for whole, part in zip(grid, size, strict=True)]
    if not len(lesion):
        return [int(draws.integers(0, free + 1)) for free in room]
    pixel = lesion[int(draws.integers(len(lesion)))]
    centre = [int(p * g / s) for p, g, s in zip(pixel, grid, stored, strict=True)]
    return [min(max(c - part // 2, 0), free) for c, part, free in zip(centre, size, room, strict=True)]
