"""The picture of ``unimedi slice-eval``: hit rate by the number of slices, and by how far a lesion reaches in depth."""

import math

import numpy as np
from matplotlib import pyplot as plt

from unimedi.evaluation.slices.lesions import SIZE_BANDS_MM
from unimedi.metrics.measurement import Measurement, Measurements
from unimedi.reporting.plots import BLUE, GREEN, GREY, ORANGE, RED, SKY, STYLE, png

# Selector → (name, colour, line); Okabe and Ito's colours. References without a network are dashed.
LINES = {
    "oracle": ("oracle (knows the mask)", GREY, "-"),
    "prior": ("lesion frequency by depth", GREEN, "--"),
    "centre": ("centre", ORANGE, "--"),
    "intensity": ("brightest anomalous patch", RED, "--"),
    "attentive": ("attentive", BLUE, "-"),
    "untrained": ("untrained encoder", SKY, "-"),
    "random": ("random", "#4a4a4a", ":"),
}
_BAND_WORDS = {"under_10mm": "under 10 mm", "10_to_30mm": "10 to 30 mm", "from_30mm": "30 mm and more"}


def selection_picture(measurements: Measurements) -> bytes:
    """Two panels as PNG: hit@k against k, hit@1 by lesion extent; every point with its 95 % interval."""
    rows = measurements.select(task="slice_selection", minus="", finding="").values()
    hits = {(row.method, row.metric, row.size): row for row in rows}
    shown = [name for name in LINES if (name, "hit@1", "") in hits]
    budgets = [k for k in range(1, 65) if ("attentive", f"hit@{k}", "") in hits]
    bands = [band for band in SIZE_BANDS_MM if ("attentive", "hit@1", band) in hits]
    with plt.rc_context(STYLE):
        plot, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, width_ratios=[1, 1.2])
        for number, name in enumerate(shown):
            aside = (number - (len(shown) - 1) / 2) / len(shown)  # neighbours do not hide each other's intervals
            by_k = [hits[name, f"hit@{k}", ""] for k in budgets]
            _points(left, np.arange(len(budgets)) + 0.3 * aside, by_k, name, joined=True)
            by_band = [hits[name, "hit@1", band] for band in bands]
            _points(right, np.arange(len(bands)) + 0.7 * aside, by_band, name, joined=False)
        left.set_xticks(range(len(budgets)), [str(k) for k in budgets])
        left.set(xlabel="k, slices looked at", ylabel="share of volumes whose lesion is shown", ylim=(0, 1.02))
        left.set_title("hit@k")
        words = [f"{_BAND_WORDS[band]}\n{hits['attentive', 'hit@1', band].n} volumes" for band in bands]
        right.set_xticks(range(len(bands)), words)
        right.set(xlabel="depth extent of the lesion")
        right.set_title("hit@1 by lesion size")
        for axis in (left, right):
            axis.grid(axis="y", color="#e6e9ec")
            axis.set_axisbelow(True)
        right.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        return png(plot)


def _points(axis: plt.Axes, places: np.ndarray, found: list[Measurement], name: str, joined: bool) -> None:
    words, colour, line = LINES[name]
    values = np.array([one.value for one in found])
    # An interval of the bootstrap's quantiles may leave the value itself out by a hair; a length is never negative.
    spread = [(max(f.value - f.low, 0), max(f.high - f.value, 0)) if math.isfinite(f.low) else (0, 0) for f in found]
    axis.errorbar(
        places,
        values,
        yerr=np.array(spread).T,
        color=colour,
        marker="o",
        markersize=5 if name == "attentive" else 3.5,
        linestyle=line if joined else "none",
        linewidth=2 if name == "attentive" else 1.2,
        label=words,
    )
