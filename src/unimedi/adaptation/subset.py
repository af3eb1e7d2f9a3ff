"""A share of the labelled studies, drawn so that every finding keeps its positives."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

Labels = Mapping[str, Float[ndarray, "studies"]]  # 1, 0, or NaN where unknown
Scores = dict[str, Float[ndarray, "studies"]]


def stratified_subset(labels: Labels, count: int, seed: int) -> Int[ndarray, "chosen"]:
    """``count`` study numbers, drawn so that each finding keeps its share of positives (2 at least, while they last).

    From the rarest finding to the commonest its quota is filled at random from the studies not yet taken; the rest is
    drawn at random from all others (after Sechidis et al. 2011, in one pass).
    """
    total = len(next(iter(labels.values())))
    if count >= total:
        return np.arange(total)
    generator = np.random.default_rng(seed)
    taken = np.zeros(total, dtype=bool)
    positives = {name: values == 1 for name, values in labels.items()}
    for name in sorted(positives, key=lambda name: (int(positives[name].sum()), name)):
        here = positives[name]
        quota = max(2, round(count * here.sum() / total))
        free = generator.permutation(np.flatnonzero(here & ~taken))
        missing = min(quota - int((here & taken).sum()), count - int(taken.sum()))
        taken[free[: max(0, missing)]] = True
    normal = np.all([~here for here in positives.values()], axis=0)
    for pool, quota in ((normal & ~taken, round(count * normal.sum() / total)), (~taken, total)):
        free = generator.permutation(np.flatnonzero(pool & ~taken))
        taken[free[: min(quota, count - int(taken.sum()))]] = True
    return np.flatnonzero(taken)
