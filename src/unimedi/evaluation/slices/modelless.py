"""Selectors without a network: where lesions use to lie, the brightest anomalous patch, the brightest voxel."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage
from torch import Tensor

from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.slices.lesions import connected_lesions
from unimedi.evaluation.slices.scores import Scoring, fine_volumes
from unimedi.evaluation.slices.slabs import touched_slabs
from unimedi.imaging.intensity import AIR_HU
from unimedi.imaging.resample import shrink
from unimedi.inputs.labels import subsample
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import Store
from unimedi.metrics.checks import NotComputable

NORMAL_VOLUMES = 200  # training volumes behind the mean and deviation of the brightest anomalous patch
BODY_HU = -500.0  # between air and soft tissue


def modelless_scores(
    store: Store, indices: Sequence[int], grid: tuple[int, int, int], options: EvaluationOptions, notes: list[str]
) -> dict[str, Float[ndarray, "volumes slabs"]]:
    """``intensity`` and ``prior``, which learn from the store without a network; a note where one cannot."""
    scores = {}
    train = store.select(split="train", image_kind="ct")
    if train:
        reference = subsample(train, NORMAL_VOLUMES, options.seed)
        scores["intensity"] = intensity_scores(store, reference, indices, grid)
    else:
        notes.append("slice selection, intensity: no training volume to learn what is usual from")
    try:
        scores["prior"] = _prior(store, grid[0], indices, options, notes)
    except NotComputable as reason:
        notes.append(f"slice selection, prior: {reason}")
    return scores


def _prior(
    store: Store, slabs: int, tested: Sequence[int], options: EvaluationOptions, notes: list[str]
) -> Float[ndarray, "volumes slabs"]:
    known = set(tested)
    for split in ("train", "validation"):
        learnt = [i for i in store.select(split=split, image_kind="ct") if i not in known]
        try:
            scores = prior_scores(store, learnt, slabs, len(tested), options.focal)
        except NotComputable:
            continue
        if split == "validation":
            notes.append("slice selection, prior: from the validation split, as no training volume has a mask")
        return scores
    raise NotComputable("no training volume has a mask of a focal lesion, and no validation volume that is not tested")


def prior_scores(
    store: Store, indices: Sequence[int], slab_count: int, volumes: int, focal: Sequence[str]
) -> Float[ndarray, "volumes slabs"]:
    """How often a focal lesion touches each slab in the masked studies ``indices``, the same for every volume.

    Raises NotComputable where none of them has a focal mask.
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
    for fine in fine_volumes(store, indices, batch):
        yield store.preprocess.volumes(fine)[:, 0].float()


def brightest(preprocess: Preprocess, slabs: int) -> Scoring:
    """``brightest``: the highest HU inside the body in each slab, at T_3D's resolution and before its window."""

    def scoring(fine: Tensor, rows: slice) -> dict[str, Tensor]:
        hu = shrink(fine, preprocess.volume_shape)
        inside = torch.from_numpy(np.stack([body(volume) for volume in hu.cpu().numpy()])).to(hu.device)
        peaks = hu.masked_fill(~inside, float(AIR_HU)).unflatten(1, (slabs, -1)).flatten(2).amax(-1)
        return {"brightest": peaks}

    return scoring


def body(hu: Float[ndarray, "depth height width"]) -> Bool[ndarray, "depth height width"]:
    """Voxels inside the body: the largest piece above -500 HU, the holes of its axial planes (lungs) filled."""
    pieces, count = ndimage.label(hu > BODY_HU)
    if count == 0:
        return np.zeros(hu.shape, dtype=bool)
    largest = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    return np.stack([ndimage.binary_fill_holes(plane) for plane in largest])
