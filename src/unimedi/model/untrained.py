"""A reference: the same architecture with random weights."""

import torch

from unimedi.model.unimedi import UniMediModel


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
