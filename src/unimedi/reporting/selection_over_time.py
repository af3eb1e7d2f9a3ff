"""The section on what slice selection did while the run trained, and its picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt

from unimedi.evaluation.record import Curves, Training
from unimedi.reporting.plots import BLUE, GREEN, GREY, ORANGE, RED, STYLE, png
from unimedi.reporting.schema import Section, Tile, data_uri

_DARK = "#4a4a4a"
_INPUTS = {  # the key behind ``l_vl/`` → (words, colour, stroke)
    "volume_alone": ("the volume alone", _DARK, "-"),
    "random_slices": ("with random slices", ORANGE, "-"),
    "attentive": ("with attentive slices (the model)", BLUE, "-"),
    "oracle_slices": ("with the lesion's slices (by the mask)", GREEN, "-"),
    "chance": ("chance", GREY, "--"),
}


def selection_over_time_section(training: Training) -> Section:
    """Hit rate, AUROC and what slices are worth against the step; empty where the run measured none of it."""
    section, curves = Section("slices-over-time", "Slice selection over time"), training.selection
    if "hit@1" not in curves:
        return section
    distractors = "A distractor looks like a lesion, and no report mentions it. " * ("innocents_hit@1" in curves)
    section.text = (
        f"Measured on the teacher while it trained, with {curves['volumes'][1][-1]:.0f} validation CTs that have a "
        f"masked focal lesion. A layer's score is from its attention alone, the mean over its heads. {distractors}"
        "L_vl is between these CTs and their reports, lower is better: slices are worth something where the line with "
        "them lies below that of the volume alone."
    )
    caption = (
        "Left: share of CTs where the best plane shows a lesion. Middle: within a CT, the chance that a slab with a "
        "lesion is scored above one without. Right: L_vl with other slices."
    )
    section.pictures.append(Tile(caption, data_uri(selection_curves(curves))))
    return section


def selection_curves(curves: Curves) -> bytes:
    """Three panels against the step as PNG: hit@1 and AUROC of the teacher and of each layer, L_vl by input."""
    layers = sorted((key.split("/")[0] for key in curves if key.endswith("/hit@1")), key=_number)
    with plt.rc_context(STYLE):
        plot, (hits, aurocs, worth) = plt.subplots(1, 3, figsize=(12, 4.2))
        for axis, metric in ((hits, "hit@1"), (aurocs, "auroc")):
            for layer, colour in zip(layers, _shades(len(layers)), strict=True):
                label = layer.replace("_", " ") if layer in (layers[0], layers[-1]) else ""
                _line(axis, curves, f"{layer}/{metric}", label, colour, width=0.9)
            _line(axis, curves, metric, "the teacher's score", BLUE, width=2.0)
        _line(hits, curves, "random_hit@1", "random", GREY, "--")
        _line(hits, curves, "innocents_hit@1", "shows a distractor", RED)
        _line(hits, curves, "innocents_random_hit@1", "· random", RED, "--")
        aurocs.axhline(0.5, color=GREY, linestyle="--", linewidth=1.5, label="chance")
        for key, (words, colour, stroke) in _INPUTS.items():
            _line(worth, curves, f"l_vl/{key}", words, colour, stroke)
        hits.set(title="hit@1", ylim=(0, None))
        aurocs.set(title="within-volume AUROC")
        worth.set(title="L_vl (nats)")
        for axis in (hits, aurocs, worth):
            axis.set(xlabel="step")
            if axis.get_legend_handles_labels()[0]:
                axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
        plot.tight_layout()
        return png(plot)


def _line(
    axis: plt.Axes, curves: Curves, key: str, label: str, colour: object, stroke: str = "-", width: float = 1.5
) -> None:
    if key in curves:
        axis.plot(*curves[key], color=colour, linestyle=stroke, linewidth=width, label=label or None)


def _shades(count: int) -> Sequence[object]:
    """Of one colour, the first layer pale, the last dark."""
    return list(plt.get_cmap("Purples")(np.linspace(0.35, 0.9, count)))


def _number(layer: str) -> int:
    return int(layer.rpartition("_")[2])
