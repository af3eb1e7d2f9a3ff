"""Draw docs/method.svg, the step of the paper in three panels, with a phantom patient: ``python docs/method.py``.

The ground is transparent and every word stands in a filled box: the picture is read on light and dark pages alike.
"""

import runpy
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

OUT = Path(__file__).with_name("method.svg")
STYLE = {"svg.hashsalt": "unimedi", "font.family": "DejaVu Sans", "font.size": 8}
BLUE, TEAL, PURPLE, ORANGE, SLATE, RED, GREY = (
    "#2f6fb5",
    "#0f7b6c",
    "#7c4dbd",
    "#c2410c",
    "#475569",
    "#b4235a",
    "#808890",
)
PAPER, INK = "#eef0f3", "#1f2937"  # of labels: dark on light, wherever they stand
WIDTH, HEIGHT = 7.7, 8.5  # inches
SCORES = (0.25, 0.35, 0.5, 0.95, 0.6, 0.85, 0.4, 0.3)  # of the slabs, drawn by hand: no model was asked
CHOSEN = (3, 5)
TOKEN = 0.15


def box(ax: Axes, x: float, y: float, width: float, height: float, text: str, colour: str, size: float = 8.4) -> None:
    """A filled box with white words."""
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=.07", fc=colour, ec="none")
    ax.add_patch(shape)
    place = (x + width / 2, y + height / 2)
    ax.text(*place, text, ha="center", va="center", color="white", fontsize=size, linespacing=1.35)


def label(ax: Axes, x: float, y: float, text: str, size: float = 7.4, **where: Any) -> None:
    """Words on a plate of their own, at their left end unless ``ha`` says otherwise."""
    plate = {"boxstyle": "round,pad=.28", "fc": PAPER, "ec": "none"}
    ax.text(x, y, text, fontsize=size, color=INK, va="center", bbox=plate, linespacing=1.3, **where)


def arrow(ax: Axes, *points: tuple[float, float], colour: str = GREY, **style: Any) -> None:
    """Along all points, with a head at the last."""
    for start, end in pairwise(points[:-1]):
        ax.plot(*zip(start, end, strict=True), color=colour, lw=1.3, solid_capstyle="round", **style)
    head = {"arrowstyle": "-|>", "mutation_scale": 9, "shrinkA": 0, "shrinkB": 0, "lw": 1.3, "color": colour}
    ax.add_patch(FancyArrowPatch(points[-2], points[-1], **head, **style))


def tokens(ax: Axes, x: float, y: float, colours: list[str], hidden: tuple[int, ...] = ()) -> float:
    """A sequence: [CLS], then a square a token; those of ``hidden`` are masked. Returns where it ends."""
    box(ax, x, y, 0.36, TOKEN, "[CLS]", SLATE, 5.5)
    x += 0.4
    for number, colour in enumerate(colours):
        style = {"fc": "none", "ec": colour, "ls": (0, (1.5, 1))} if number in hidden else {"fc": colour, "ec": "none"}
        ax.add_patch(Rectangle((x, y + 0.005), TOKEN - 0.01, TOKEN - 0.01, lw=0.9, **style))
        x += TOKEN + 0.03
    return x - 0.03


def panel(ax: Axes, bottom: float, height: float, title: str) -> None:
    frame = FancyBboxPatch((0.05, bottom), WIDTH - 0.1, height, boxstyle="round,pad=0,rounding_size=.1")
    frame.set(fc="none", ec=GREY, lw=0.7, alpha=0.7)
    ax.add_patch(frame)
    label(ax, 0.25, bottom + height - 0.02, title, 9.2, weight="bold")


def picture(ax: Axes, pixels: np.ndarray, x: float, y: float, size: float, **window: Any) -> None:
    ax.imshow(pixels, cmap="gray", extent=(x, x + size, y, y + size), zorder=2, interpolation="antialiased", **window)


def strip(ax: Axes, planes: np.ndarray, x: float, y: float, size: float, chosen: tuple[int, ...] = ()) -> list[float]:
    """The slabs of a CT side by side; returns their middles."""
    middles = []
    for number, plane in enumerate(planes):
        left = x + number * (size + 0.03)
        picture(ax, plane, left, y, size, vmin=-1000, vmax=400)
        if number in chosen:
            ax.add_patch(Rectangle((left, y), size, size, fill=False, ec=ORANGE, lw=2, zorder=3))
        middles.append(left + size / 2)
    return middles


