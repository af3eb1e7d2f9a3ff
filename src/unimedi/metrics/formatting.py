"""How an estimate is printed, and what is said of a difference."""

import math

from unimedi.metrics.bootstrap import Estimate

NOT_SIGNIFICANT = "not significant"


def three_decimals(value: float) -> str:
    """``0.123``, and never ``-0.000``."""
    return f"{round(value, 3) + 0.0:.3f}"


def with_interval(estimate: Estimate) -> str:
    """The value and, where there is one, its 95 % interval: ``0.712 (0.65–0.77)``."""
    between = " to " if estimate.low < 0 else "–"  # a dash would look like a minus
    spread = f" ({estimate.low:.2f}{between}{estimate.high:.2f})" if math.isfinite(estimate.low) else ""
    return three_decimals(estimate.value) + spread


def columns(estimate: Estimate) -> tuple[str, str, str]:
    """Value, 95 % interval and number of studies, each for a column of its own."""
    value = three_decimals(estimate.value) if math.isfinite(estimate.value) else "not defined"
    low, high = three_decimals(estimate.low), three_decimals(estimate.high)
    return value, f"{low} to {high}" if math.isfinite(estimate.low) else "", str(estimate.n)


def verdict(difference: Estimate) -> str:
    """``higher`` or ``lower`` (ours against the other), or ``not significant`` where the interval contains 0."""
    if not difference.significant:
        return NOT_SIGNIFICANT
    return "higher" if difference.value > 0 else "lower"
