"""An explanation as pictures: a map over the image beside the plain image, and the strip of slab scores.

Each has the proportions of the body and the patient's right on the viewer's left. Orange and blue, and the scale of
attention, are told apart by colour-blind readers too.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.colors import Colormap, LinearSegmentedColormap
from numpy import ndarray

from unimedi.cohort.study import Modality
from unimedi.evaluation.examples.pictures import lung_grey, radiograph_grey
from unimedi.explanation.explain import Explanation
from unimedi.imaging.image import Radiograph
from unimedi.imaging.intensity import robust_range
from unimedi.reporting.plots import BLUE, ORANGE, SKY, STYLE, png

WARNING = "research use, not for diagnosis"
WIDEST, PANEL = 10.0, 3.4  # inches: of a picture, of a panel
LINE, NAME, FOOT, BAR = 0.19, 0.22, 0.36, 0.95  # inches: of a line of the sentence, name of a panel, foot, colour bar
GAP = 0.08  # inches between panels
IN_A_ROW = 8  # slabs
LETTERS = 80  # of a line
FOR_AND_AGAINST = LinearSegmentedColormap.from_list("for_and_against", [BLUE, SKY, "#f4f4f4", ORANGE, "#ffd000"])
FAINT, OPAQUE = 0.12, 0.7  # shares of the strongest value: below the first nothing is drawn; the most that is covered


@dataclass(frozen=True)
class _Style:
    """How a map is coloured: its scale, and how much of the image it covers."""

    colours: Colormap
    low: float
    high: float
    label: str

    def opacity(self, values: Float[ndarray, "rows columns"]) -> Float[ndarray, "rows columns"]:
        """What is weak beside the strongest value leaves the image as it is."""
        return np.asarray(np.clip((np.abs(values) / self.high - FAINT) * 1.3, 0, OPAQUE))


def attention_picture(explanation: Explanation, own: Float[ndarray, "*size"]) -> bytes:
    """Attention over the image as PNG; ``own`` is the map in the image's own grid."""
    head = "Attention of [CLS]: where the model looks, whatever is asked"
    style = _Style(colormaps["inferno"], 0.0, float(own.max()), "multiples of the mean")
    return _picture(explanation, own, head, style, explanation.attention.shape)


def text_picture(explanation: Explanation, number: int, own: Float[ndarray, "*size"]) -> bytes:
    """The map of sentence ``number`` over the image as PNG; ``own`` is the map in the image's own grid."""
    sentence, cosine = explanation.texts[number], explanation.similarity[number]
    head = f"“{textwrap.shorten(' '.join(sentence.split()), 2 * LETTERS)}”  cosine {cosine:.2f}"
    most = max(float(np.abs(own).max()), 1e-9)
    style = _Style(FOR_AND_AGAINST, -most, most, "cosine: against (blue), for (orange)")
    return _picture(explanation, own, head, style, explanation.relevance.shape[1:])


