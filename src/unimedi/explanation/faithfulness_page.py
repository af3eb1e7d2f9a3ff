"""What ``unimedi explain-eval`` shows: tables for a terminal, and a picture of the deletion curves."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt

from unimedi.cohort.image_kind import ImageKind
from unimedi.explanation.faithfulness import ERASED, FILLS, FRACTIONS, MAPS
from unimedi.metrics.formatting import three_decimals, verdict, with_interval
from unimedi.metrics.measurement import Measurement, Measurements, percent
from unimedi.reporting.plots import BLUE, GREEN, GREY, ORANGE, SKY, STYLE, png

WORDS = {
    "text": "the sentence's map",
    "other_text": "map of a sentence about another finding",
    "attention": "attention",
    "difference": "no network: unlike the mean image",
    "random": "random places",
    "named": "the finding that is named",
    "others": "other findings of the study",
    "mirrored": "same shape, other side",
    "mean_image": "the mean of training images",
    "blurred": "the image without its details",
}
LINES = {
    "text": (BLUE, "-"),
    "other_text": (SKY, "-"),
    "attention": (ORANGE, "-"),
    "difference": (GREEN, "--"),
    "random": (GREY, ":"),
}
_LEGEND = (
    "Falls of the cosine, means over studies with 95 % intervals (bootstrap over patients); higher is more faithful.",
    f"area: mean fall from nothing to {percent(FRACTIONS[-1])} of the places deleted. points: the share of maps whose "
    "highest place touches the finding's mask.",
)


def as_text(found: Measurements, notes: Sequence[str] = ()) -> str:
    """For each kind of image and fill: the maps under deletion, then the masks that were erased."""
    tables = []
    for kind in ImageKind:
        for fill in FILLS:
            if rows := found.select(modality=str(kind), variant=fill):
                tables += [_deletion(found, rows, kind, fill), _erasing(rows)]
    return "\n\n".join("\n".join(table) for table in [*tables, [*_LEGEND, *notes]] if table)


def _deletion(found: Measurements, rows: Measurements, kind: ImageKind, fill: str) -> list[str]:
    n = next(iter(rows.values())).n
    shown = ("drop@5%", "drop@10%", "drop@20%", "area")
    lines = [f"{kind.label}: {n} studies; deleted places become {WORDS[fill]}"]
    lines.append(f"  {'':<41}" + "".join(f"{name:<24}" for name in shown) + "points")
    for name in MAPS:
        cells = [_one(rows, method=name, metric=metric) for metric in shown]
        points = _one(found.select(modality=str(kind)), method=name, metric="pointing")
        line = f"  {WORDS[name]:<41}" + "".join(f"{_cell(one):<24}" for one in cells)
        lines.append((line + (three_decimals(points.value) if points else "")).rstrip())
    return [*lines, *_differences(rows, "area", "text")]


def _erasing(rows: Measurements) -> list[str]:
    erased = [(name, one) for name in ERASED if (one := _one(rows, method=name, metric="erased"))]
    lines = [f"  erased: {WORDS[name]:<41}{_cell(one)}, {one.n} studies" for name, one in erased]
    by_finding = sorted(
        (row for row in rows.select(metric="erased").values() if row.finding), key=lambda row: -row.value
    )
    each = ", ".join(f"{row.finding.replace('_', ' ')} {three_decimals(row.value)} ({row.n})" for row in by_finding)
    return [*lines, *_differences(rows, "erased", "named"), *([f"  named, by finding: {each}"] if each else [])]


def _differences(rows: Measurements, metric: str, ours: str) -> list[str]:
    against = [row for row in rows.select(metric=metric, method=ours).values() if row.minus]
    return [f"  {WORDS[ours]} minus {WORDS[row.minus]}: {_cell(row)}, {verdict(row)}" for row in against]


def _one(rows: Measurements, **name: str) -> Measurement | None:
    """The one of this name, whatever its kind and fill."""
    return next(iter(rows.select(minus="", finding="", **name).values()), None)


def _cell(one: Measurement | None) -> str:
    return with_interval(one) if one else ""


def faithfulness_picture(found: Measurements) -> bytes:
    """The deletion curves as PNG: a panel for each kind of image and fill, intervals shaded."""
    kinds = [kind for kind in ImageKind if found.select(modality=str(kind))]
    with plt.rc_context(STYLE):
        plot, axes = plt.subplots(len(kinds), len(FILLS), figsize=(9.6, 3.1 * len(kinds)), sharex=True, squeeze=False)
        for row, kind in zip(axes, kinds, strict=True):
            for axis, fill in zip(row, FILLS, strict=True):
                for name in MAPS:
                    _curve(axis, found.select(modality=str(kind), variant=fill), name)
                axis.axhline(0, color="#8a939b", linewidth=0.6)
                axis.set_title(f"{kind.label}, deleted places become {WORDS[fill]}", loc="left")
                axis.grid(axis="y", color="#e6e9ec")
            row[0].set_ylabel("fall of the cosine")
        for axis in axes[-1]:
            axis.set_xlabel("share of places deleted, highest first (%)")
        plot.legend(
            *axes[0][0].get_legend_handles_labels(), frameon=False, loc="upper center", ncols=3, bbox_to_anchor=(0.5, 0)
        )
        plot.tight_layout()
        return png(plot)


def _curve(axis: plt.Axes, rows: Measurements, name: str) -> None:
    points = [_one(rows, method=name, metric=f"drop@{percent(share)}") for share in FRACTIONS]
    values = np.array([[0.0] * 3, *([one.value, one.low, one.high] for one in points if one)]).T
    colour, stroke = LINES[name]
    at = 100 * np.array([0.0, *FRACTIONS])
    axis.plot(at, values[0], color=colour, linestyle=stroke, linewidth=1.6, marker="o", markersize=3, label=WORDS[name])
    axis.fill_between(at, values[1], values[2], color=colour, alpha=0.15, linewidth=0)
