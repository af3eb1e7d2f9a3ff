"""The pictures of the report, drawn by matplotlib without a display, each returned as PNG bytes.

Every function takes arrays; none reads a file. Colours are Okabe and Ito's, told apart by colour-blind readers too.
"""

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from unimedi.cohort.image_kind import ImageKind
from unimedi.evaluation.record import LOSSES, SpaceMap, Strip, Training
from unimedi.metrics.auroc import auroc
from unimedi.metrics.classification import BINS

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure as Plot

BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#9aa3ab"
PURPLE, SKY = "#cc79a7", "#56b4e9"
LINES = [(colour, stroke) for stroke in ("-", "--", ":") for colour in (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)]
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a939b",
    "axes.titlesize": 9,
    "figure.dpi": 110,
    "savefig.bbox": "tight",
}
GREYED = "several, or not known"  # what a map does not colour


def png(plot: Plot) -> bytes:
    """The figure as PNG; it is closed afterwards."""
    buffer = io.BytesIO()
    plot.savefig(buffer, format="png")
    plt.close(plot)
    return buffer.getvalue()


def grey_png(pixels: UInt8[ndarray, "height width"], width: int = 160) -> bytes:
    """A grey picture without axes, enlarged (bicubic) by the whole factor nearest to ``width`` pixels."""
    from PIL import Image

    image = Image.fromarray(pixels)
    factor = max(1, round(width / image.width))
    buffer = io.BytesIO()
    image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def loss_curves(training: Training) -> bytes | None:
    """Losses by step, raw and smoothed; beside them the measures of collapse. None where no loss was logged."""
    losses = [key for key in LOSSES if key in training.curves]
    health = [key for key in training.curves if key not in LOSSES]
    if not losses:
        return None
    with plt.rc_context(STYLE):
        plot, axes = plt.subplots(1, 2, figsize=(9, 2.9))
        for key, colour in zip(losses, (BLUE, ORANGE, GREEN), strict=False):
            _curve(axes[0], training, key, colour)
        axes[0].set(xlabel="step", ylabel="loss (nats)", title="losses")
        axes[0].legend(frameon=False, loc="upper right")
        for number, key in enumerate(health):
            _curve(axes[1], training, key, f"C{number}")
        axes[1].set(xlabel="step", title="measures of collapse", yscale="log")
        if health:
            axes[1].legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        return png(plot)