def slab_picture(explanation: Explanation) -> bytes:
    """The middle plane of each slab, from the feet on, with its score; those of chosen planes are framed."""
    scores = explanation.slab_scores
    assert scores is not None
    slabs, mean = len(scores), scores.mean()
    chosen = () if explanation.planes is None else explanation.planes * slabs // explanation.preprocess.hires_shape[0]
    rows = -(-slabs // IN_A_ROW)
    middles = [explanation.own_plane((slab + 0.5) / slabs) for slab in range(slabs)]
    height, width = _size_mm(explanation)
    side = WIDEST / IN_A_ROW
    head = _lines("Scores of the slabs; orange: the model reads a slice of these in full resolution", WIDEST)
    tall = rows * (side * height / width + NAME) + 1.6 + _tall(head) + FOOT
    with plt.rc_context(STYLE | {"savefig.bbox": "standard"}):
        plot = plt.figure(figsize=(WIDEST, tall))
        for slab, plane in enumerate(middles):
            row, column = divmod(slab, IN_A_ROW)
            bottom = tall - _tall(head) - (row + 1) * (side * height / width + NAME)
            box = (column * side + 0.03, bottom, side - 0.06, (side - 0.06) * height / width)
            axis = _axes(plot, box)
            _show(axis, explanation, _grey(explanation, plane))
            taken = slab in chosen
            axis.set_title(f"slab {slab + 1}", fontsize=8, pad=2, color="black", fontweight="bold" if taken else None)
            if taken:
                _frame(axis)
        curve = _axes(plot, (0.6, FOOT + 0.28, WIDEST - 0.8, 1.1))
        colours = [ORANGE if slab in chosen else BLUE for slab in range(slabs)]
        curve.bar(np.arange(1, slabs + 1), scores / mean, color=colours, width=0.7)
        curve.axhline(1, color="#4a4a4a", linestyle=":", linewidth=1)
        curve.set(xlim=(0.5, slabs + 0.5), xticks=range(1, slabs + 1), ylabel="score / mean")
        curve.set_xlabel("slab, from the feet (1) to the head", fontsize=8, labelpad=1)
        curve.tick_params(labelsize=7)
        _words(plot, head, WARNING)
        return png(plot)


def _picture(
    explanation: Explanation, own: Float[ndarray, "*size"], head: str, style: _Style, grid: Sequence[int]
) -> bytes:
    """Plain panels, and the same with the map: side by side for an X-ray, below each other for planes of a CT."""
    flat = isinstance(explanation.image, Radiograph)
    planes = [] if flat else _planes(explanation, own)
    shown = {"": (_grey(explanation, None), own)} if flat else {
        name: (_grey(explanation, plane), own[plane]) for plane, name in planes
    }  # fmt: skip
    height, width = _size_mm(explanation)
    columns, rows = (2, 1) if flat else (len(shown), 2)
    wide = min(PANEL, (WIDEST - BAR) / columns)
    high = wide * height / width
    whole = max(columns * wide + BAR, 6.4)
    head = _lines(head, whole)
    top = _tall(head) + (0 if flat else NAME)
    size = (whole, top + rows * (high + GAP) + FOOT)
    with plt.rc_context(STYLE | {"savefig.bbox": "standard"}):
        plot = plt.figure(figsize=size)
        for number, (name, (grey, values)) in enumerate(shown.items()):
            for overlaid in (False, True):
                row, column = (0, int(overlaid)) if flat else (int(overlaid), number)
                bottom = size[1] - top - row * (high + GAP) - high
                axis = _axes(plot, (column * wide + GAP / 2, bottom, wide - GAP, high - GAP * high / wide))
                _show(axis, explanation, grey)
                if overlaid:
                    _overlay(axis, explanation, values, style)
                axis.set_title("" if overlaid or flat else name, fontsize=8, loc="left", pad=3)
        _bar(plot, style, (columns * wide + 0.12, FOOT + 0.1, 0.12, size[1] - top - FOOT - 0.2))
        _words(plot, head, f"{WARNING} · each place is {_place(explanation, grid)}, the map is smooth between")
        return png(plot)


def _planes(explanation: Explanation, own: Float[ndarray, "depth height width"]) -> list[tuple[int, str]]:
    """The chosen planes and the one where the map is highest, from the feet on, with their names."""
    count, highest = len(own), int(np.unravel_index(int(own.argmax()), own.shape)[0])
    chosen = explanation.own_planes
    why = dict.fromkeys(chosen, "chosen")
    why[highest] = f"{why[highest]}, highest" if highest in why else "highest"
    return [(plane, f"plane {plane + 1} of {count}: {why[plane]}") for plane in sorted(why)]


def _grey(explanation: Explanation, plane: int | None) -> UInt8[ndarray, "height width"]:
    """The radiograph (None), or a plane of the volume, as 0 to 255."""
    image = explanation.image
    if plane is None:
        return radiograph_grey(robust_range(np.asarray(image.array, np.float32)))
    if image.modality == Modality.MR:
        return radiograph_grey(robust_range(image.array[plane].astype(np.float32)))
    return lung_grey(image.array[plane])


def _size_mm(explanation: Explanation) -> tuple[float, float]:
    """Height and width of the picture; of a radiograph without spacing in widths of its pixels."""
    image = explanation.image
    step = image.pixel if isinstance(image, Radiograph) else image.spacing[1:]
    return image.array.shape[-2] * step[0], image.array.shape[-1] * step[1]


def _place(explanation: Explanation, grid: Sequence[int]) -> str:
    """How large a cell of the map is."""
    preprocess = explanation.preprocess
    spacing = preprocess.stored_spacing(explanation.image)
    stored = preprocess.radiograph_size if len(grid) == 2 else preprocess.hires_shape
    if spacing is None:
        return f"one of {' x '.join(map(str, grid))}"
    sides = [f"{n * step / count:.0f}" for n, step, count in zip(stored, spacing, grid, strict=True)]
    return f"{' x '.join(sides)} mm"


def _axes(plot: plt.Figure, box: tuple[float, float, float, float]) -> plt.Axes:
    """Axes at (left, bottom, width, height) in inches."""
    wide, tall = plot.get_size_inches()
    left, bottom, width, height = box
    return plot.add_axes((left / wide, bottom / tall, width / wide, height / tall))


def _show(axis: plt.Axes, explanation: Explanation, grey: UInt8[ndarray, "height width"]) -> None:
    height, width = _size_mm(explanation)
    axis.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0), aspect="auto")
    axis.axis("off")
    if not isinstance(explanation.image, Radiograph):  # a picture of an X-ray does not say which side is which
        for place, side in ((0.02, "R"), (0.98, "L")):
            align = "left" if side == "R" else "right"
            axis.text(place, 0.97, side, color="white", fontsize=7, va="top", ha=align, transform=axis.transAxes)


def _overlay(axis: plt.Axes, explanation: Explanation, values: Float[ndarray, "height width"], style: _Style) -> None:
    height, width = _size_mm(explanation)
    axis.imshow(
        values, cmap=style.colours, alpha=style.opacity(values), vmin=style.low, vmax=style.high,
        extent=(0, width, height, 0), aspect="auto",
    )  # fmt: skip


def _bar(plot: plt.Figure, style: _Style, box: tuple[float, float, float, float]) -> None:
    axis = _axes(plot, box)
    scale = plt.cm.ScalarMappable(plt.Normalize(style.low, style.high), style.colours)
    plot.colorbar(scale, cax=axis).set_label(style.label, fontsize=7)
    axis.tick_params(labelsize=7)


def _lines(words: str, wide: float) -> str:
    return textwrap.fill(words, int(LETTERS * wide / 6.4))


def _tall(head: str) -> float:
    """Inches that the lines of the head take."""
    return LINE * (head.count("\n") + 1) + 0.14


def _words(plot: plt.Figure, head: str, foot: str) -> None:
    tall = plot.get_size_inches()[1]
    plot.text(0.012, 1 - 0.08 / tall, head, fontsize=9, va="top", fontweight="bold", parse_math=False)
    plot.text(0.012, 0.1 / tall, foot, fontsize=7.5, va="bottom", color="#4a4a4a")


def _frame(axis: plt.Axes) -> None:
    axis.add_patch(plt.Rectangle((0, 0), 1, 1, fill=False, edgecolor=ORANGE, linewidth=3, transform=axis.transAxes))
