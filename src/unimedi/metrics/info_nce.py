"""InfoNCE as a measure: how well images and reports that belong together find each other among all, in nats."""

from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.special import log_softmax

from unimedi.metrics.checks import refuse_not_finite


def info_nce(logits: Float[ndarray, "n n"], right: Bool[ndarray, "n n"]) -> float:
    """Image (row) to report (column) and back, the mean of both; ln n where nothing is known.

    Args:
        logits: similarities times the model's scale.
        right: which report is a right answer to which image; every row and column has one. The target is spread evenly
            over several.

    Raises:
        InputError: a logit is not finite.
    """
    refuse_not_finite(logits, "similarities", "image number {}".format)

    def one_way(scores: Float[ndarray, "n n"], target: Bool[ndarray, "n n"]) -> float:
        share = target / target.sum(axis=1, keepdims=True)
        return float(-(share * log_softmax(scores, axis=1)).sum(axis=1).mean())

    return (one_way(logits, right) + one_way(logits.T, right.T)) / 2
