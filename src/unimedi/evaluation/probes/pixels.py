"""A reference without any network: plain statistics of pixels."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from sklearn.decomposition import PCA

from unimedi.inputs.store import Store
from unimedi.metrics.checks import NotComputable

PCA_COMPONENTS = 64
PCA_2D, PCA_3D = (64, 64), (16, 32, 32)  # pixels are averaged down to this before PCA: its cost, and less noise


def pixel_features(store: Store, parts: Sequence[Sequence[int]], seed: int = 0) -> list[Float[ndarray, "n components"]]:
    """PCA of down-averaged pixels, fitted on the first part (training), for every part; no network, no labels."""
    rows = [np.stack([_small(store, i) for i in part]) for part in parts]
    components = min(PCA_COMPONENTS, len(rows[0]) - 1, rows[0].shape[1])
    if components < 1:
        raise NotComputable("PCA needs at least two training studies")
    pca = PCA(components, svd_solver="randomized", random_state=seed).fit(rows[0])
    return [pca.transform(part).astype(np.float64) for part in rows]


def _small(store: Store, index: int) -> Float[ndarray, "features"]:
    pixels = torch.from_numpy(store.pixels(index)).float()
    if pixels.ndim == 3:
        low, high = store.preprocess.hu_window
        pixels = pixels.clamp(low, high)
        small = torch.nn.functional.adaptive_avg_pool3d(pixels[None, None], PCA_3D)
    else:
        small = torch.nn.functional.adaptive_avg_pool2d(pixels[None, None], PCA_2D)
    return np.asarray(small.flatten().numpy())
