"""Whether chosen planes show things that no report mentions, more often than chance would.

A store may have masks of such harmless things, named ``distractor``: ``unimedi phantom`` writes them. Who looks for
whatever is bright shows them; who was taught by reports has no reason to.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from unimedi.evaluation.slices.choices import Scores, choices, oracle_scores
from unimedi.evaluation.slices.lesions import Lesions, connected_lesions
from unimedi.evaluation.slices.measurements import OURS, TASK, means_and_differences
from unimedi.evaluation.slices.measures import aggregate, expected_at_random
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.measurement import Measurements
from unimedi.phantom.painting.distractors import DISTRACTOR

INNOCENTS = "innocents@1"


def distractor_measurements(
    store: Store, indices: Sequence[int], scored: Scores, lesions: Lesions, bootstrap: PatientBootstrap
) -> Measurements:
    """``innocents@1``: how often the middle plane of a selector's first slab shows a distractor, where there is any.

    Args:
        store: the store that holds the volumes.
        indices: their places in the store.
        scored: selector → scores of their slabs; ``attentive`` must be among them.
        lesions: the focal lesions of the same volumes, in the same order.
        bootstrap: resamples of their patients.

    Returns:
        The share of the volumes with a distractor, of each selector, of ``random`` the expectation, of ``oracle`` the
        expectation over the slabs that show a lesion; and attentive minus each other, paired by patient; all of the
        task ``slice_selection``. Empty where there are no such masks.
    """
    planes = connected_lesions(store, indices, (DISTRACTOR,)).planes()
    there = planes.any(axis=1)
    if not there.any():
        return Measurements()
    slab_count = scored[OURS].shape[1]
    shown, lesion = oracle_scores(planes, slab_count), oracle_scores(lesions.planes(), slab_count)
    values = {"random": expected_at_random(shown, 1), "oracle": _among(shown, lesion)}
    values |= {name: aggregate(shown, slabs) for name, slabs in choices(scored, 1).items()}
    known = {name: np.where(there, each, np.nan) for name, each in values.items()}
    return Measurements(means_and_differences(known, INNOCENTS, bootstrap)).named(task=TASK)


def _among(
    shown: Float[ndarray, "volumes slabs"], lesion: Float[ndarray, "volumes slabs"]
) -> Float[ndarray, "volumes"]:
    """The mean over a volume's slabs that show a lesion; NaN where none does."""
    found = lesion.sum(axis=1)
    mean: Float[ndarray, volumes] = (shown * lesion).sum(axis=1) / np.where(found > 0, found, np.nan)
    return mean
