"""Planes of a patient side by side, in millimetres: attention over the picture, true lesions outlined, slices marked.

What the network sees is squeezed into its grid and padded; here every panel has the proportions of the body, and all
panels of a row have one scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib import pyplot as plt
from numpy import ndarray

from unimedi.reporting.curves import GREEN, ORANGE, STYLE, png

FAINT, BRIGHT = 0.8, 3.0  # multiples of the mean attention: below the first nothing is drawn, the second is brightest
BAR = 50.0  # mm
GAP, HEAD = 10.0, 0.22  # mm between panels; inches above them for the names

Box = tuple[slice, slice]


@dataclass(frozen=True)
class Plane:
    """One panel. ``spacing`` is mm a pixel (rows, columns); ``box`` the rows and columns that are no padding.

    ``attention`` covers the whole of ``pixels``, however coarse its grid, in multiples of the mean over the image.
    ``marks`` are rows (in pixels) across which a line is drawn. ``upwards``: row 0 is at the feet, so at the bottom.
    """

    pixels: Float[ndarray, "rows columns"]  # 0..1
    spacing: tuple[float, float]
    box: Box
    name: str = ""
    attention: Float[ndarray, "patch_rows patch_columns"] | None = None
    outline: Bool[ndarray, "rows columns"] | None = None
    marks: tuple[float, ...] = ()
    upwards: bool = False

    @property
    def size(self) -> tuple[float, float]:
        """Height and width of what is shown, mm."""
        rows, columns = ((part.stop - part.start) * step for part, step in zip(self.box, self.spacing, strict=True))
        return rows, columns


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


def content(pixels: ndarray, ground: int) -> Box:
    """Rows and columns (the last two axes of a stored array) that are not ``ground`` from edge to edge."""
    there = np.asarray(np.reshape(pixels != ground, (-1, *pixels.shape[-2:])).any(axis=0))
    if not there.any():
        return slice(0, pixels.shape[-2]), slice(0, pixels.shape[-1])
    first, second = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    return slice(int(first[0]), int(first[-1]) + 1), slice(int(second[0]), int(second[-1]) + 1)


def _draw(axis: plt.Axes, plane: Plane) -> None:
    rows, columns = (n * step for n, step in zip(plane.pixels.shape, plane.spacing, strict=True))
    extent = (0.0, columns, 0.0, rows) if plane.upwards else (0.0, columns, rows, 0.0)
    origin = "lower" if plane.upwards else "upper"
    axis.imshow(plane.pixels, cmap="gray", vmin=0, vmax=1, extent=extent, origin=origin)
    if plane.attention is not None:
        opacity = np.clip((plane.attention - FAINT) / 2, 0, 0.65)  # little attention leaves the picture as it is
        axis.imshow(plane.attention, cmap="inferno", alpha=opacity, vmin=0, vmax=BRIGHT, extent=extent, origin=origin)
    if plane.outline is not None and plane.outline.any():
        at = [(np.arange(n) + 0.5) * step for n, step in zip(plane.outline.shape, plane.spacing, strict=True)]
        axis.contour(at[1], at[0], plane.outline.astype(float), [0.5], colors=GREEN, linewidths=1.1)
    for row in plane.marks:
        axis.axhline(row * plane.spacing[0], color=ORANGE, linewidth=0.8, alpha=0.9)
    top, bottom, first, last = (
        edge * step for part, step in zip(plane.box, plane.spacing, strict=True) for edge in (part.start, part.stop)
    )
    axis.set(xlim=(first, last), ylim=(top, bottom) if plane.upwards else (bottom, top), aspect="auto")
    axis.set_title(plane.name, fontsize=8, loc="left", pad=3)
    axis.axis("off")


def _bar(axis: plt.Axes, plane: Plane) -> None:
    share = BAR / plane.size[1]
    if share < 0.9:
        axis.plot([0.03, 0.03 + share], [0.03, 0.03], color="white", linewidth=2.5, transform=axis.transAxes)
        axis.text(0.03, 0.05, "50 mm", color="white", fontsize=7, transform=axis.transAxes)
