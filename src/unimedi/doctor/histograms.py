"""The doctor's histograms, as PNG bytes."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt

from unimedi.doctor.chest import LEAST_LUNGS
from unimedi.doctor.geometry import END, SHORT, THICK
from unimedi.doctor.hu import AIR, LEAST_SOLID, TISSUE
from unimedi.doctor.orientation import DECIDED
from unimedi.doctor.study_summary import StudySummary
from unimedi.reporting.plots import BLUE, GREY, STYLE, png

Bounds = tuple[float | None, float | None]
Panel = tuple[Sequence[float], str, str, Bounds]  # values, title, unit, what a sound study keeps to (None: no bound)
MEASURES: dict[str, tuple[str, str, Bounds]] = {
    "air": ("air peak", "HU", AIR),
    "tissue": ("soft tissue peak", "HU", TISSUE),
    "solid": ("voxels above -500 HU", "share", (LEAST_SOLID, None)),
    "head": ("head is up", "score", (-DECIDED, None)),
    "back": ("back is behind", "score", (-DECIDED, None)),
    "left": ("left is on the left", "score", (-DECIDED, None)),
    "at_feet": ("lung in the lowest plane", "share", (None, END)),
    "at_head": ("lung in the highest plane", "share", (None, END)),
    "lungs": ("lungs", "ml", (LEAST_LUNGS, None)),
}


def measure_histograms(studies: Sequence[StudySummary]) -> bytes | None:
    """A small histogram for each measure of the CTs, its bounds dotted; None without CTs."""
    values = {name: [s.measures[name] for s in studies if name in s.measures] for name in MEASURES}
    values = {name: found for name, found in values.items() if found}
    return _grid([(found, *MEASURES[name]) for name, found in values.items()]) if values else None


def size_histograms(studies: Sequence[StudySummary]) -> bytes | None:
    """Words of the reports, and spacing and size of the images by dimension."""
    words = [float(one.words) for one in studies if one.report]
    panels: list[Panel] = [(words, "report", "words", (None, None))]
    for ndim, name in ((2, "X-ray"), (3, "CT")):
        here = [one for one in studies if len(one.shape) == ndim]
        spaced = [one for one in here if one.spacing]
        panels.append(([float(one.shape[-1]) for one in here], f"{name}: width", "pixels", (None, None)))
        panels.append(([one.spacing[-1] for one in spaced], f"{name}: pixel", "mm", (None, None)))
        if ndim == 3:
            height = [one.spacing[0] * one.shape[0] for one in spaced]
            panels.append(([one.spacing[0] for one in spaced], f"{name}: slice to slice", "mm", (None, THICK)))
            panels.append((height, f"{name}: feet to head", "mm", (SHORT, None)))
    filled = [panel for panel in panels if panel[0]]
    return _grid(filled) if filled else None


def _grid(panels: Sequence[Panel], across: int = 3) -> bytes:
    rows = -(-len(panels) // across)
    with plt.rc_context(STYLE):
        plot, axes = plt.subplots(rows, across, figsize=(9, 1.9 * rows), squeeze=False)
        for axis in axes.flat[len(panels) :]:
            axis.axis("off")
        for axis, (values, title, unit, bounds) in zip(axes.flat, panels, strict=False):
            axis.hist(np.asarray(values, np.float64), bins=40, color=BLUE, alpha=0.75)
            for bound in bounds:
                if bound is not None:
                    axis.axvline(bound, color=GREY, linestyle=":", linewidth=1)
            axis.set(title=title, xlabel=unit, ylabel="studies")
        plot.tight_layout()
        return png(plot)