def space(ax: Axes, x: float, y: float, size: float) -> None:
    """Three diseases in one space: an X-ray (circle), a CT (square) and reports (triangles) of each lie together."""
    ax.add_patch(FancyBboxPatch((x, y), size, size, boxstyle="round,pad=0,rounding_size=.1", fc=PAPER, ec="none"))
    for cx, cy in ((0.28, 0.7), (0.72, 0.62), (0.45, 0.25)):
        at = np.array([x, y]) + np.array([cx, cy]) * size
        ax.add_patch(Circle(tuple(at), 0.19 * size, fc="white", ec=GREY, lw=0.6, ls=(0, (2, 1.5))))
        ax.add_patch(Circle((at[0] - 0.085 * size, at[1] + 0.04 * size), 0.042 * size, color=BLUE))
        ax.add_patch(Rectangle((at[0] + 0.03 * size, at[1] + 0.01 * size), 0.08 * size, 0.08 * size, color=TEAL))
        for dx, dy in ((-0.03, -0.1), (0.09, -0.07)):
            points = [
                at + np.array([dx + px, dy + py]) * size for px, py in ((-0.045, -0.03), (0.045, -0.03), (0, 0.05))
            ]
            ax.add_patch(Polygon(points, color=PURPLE))


def one_space(ax: Axes, bottom: float, xray: np.ndarray, planes: np.ndarray, report: str) -> None:
    panel(ax, bottom, 3.0, "1   One encoder, one space: $\\mathbf{L_{vl}}$")
    picture(ax, xray, 0.25, bottom + 1.86, 0.8, vmin=np.quantile(xray, 0.02))
    label(ax, 0.25, bottom + 1.72, "X-ray")
    strip(ax, planes[1:7], 0.25, bottom + 1.12, 0.3)
    label(ax, 0.25, bottom + 0.94, "CT")
    found = " ".join(report.split("FINDINGS:")[-1].split())
    label(
        ax, 0.28, bottom + 0.42, textwrap.fill(textwrap.shorten(found, 84, placeholder=" …"), 30), 7.2, family="serif"
    )
    box(ax, 2.55, bottom + 2.07, 0.6, 0.4, "$\\mathrm{T_{2D}}$", BLUE)
    box(ax, 2.55, bottom + 1.08, 0.6, 0.4, "$\\mathrm{T_{3D}}$", TEAL)
    box(ax, 2.55, bottom + 0.18, 0.95, 0.48, "$\\mathrm{E_l}$\nreport encoder", PURPLE, 7.4)
    arrow(ax, (1.08, bottom + 2.27), (2.5, bottom + 2.27))
    arrow(ax, (2.27, bottom + 1.28), (2.5, bottom + 1.28))
    arrow(ax, (2.3, bottom + 0.42), (2.5, bottom + 0.42))
    for height, colours in ((2.27, [BLUE] * 5), (1.28, [TEAL] * 4 + [ORANGE] * 2)):
        arrow(ax, (3.17, bottom + height), (3.31, bottom + height))
        end = tokens(ax, 3.34, bottom + height - TOKEN / 2, colours)
        arrow(ax, (end + 0.03, bottom + height), (5.0, bottom + height))
    label(ax, 3.34, bottom + 0.99, "orange: slices, see 2")
    box(ax, 5.03, bottom + 1.03, 1.05, 1.5, "$\\mathrm{E_v}$\n\none vision\ntransformer\nfor 2D and 3D", SLATE)
    box(ax, 6.45, bottom + 2.18, 0.95, 0.35, "$\\mathrm{L_{vl}}$", RED)
    space(ax, 6.45, bottom + 1.13, 0.95)
    arrow(ax, (6.1, bottom + 1.6), (6.42, bottom + 1.6))
    arrow(ax, (3.53, bottom + 0.42), (6.92, bottom + 0.42), (6.92, bottom + 1.09))
    label(ax, 3.8, bottom + 0.42, "an image and its report move together,\nall other pairs of the batch apart")


