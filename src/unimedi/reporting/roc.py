"""ROC curves in the report: one picture for all findings, a thin line each, told apart by colour and by stroke."""

from collections.abc import Mapping

from jaxtyping import Bool, Float
from matplotlib import pyplot as plt
from numpy import ndarray
from sklearn.metrics import roc_curve

from unimedi.metrics.auroc import auroc
from unimedi.reporting.curves import BLUE, GREEN, GREY, ORANGE, RED, STYLE, png

PURPLE, SKY = "#cc79a7", "#56b4e9"
LINES = [(colour, stroke) for stroke in ("-", "--", ":") for colour in (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)]


def roc_curves(findings: Mapping[str, tuple[Float[ndarray, "_"], Bool[ndarray, "_"]]]) -> bytes:
    """Sensitivity by false alarms over all thresholds, and the AUROC in the legend; chance is the dotted diagonal.

    A name → (scores, whether present) of the studies whose label is known; both classes must be there. Raises
    ValueError on a score that is not finite.
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
