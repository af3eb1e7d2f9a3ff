"""Rows that keep us honest: an untrained encoder, plain statistics of pixels, selectors without any network."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int16
from numpy import ndarray
from sklearn.decomposition import PCA

from unimedi.inputs.store import Store
from unimedi.model.unimedi import UniMediModel
from unimedi.transfer.metrics import NotComputable
from unimedi.transfer.slices.outcome import lesion_extent

PCA_COMPONENTS = 64
PCA_2D, PCA_3D = (64, 64), (16, 32, 32)  # pixels are averaged down to this before PCA: its cost, and less noise
NORMAL_VOLUMES = 200  # training volumes behind the mean and deviation of the brightest anomalous patch


def untrained(model: UniMediModel, seed: int) -> UniMediModel:
    """The same architecture with fresh random weights.

    The mean images (statistics of the training pixels, not learnt by any loss) are kept: what differs is learning.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = UniMediModel(model.config)
    means = {name: value for name, value in model.state_dict().items() if name.startswith("vision.mean_")}
    fresh.load_state_dict(fresh.state_dict() | means)
    fresh.to(model.device)
    fresh.eval()
    return fresh


def pixel_features(store: Store, parts: Sequence[Sequence[int]], seed: int = 0) -> list[Float[ndarray, "n components"]]:
    """PCA of down-averaged pixels, fitted on the first part (training), for every part; no network, no labels."""
    rows = [np.stack([_small(store, i) for i in part]) for part in parts]
    components = min(PCA_COMPONENTS, len(rows[0]) - 1, rows[0].shape[1])
    if components < 1:
        raise NotComputable("PCA needs at least two training studies")
    pca = PCA(components, svd_solver="randomized", random_state=seed).fit(rows[0])
    return [pca.transform(part).astype(np.float64) for part in rows]


def prior_scores(
    store: Store, indices: Sequence[int], slab_count: int, volumes: int, focal: Sequence[str]
) -> Float[ndarray, "volumes slabs"]:
    """How often a focal lesion touches each slab in the masked studies ``indices``, the same for every volume.

    Raises NotComputable where none of them has a focal mask.
    """
    extent = lesion_extent(store, [i for i in indices if store.studies[i].has_mask], focal)
    there = extent.planes.any(axis=1)
    if not there.any():
        raise NotComputable("no volume to learn from has a mask of a focal lesion")
    frequency = extent.slabs(slab_count)[there].mean(axis=0)
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


def fine_volumes(store: Store, indices: Sequence[int], batch: int) -> Iterator[Int16[torch.Tensor, "n depth h w"]]:
    """Stored volumes in HU, ``batch`` at a time."""
    for start in range(0, len(indices), batch):
        yield torch.from_numpy(np.stack([store.pixels(i) for i in indices[start : start + batch]]))


def _volumes(store: Store, indices: Sequence[int], batch: int) -> Iterator[Float[torch.Tensor, "n d h w"]]:
    for fine in fine_volumes(store, indices, batch):
        yield store.preprocess.volumes(fine)[:, 0].float()


def _small(store: Store, index: int) -> Float[ndarray, "features"]:
    pixels = torch.from_numpy(store.pixels(index)).float()
    if pixels.ndim == 3:
        low, high = store.preprocess.hu_window
        pixels = pixels.clamp(low, high)
        small = torch.nn.functional.adaptive_avg_pool3d(pixels[None, None], PCA_3D)
    else:
        small = torch.nn.functional.adaptive_avg_pool2d(pixels[None, None], PCA_2D)
    return np.asarray(small.flatten().numpy())
