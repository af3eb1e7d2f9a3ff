"""Scores without a network: where lesions usually lie, the brightest anomalous patch, the brightest voxel."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage
from torch import Tensor

from unimedi.evaluation.slices.choices import touched_slabs
from unimedi.evaluation.slices.lesions import connected_lesions
from unimedi.evaluation.slices.scores import Scoring, read_volumes
from unimedi.imaging.intensity import AIR_HU
from unimedi.imaging.resample import downsample
from unimedi.inputs.labels import subsample
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import Store
from unimedi.metrics.checks import NotComputable

NORMAL_VOLUMES = 200  # training volumes behind the mean and deviation of the brightest anomalous patch
BODY_HU = -500.0  # between air and soft tissue


def baseline_scores(
    store: Store, indices: Sequence[int], grid: tuple[int, int, int], focal: Sequence[str], seed: int
) -> tuple[dict[str, Float[ndarray, "volumes slabs"]], list[str]]:
    """Scores that need no network, learnt from the store: ``intensity`` and ``prior``.

    Args:
        store: where the volumes ``indices`` are that are scored, and those that are learnt from.
        indices: places in the store.
        grid: the T_3D grid (depth, height, width) in tokens.
        focal: findings whose lesions count.
        seed: which training volumes say what is usual.

    Returns:
        The scores by name, and a note for each of the two that this store cannot give.
    """
    scores, notes = dict[str, Float[ndarray, "volumes slabs"]](), list[str]()
    train = store.select(split="train", image_kind="ct")
    if train:
        reference = subsample(train, NORMAL_VOLUMES, seed)
        scores["intensity"] = intensity_scores(store, reference, indices, grid)
    else:
        notes.append("slice selection, intensity: no training volume to learn what is usual from")
    tested = set(indices)
    for split in ("train", "validation"):
        others = [i for i in store.select(split=split, image_kind="ct") if i not in tested]
        try:
            scores["prior"] = prior_scores(store, others, grid[0], len(indices), focal)
        except NotComputable:
            continue
        if split == "validation":
            notes.append("slice selection, prior: from the validation split, as no training volume has a mask")
        break
    else:
        notes.append(
            "slice selection, prior: no training volume has a mask of a focal lesion, and no validation volume that is "
            "not tested"
        )
    return scores, notes


def prior_scores(
    store: Store, indices: Sequence[int], slab_count: int, volumes: int, focal: Sequence[str]
) -> Float[ndarray, "volumes slabs"]:
    """How often a focal lesion touches each slab in the masked studies ``indices``, the same for every volume.

    Raises:
        NotComputable: none of them has a focal mask.
    """
    planes = connected_lesions(store, [i for i in indices if store.studies[i].has_mask], focal).planes()
    there = planes.any(axis=1)
    if not there.any():
        raise NotComputable("no volume to learn from has a mask of a focal lesion")
    frequency = touched_slabs(planes, slab_count)[there].mean(axis=0)
    return np.tile(frequency, (volumes, 1))


def intensity_scores(
    store: Store, reference: Sequence[int], indices: Sequence[int], grid: tuple[int, int, int], batch: int = 8
) -> Float[ndarray, "volumes slabs"]:
    """The brightest anomalous patch of each slab: no network, no report, no label.

    Volumes as T_3D sees them; z = (voxel - mean) / (SD + 0.1) per voxel over ``reference`` (training) volumes; averaged
    over each patch of ``grid`` (depth, height, width); the maximum over a slab's patches. 0.1 is 5 % of the window.
    """
    total = squares = torch.zeros(store.preprocess.volume_shape)
    for voxels in _volumes(store, reference, batch):
        total, squares = total + voxels.sum(0), squares + voxels.square().sum(0)
    mean = total / len(reference)
    deviation = (squares / len(reference) - mean.square()).clamp(min=0).sqrt()
    scores = []
    for voxels in _volumes(store, indices, batch):
        z = ((voxels - mean) / (deviation + 0.1))[:, None]
        patches = torch.nn.functional.adaptive_avg_pool3d(z, grid)[:, 0]
        scores.append(patches.flatten(2).amax(-1))
    return torch.cat(scores).double().numpy()


def _volumes(store: Store, indices: Sequence[int], batch: int) -> Iterator[Float[Tensor, "n d h w"]]:
    for hires in read_volumes(store, indices, batch):
        yield store.preprocess.volumes(hires)[:, 0].float()


def brightest(preprocess: Preprocess, slabs: int) -> Scoring:
    """``brightest``: the highest HU inside the body in each slab, at T_3D's resolution and before its window."""

    def scoring(hires: Tensor, rows: slice) -> dict[str, Tensor]:
        hu = downsample(hires, preprocess.volume_shape)
        inside = torch.from_numpy(np.stack([body(volume) for volume in hu.cpu().numpy()])).to(hu.device)
        peaks = hu.masked_fill(~inside, float(AIR_HU)).unflatten(1, (slabs, -1)).flatten(2).amax(-1)
        return {"brightest": peaks}

    return scoring


def body(hu: Float[ndarray, "depth height width"]) -> Bool[ndarray, "depth height width"]:
    """Voxels inside the body: the largest component above -500 HU, the holes of its axial planes (lungs) filled."""
    components, count = ndimage.label(hu > BODY_HU)
    if count == 0:
        return np.zeros(hu.shape, dtype=bool)
    largest = components == np.bincount(components.ravel())[1:].argmax() + 1
    return np.stack([ndimage.binary_fill_holes(plane) for plane in largest])
