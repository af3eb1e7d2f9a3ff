"""Fill the tables of figures in README.md and docs/results.md from a run: ``python docs/figures.py [runs/demo]``."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- figures:begin -->\n", "<!-- figures:end -->"
Metrics = Mapping[str, Mapping[str, float | None]]
SLICES = "slice_selection/{}/hit@1"
ALL = {
    "zero_shot/xray/auroc": "zero-shot macro AUROC, X-ray",
    "zero_shot/ct/auroc": "zero-shot macro AUROC, CT",
    "retrieval/xray/image_to_report/r@10": "image → report R@10, X-ray",
    "retrieval/ct/image_to_report/r@10": "image → report R@10, CT",
    "cross_modal/xray_to_ct/paired/r@10": "X-ray → CT of the same patient, R@10",
    "cross_modal/xray_to_ct/paired/chance@10": "… by chance",
    "linear_probe/xray/10%/auroc": "linear probe at 10 % labels, X-ray",
    "linear_probe/ct/10%/auroc": "linear probe at 10 % labels, CT",
    SLICES.format("attentive"): "slice selection hit@1: attentive",
    SLICES.format("random"): "… random",
    SLICES.format("centre"): "… centre",
    SLICES.format("uniform"): "… uniform",
    SLICES.format("prior"): "… lesion frequency by depth (of validation patients)",
    SLICES.format("intensity"): "… brightest anomalous patch, no network",
    SLICES.format("untrained"): "… untrained encoder",
}
# README's six figures: key → its references, a number or the key of another figure.
SIX: dict[str, dict[str, float | str]] = {
    "zero_shot/xray/auroc": {"chance": 0.5},
    "zero_shot/ct/auroc": {"chance": 0.5},
    "retrieval/xray/image_to_report/r@10": {"chance": "retrieval/xray/image_to_report/chance@10"},
    "retrieval/ct/image_to_report/r@10": {"chance": "retrieval/ct/image_to_report/chance@10"},
    "cross_modal/xray_to_ct/paired/r@10": {"chance": "cross_modal/xray_to_ct/paired/chance@10"},
    SLICES.format("attentive"): {"random": SLICES.format("random"), "centre": SLICES.format("centre")},
}


def interval(figure: Mapping[str, float | None]) -> str:
    low, high = figure.get("low"), figure.get("high")
    return "" if low is None or high is None else f"{low:.3f}-{high:.3f}"


def all_figures(metrics: Metrics) -> str:
    """The rows of ``ALL`` that were measured, with their 95 % intervals."""
    lines = ["| figure | value | 95 % interval | n |", "|---|---|---|---|"]
    for key, name in ALL.items():
        if (found := metrics.get(key)) is not None:
            lines.append(f"| {name} | {found['value']:.3f} | {interval(found)} | {found.get('n') or ''} |")
    return "\n".join(lines) + "\n"


def six_figures(metrics: Metrics) -> str:
    """The rows of ``SIX`` that were measured, beside what costs nothing."""
    lines = ["| figure | value | 95 % interval | to compare with |", "|---|---|---|---|"]
    for key, references in SIX.items():
        if (found := metrics.get(key)) is not None:
            values = {
                name: metrics[of]["value"] if isinstance(of, str) else of
                for name, of in references.items()
                if not isinstance(of, str) or of in metrics
            }
            beside = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
            lines.append(f"| {ALL[key]} | {found['value']:.3f} | {interval(found)} | {beside} |")
    return "\n".join(lines) + "\n"


def fill(page: Path, table: str) -> None:
    text = page.read_text()
    page.write_text(text.split(BEGIN)[0] + BEGIN + table + END + text.split(END, 1)[1])


if __name__ == "__main__":
    run = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "runs/demo")
    measured = json.loads((run / "metrics.json").read_text())
    fill(ROOT / "README.md", six_figures(measured))
    fill(ROOT / "docs" / "results.md", all_figures(measured))