def _curve(axis: plt.Axes, training: Training, key: str, colour: str) -> None:
    steps, values = training.curves[key]
    window = max(1, min(len(values) // 20, 25))
    smooth = np.convolve(values, np.ones(window) / window, mode="valid")
    axis.plot(steps, values, color=colour, alpha=0.25, linewidth=0.7)
    axis.plot(steps[window - 1 :], smooth, color=colour, linewidth=1.5, label=key)


def intervals(
    rows: Sequence[tuple[str, float, float, float, bool]],
    chance: float | None,
    label: str,
    limits: tuple[float, float] | None = None,
) -> bytes:
    """A dot and its interval for each (name, value, low, high, is ours); a dotted line marks chance."""
    with plt.rc_context(STYLE):
        plot, axis = plt.subplots(figsize=(6.4, 0.27 * len(rows) + 0.8))
        for place, (_, value, low, high, ours) in enumerate(rows):
            colour = BLUE if ours else GREY
            if np.isfinite(low):
                axis.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axis.plot([value], [place], "o", color=colour, markersize=5)
        axis.set_yticks(range(len(rows)), [row[0] for row in rows])
        axis.invert_yaxis()
        axis.set(xlabel=label, xlim=limits)
        if chance is not None:
            axis.axvline(chance, color=GREY, linestyle=":", linewidth=1)
        axis.grid(axis="x", color="#e6e9ec")
        axis.set_axisbelow(True)
        return png(plot)


def roc_curves(findings: Mapping[str, tuple[Float[ndarray, "_"], Bool[ndarray, "_"]]]) -> bytes:
    """Sensitivity by false alarms over all thresholds, and the AUROC in the legend; chance is the dotted diagonal.

    A name → (scores, whether present) of the studies whose label is known; both classes must be there. Raises
    InputError on a score that is not finite.
    """
    with plt.rc_context(STYLE):
        plot, axis = plt.subplots(figsize=(6.4, 3.8))
        axis.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
        for number, (name, (scores, present)) in enumerate(findings.items()):
            colour, stroke = LINES[number % len(LINES)]
            label = f"{auroc(scores, present):.3f}  {name}"
            false_alarms, hits, _ = roc_curve(present, scores)
            line = axis.plot(false_alarms, hits, color=colour, linestyle=stroke, linewidth=1, label=label)
            line[0].set_clip_on(False)  # else a line along the frame is half as wide
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
        axis.legend(title="AUROC", frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        return png(plot)


def reliability(
    panels: Mapping[str, tuple[Float[ndarray, "answers"], Bool[ndarray, "answers"]]],
) -> bytes:
    """Share of answers that are right to say "present", by their probability; below, how many there are of each.

    A name → (probability, whether present) for each small panel; on the dotted line a probability is what it says.
    """
    with plt.rc_context(STYLE):
        plot, axes = plt.subplots(
            2, len(panels), figsize=(3.1 * len(panels), 3.6), height_ratios=[3, 1], sharex=True, squeeze=False
        )
        for (upper, lower), (name, (probability, present)) in zip(axes.T, panels.items(), strict=True):
            share, mean = calibration_curve(present, probability, n_bins=BINS)
            upper.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
            upper.plot(mean, share, "o-", color=BLUE, markersize=4, linewidth=1.2)
            upper.set(xlim=(0, 1), ylim=(0, 1), title=name, ylabel="share present")
            lower.hist(probability, bins=BINS, range=(0, 1), color=BLUE, alpha=0.6)
            lower.set(xlabel="probability", ylabel="answers")
        plot.tight_layout()
        return png(plot)


def slice_strip(strip: Strip) -> bytes:
    """A volume's slabs by their middle plane (feet to head), the score curve below, the lesion's true extent shaded.

    The slabs that the model takes are framed.
    """
    planes, scores, lesion = strip.planes, strip.scores, strip.lesion
    slabs = len(planes)
    with plt.rc_context(STYLE):
        plot = plt.figure(figsize=(9, 2.1))
        grid = plot.add_gridspec(2, 1, height_ratios=[1.5, 1], hspace=0.08)
        shown = plot.add_subplot(grid[0])
        height, width = planes.shape[1:]
        shown.imshow(np.concatenate(list(planes), axis=1), cmap="gray", vmin=0, vmax=255, aspect="auto")
        for slab in strip.taken:
            box = plt.Rectangle((slab * width, 0), width - 1, height - 1, fill=False, edgecolor=ORANGE, linewidth=2)
            shown.add_patch(box)
        shown.axis("off")
        curve = plot.add_subplot(grid[1])
        for z in np.flatnonzero(lesion):
            curve.axvspan(z / len(lesion) * slabs, (z + 1) / len(lesion) * slabs, color=GREEN, alpha=0.3, linewidth=0)
        curve.plot(np.arange(slabs) + 0.5, scores / scores.mean(), "o-", color=BLUE, markersize=3, linewidth=1.2)
        curve.axhline(1, color=GREY, linestyle=":", linewidth=1)
        curve.set(xlim=(0, slabs), xticks=[], ylabel="score /\nmean")
        curve.ticklabel_format(axis="y", useOffset=False)
        return png(plot)


def space_map(space: SpaceMap) -> bytes:
    """The map coloured by modality and by finding; there, studies with several findings, or of which it is not known,
    are grey."""
    modalities = np.array(space.modalities)
    single = np.array([names[0].replace("_", " ") if len(names) == 1 else GREYED for names in space.findings])
    with plt.rc_context(STYLE):
        plot, axes = plt.subplots(1, 2, figsize=(9.6, 4.1))
        for kind, colour in zip(ImageKind, (BLUE, ORANGE, GREEN, RED), strict=False):
            places = space.places[modalities == kind].T
            axes[0].scatter(*places, s=9, color=colour, label=kind.label, linewidths=0, alpha=0.8)
        axes[1].scatter(*space.places[single == GREYED].T, s=5, color="#d5dade", linewidths=0, label=GREYED)
        colours = plt.get_cmap("tab20")
        for number, name in enumerate(sorted(set(single) - {GREYED})):
            axes[1].scatter(*space.places[single == name].T, s=11, color=colours(number % 20), label=name, linewidths=0)
        for axis, title in zip(axes, ("by modality", "by finding (studies with one)"), strict=True):
            axis.set(xticks=[], yticks=[], title=title)
            axis.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.6)
        plot.subplots_adjust(wspace=0.45)
        return png(plot)
