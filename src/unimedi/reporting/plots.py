"""The pictures of the report, drawn by matplotlib without a display, each returned as PNG bytes.

Every function takes arrays; none reads a file. Colours are Okabe and Ito's, told apart by colour-blind readers too.
"""

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from sklearn.calibration import calibration_curve
from sklearn.manifold import TSNE

from unimedi.metrics.classification import BINS

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure as Plot

BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#9aa3ab"
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
MAP_POINTS = 600  # t-SNE is quadratic-ish; more points than this only crowd the map


def png(plot: Plot) -> bytes:
    """The figure as PNG; it is closed afterwards."""
    buffer = io.BytesIO()
    plot.savefig(buffer, format="png")
    plt.close(plot)
    return buffer.getvalue()


def grey_png(pixels: Float[ndarray, "height width"], width: int = 160) -> bytes:
    """A grey picture without axes, values 0..1, enlarged (bicubic) by the whole factor nearest to ``width``."""
    from PIL import Image

    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    factor = max(1, round(width / image.width))
    buffer = io.BytesIO()
    image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def loss_curves(log: Sequence[Mapping[str, object]], health: Sequence[str]) -> bytes | None:
    """Losses by step, raw and smoothed; beside them the keys of ``health``. None where nothing was logged."""
    losses = [key for key in ("l_vl", "l_icl", "l_pcl") if any(isinstance(line.get(key), float) for line in log)]
    if not losses:
        return None
    with plt.rc_context(STYLE):
        plot, axes = plt.subplots(1, 2, figsize=(9, 2.9))
        for key, colour in zip(losses, (BLUE, ORANGE, GREEN), strict=False):
            _curve(axes[0], log, key, colour)
        axes[0].set(xlabel="step", ylabel="loss (nats)", title="losses")
        axes[0].legend(frameon=False, loc="upper right")
        for number, key in enumerate(health):
            _curve(axes[1], log, key, f"C{number}")
        axes[1].set(xlabel="step", title="health", yscale="log")
        if health:
            axes[1].legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        return png(plot)


def _curve(axis: plt.Axes, log: Sequence[Mapping[str, object]], key: str, colour: str) -> None:
    points = [(line["step"], line[key]) for line in log if isinstance(line.get(key), float)]
    steps, values = (np.array(part, dtype=np.float64) for part in zip(*points, strict=True))
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


def reliability(
    panels: Mapping[str, tuple[Float[ndarray, "answers"], Bool[ndarray, "answers"]]],
) -> bytes:
    """Share of answers that are right to say "present", by the probability given; below, how many were given it.

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


def slice_strip(
    planes: Float[ndarray, "slabs height width"],
    scores: Float[ndarray, "slabs"],
    lesion: Bool[ndarray, "depth"],
    chosen: Sequence[int],
) -> bytes:
    """A volume's slabs by their middle plane (feet to head), the score curve below, the lesion's true extent shaded.

    ``planes`` 0..1; ``chosen`` are slab numbers, framed; ``lesion`` marks planes of the stored volume.
    """
    slabs = len(planes)
    with plt.rc_context(STYLE):
        plot = plt.figure(figsize=(9, 2.1))
        grid = plot.add_gridspec(2, 1, height_ratios=[1.5, 1], hspace=0.08)
        shown = plot.add_subplot(grid[0])
        height, width = planes.shape[1:]
        shown.imshow(np.concatenate(list(planes), axis=1), cmap="gray", vmin=0, vmax=1, aspect="auto")
        for slab in chosen:
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


def maps(
    embedding: Float[ndarray, "studies dim"],
    modality: Int[ndarray, "studies"],
    shown: Sequence[Sequence[str]],
    seed: int,
) -> bytes | None:
    """t-SNE (cosine) coloured by modality and by what is ``shown``; studies with several findings, or of which it is
    not known, are grey in the latter."""
    if len(embedding) < 10:
        return None
    if len(embedding) > MAP_POINTS:
        kept = np.sort(np.random.default_rng(seed).choice(len(embedding), MAP_POINTS, replace=False))
        embedding, modality, shown = embedding[kept], modality[kept], [shown[i] for i in kept]
    perplexity = min(30.0, (len(embedding) - 1) / 3)
    places = TSNE(metric="cosine", init="random", perplexity=perplexity, random_state=seed).fit_transform(embedding)
    single = np.array([names[0].replace("_", " ") if len(names) == 1 else GREYED for names in shown])
    with plt.rc_context(STYLE):
        plot, axes = plt.subplots(1, 2, figsize=(9.6, 4.1))
        for number, (name, colour) in enumerate((("X-ray", BLUE), ("CT", ORANGE))):
            here = modality == number
            axes[0].scatter(*places[here].T, s=9, color=colour, label=name, linewidths=0, alpha=0.8)
        grey = single == GREYED
        axes[1].scatter(*places[grey].T, s=5, color="#d5dade", linewidths=0, label=GREYED)
        colours = plt.get_cmap("tab20")
        for number, name in enumerate(sorted(set(single[~grey]))):
            here = single == name
            axes[1].scatter(*places[here].T, s=11, color=colours(number % 20), label=name, linewidths=0)
        for axis, title in zip(axes, ("by modality", "by finding (studies with one)"), strict=True):
            axis.set(xticks=[], yticks=[], title=title)
            axis.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.6)
        plot.subplots_adjust(wspace=0.45)
        return png(plot)