def selection(ax: Axes, bottom: float, planes: np.ndarray) -> None:
    panel(ax, bottom, 2.75, "2   Attentive slice selection: a CT lends its slices to 2D")
    middles = strip(ax, planes, 0.25, bottom + 0.58, 0.36, CHOSEN)
    label(ax, 0.25, bottom + 0.32, "the slabs that $\\mathrm{T_{3D}}$ sees, from feet to head")
    for number, (middle, score) in enumerate(zip(middles, SCORES, strict=True)):
        colour = ORANGE if number in CHOSEN else GREY
        ax.add_patch(Rectangle((middle - 0.12, bottom + 1.0), 0.24, 0.55 * score, fc=colour, ec="none"))
    box(ax, 0.25, bottom + 1.88, 1.2, 0.46, "teacher $\\mathrm{\\bar{E}_v}$\nreads the volume", SLATE, 7.6)
    arrow(ax, (0.85, bottom + 1.86), (0.85, bottom + 1.4))
    label(
        ax,
        1.58,
        bottom + 2.11,
        "a slab's score is its share of the\nattention of [CLS]: mean over\nlayers, heads and its tokens",
    )
    for number, plane in enumerate(CHOSEN):
        left = 3.77 + 0.83 * number
        picture(ax, planes[plane], left, bottom + 0.58, 0.75, vmin=-1000, vmax=400)
        ax.add_patch(Rectangle((left, bottom + 0.58), 0.75, 0.75, fill=False, ec=ORANGE, lw=2, zorder=3))
    label(
        ax, 3.77, bottom + 0.3, "the k best, cut from the stored CT,\nwhich is finer than what $\\mathrm{T_{3D}}$ sees"
    )
    arrow(ax, (middles[-1] + 0.22, bottom + 0.76), (3.72, bottom + 0.76), colour=ORANGE)
    box(ax, 5.75, bottom + 0.76, 0.6, 0.4, "$\\mathrm{T_{2D}}$", BLUE)
    arrow(ax, (5.4, bottom + 0.96), (5.71, bottom + 0.96), colour=ORANGE)
    end = tokens(ax, 5.75, bottom + 1.72, [TEAL] * 4 + [ORANGE] * 2)
    arrow(ax, (6.38, bottom + 0.96), (end - 0.15, bottom + 0.96), (end - 0.15, bottom + 1.68), colour=ORANGE)
    label(
        ax,
        4.0,
        bottom + 2.11,
        "one sequence for $\\mathrm{E_v}$, each slice at its true\ndepth: a 2D and a 3D image of one patient",
    )


def distillation(ax: Axes, bottom: float) -> None:
    panel(ax, bottom, 2.25, "3   Self-distillation: $\\mathbf{L_{icl}}$ and $\\mathbf{L_{pcl}}$")
    colours = [TEAL] * 4 + [ORANGE] * 3
    for height, hidden, said, seen, who in (
        (1.42, (), 0.28, "the teacher sees every token", "teacher $\\mathrm{\\bar{E}_v}$"),
        (0.54, (0, 1, 3, 5, 6), -0.28, "the student sees a quarter of them", "student $\\mathrm{E_v}$"),
    ):
        end = tokens(ax, 0.25, bottom + height - TOKEN / 2, colours, hidden)
        label(ax, 0.25, bottom + height + said, seen)
        arrow(ax, (end + 0.03, bottom + height), (2.5, bottom + height))
        box(ax, 2.55, bottom + height - 0.22, 1.05, 0.44, who, SLATE)
        arrow(ax, (3.63, bottom + height), (4.32, bottom + height))
        tokens(ax, 4.35, bottom + height - TOKEN / 2, colours)
    arrow(ax, (3.07, bottom + 0.79), (3.07, bottom + 1.17))
    label(ax, 2.1, bottom + 0.98, "average")
    for x, name in ((4.53, "$\\mathrm{L_{icl}}$"), (5.36, "$\\mathrm{L_{pcl}}$")):
        box(ax, x - 0.25, bottom + 0.83, 0.5, 0.3, name, RED)
        arrow(ax, (x, bottom + 1.32), (x, bottom + 1.17))
        arrow(ax, (x, bottom + 0.64), (x, bottom + 0.79))
    label(
        ax,
        6.15,
        bottom + 0.98,
        "what the student says\nof [CLS] and of each\npatch is held against\nwhat the teacher says",
    )


def draw(xray: np.ndarray, planes: np.ndarray, report: str) -> None:
    figure, ax = plt.subplots(figsize=(WIDTH, HEIGHT))
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
    ax.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    one_space(ax, 5.34, xray, planes, report)
    selection(ax, 2.47, planes)
    distillation(ax, 0.1)
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    figure.savefig(OUT, transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))


if __name__ == "__main__":
    with plt.rc_context(STYLE), runpy.run_path(str(Path(__file__).with_name("picture.py")))["patient"]() as patient:
        draw(*patient)
