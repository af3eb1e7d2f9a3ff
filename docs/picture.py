"""Draw docs/picture.png, README's picture of the method, with a phantom patient: ``python docs/picture.py``."""

import csv
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.read import read_image
from unimedi.phantom.hospital import build_hospital

OUT = Path(__file__).with_name("picture.png")
PATIENT = {
    "train_xray": 0,
    "train_ct": 0,
    "validation_paired": 1,
    "test_paired": 0,
    "share_spanish": 0.0,
    "prevalence": {"mass": 1.0, "pleural_effusion": 1.0},
}
SLABS = 8
CHOSEN = (3, 5)  # for the picture only: no model was asked
INK, BLUE, ORANGE, GREY = "#222222", "#dbe9f6", "#e8590c", "#eeeeee"


@contextmanager
def patient() -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """An X-ray (grey), the middle planes of the slabs of a CT (HU), and the report of the CT."""
    with TemporaryDirectory() as folder:
        build_hospital(folder, "tiny", seed=4, workers=1, progress=False, overrides=PATIENT)
        with open(next(Path(folder).glob("*.csv")), encoding="utf-8", newline="") as file:
            rows = {row["modality"]: row for row in csv.DictReader(file)}
        ct = rows.pop("CT")
        (xray,) = rows.values()
        image, volume = read_image(Path(folder) / xray["image"]), read_image(Path(folder) / ct["image"])
        assert isinstance(image, Radiograph)
        assert isinstance(volume, Volume)
        report = ct["report"] if ct.get("report") else (Path(folder) / ct["report_path"]).read_text(encoding="utf-8")
        planes = np.linspace(0.12, 0.88, SLABS) * len(volume.voxels)
        yield image.pixels, volume.voxels[planes.astype(int)], report


def box(ax: Axes, x: float, y: float, width: float, height: float, text: str, colour: str = BLUE) -> None:
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=.06", fc=colour, ec=INK, lw=0.8)
    ax.add_patch(shape)
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9, color=INK, linespacing=1.4)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], **style: Any) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, shrinkA=0, shrinkB=0, lw=1, **style))


def draw(xray: np.ndarray, planes: np.ndarray, report: str) -> None:
    figure, ax = plt.subplots(figsize=(9.6, 3.9), dpi=100)
    ax.set(xlim=(0, 9.6), ylim=(0, 3.9), aspect="equal")
    ax.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    ax.imshow(xray, cmap="gray", extent=(0.1, 1.3, 2.55, 3.75), vmin=np.quantile(xray, 0.02), zorder=1)
    ax.text(1.4, 3.15, "an X-ray", fontsize=9, va="center")
    for number, plane in enumerate(planes):
        left = 0.1 + 0.4 * number
        ax.imshow(plane, cmap="gray", vmin=-1000, vmax=400, extent=(left, left + 0.38, 1.72, 2.1))
        if number in CHOSEN:
            ax.add_patch(plt.Rectangle((left, 1.72), 0.38, 0.38, fill=False, ec=ORANGE, lw=2, zorder=3))
            arrow(ax, (left + 0.19, 2.1), (3.55, 2.95), color=ORANGE)
    ax.text(0.1, 2.2, "a CT, slab by slab", fontsize=9)
    ax.text(0.1, 1.5, "orange: slices that the teacher's attention selects", fontsize=7.5, color=ORANGE)
    words = textwrap.shorten(" ".join(report.split("FINDINGS:")[-1].split()), 250, placeholder=" …")
    ax.text(0.12, 0.68, textwrap.fill(words, 54), fontsize=6.8, va="center", family="serif", linespacing=1.3)
    ax.add_patch(plt.Rectangle((0.05, 0.2), 3.25, 0.98, fill=False, ec="#999999", lw=0.8))
    box(ax, 3.55, 2.85, 0.75, 0.55, "T_2D")
    box(ax, 3.55, 1.64, 0.75, 0.55, "T_3D")
    box(ax, 4.75, 1.64, 1.25, 1.76, "E_v\none vision\ntransformer\nfor 2D and 3D")
    box(ax, 4.75, 0.42, 1.25, 0.55, "E_l\nreport encoder")
    box(ax, 6.55, 0.42, 1.3, 2.0, "one space\n\nL_vl: an image\nand its report\nmeet", GREY)
    box(ax, 8.25, 2.6, 1.25, 0.8, "teacher:\naverage of E_v,\nsees all tokens", GREY)
    box(ax, 8.25, 1.2, 1.25, 0.95, "L_icl, L_pcl:\nE_v, masked,\npredicts the\nteacher", GREY)
    arrow(ax, (2.1, 3.15), (3.55, 3.15), color=INK)
    arrow(ax, (3.3, 1.91), (3.55, 1.91), color=INK)
    arrow(ax, (4.3, 3.12), (4.75, 3.12), color=INK)
    arrow(ax, (4.3, 1.91), (4.75, 1.91), color=INK)
    arrow(ax, (3.3, 0.69), (4.75, 0.69), color=INK)
    arrow(ax, (6.0, 0.69), (6.55, 0.69), color=INK)
    arrow(ax, (6.0, 1.91), (6.55, 1.91), color=INK)
    arrow(ax, (6.0, 3.0), (8.25, 3.0), color=INK)
    arrow(ax, (8.87, 2.6), (8.87, 2.15), color=INK)
    ax.text(7.1, 3.06, "the average follows", fontsize=8, ha="center", va="bottom")
    figure.savefig(OUT, metadata={"Software": None})


if __name__ == "__main__":
    with patient() as (xray, planes, report):
        draw(xray, planes, report)
