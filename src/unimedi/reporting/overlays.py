"""Planes of a patient side by side, in millimetres: attention over the picture, true lesions outlined, slices marked.

What the network sees is squeezed into its grid and padded; here every panel has the proportions of the body, and all
panels of a row have one scale.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt

from unimedi.evaluation.record import Plane
from unimedi.reporting.plots import GREEN, ORANGE, STYLE, png

FAINT, BRIGHT = 0.8, 3.0  # multiples of the mean attention: below the first nothing is drawn, the second is brightest
BAR = 50.0  # mm
GAP, HEAD = 10.0, 0.22  # mm between panels; inches above them for the names


def in_millimetres(planes: Sequence[Plane], width: float = 9.0, bar: bool = True) -> bytes:
    """Panels from left to right at one scale, ``width`` inches together, as PNG; a bar of 50 mm in the first."""
    total = sum(plane.size[1] for plane in planes) + GAP * (len(planes) - 1)
    height = max(plane.size[0] for plane in planes)
    inch = width / total  # a millimetre
    tall = height * inch + HEAD
    with plt.rc_context(STYLE | {"savefig.bbox": "standard"}):
        plot = plt.figure(figsize=(width, tall))
        left = 0.0
        for plane in planes:
            rows, columns = plane.size
            bottom = (height - rows) * inch / tall  # heads level
            axis = plot.add_axes((left / total, bottom, columns / total, rows * inch / tall))
            _draw(axis, plane)
            if bar and left == 0.0:
                _bar(axis, plane)
            left += columns + GAP
        return png(plot)


def _draw(axis: plt.Axes, plane: Plane) -> None:
    rows, columns = (n * step for n, step in zip(plane.pixels.shape, plane.spacing, strict=True))
    extent = (0.0, columns, 0.0, rows) if plane.upwards else (0.0, columns, rows, 0.0)
    origin = "lower" if plane.upwards else "upper"
    axis.imshow(plane.pixels, cmap="gray", vmin=0, vmax=255, extent=extent, origin=origin)
    if plane.attention is not None:
        opacity = np.clip((plane.attention - FAINT) / 2, 0, 0.65)  # little attention leaves the picture as it is
        axis.imshow(plane.attention, cmap="inferno", alpha=opacity, vmin=0, vmax=BRIGHT, extent=extent, origin=origin)
    if plane.outline is not None and plane.outline.any():
        at = [(np.arange(n) + 0.5) * step for n, step in zip(plane.outline.shape, plane.spacing, strict=True)]
        axis.contour(at[1], at[0], plane.outline.astype(float), [0.5], colors=GREEN, linewidths=1.1)
    for row in plane.marks:
        axis.axhline(row * plane.spacing[0], color=ORANGE, linewidth=0.8, alpha=0.9)
    top, bottom, first, last = (
        edge * step for edges, step in zip(plane.box, plane.spacing, strict=True) for edge in edges
    )
    axis.set(xlim=(first, last), ylim=(top, bottom) if plane.upwards else (bottom, top), aspect="auto")
    axis.set_title(plane.name, fontsize=8, loc="left", pad=3)
    axis.axis("off")


def _bar(axis: plt.Axes, plane: Plane) -> None:
    share = BAR / plane.size[1]
    if share < 0.9:
        axis.plot([0.03, 0.03 + share], [0.03, 0.03], color="white", linewidth=2.5, transform=axis.transAxes)
        axis.text(0.03, 0.05, "50 mm", color="white", fontsize=7, transform=axis.transAxes)
