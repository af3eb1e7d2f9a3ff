"""Fill the table of figures in README.md from a run: ``python docs/figures.py [runs/demo]``."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- figures:begin -->\n", "<!-- figures:end -->"
ROWS = {
    "zero_shot/xray/auroc": "zero-shot macro AUROC, X-ray",
    "zero_shot/ct/auroc": "zero-shot macro AUROC, CT",
    "retrieval/xray/image_to_report/r@10": "image → report R@10, X-ray",
    "retrieval/ct/image_to_report/r@10": "image → report R@10, CT",
    "cross_modal/xray_to_ct/paired/r@10": "X-ray → CT of the same patient, R@10",
    "cross_modal/xray_to_ct/paired/chance@10": "… by chance",
    "linear_probe/xray/10%/auroc": "linear probe at 10 % labels, X-ray",
    "linear_probe/ct/10%/auroc": "linear probe at 10 % labels, CT",
    "slice_selection/attentive/hit@1": "slice selection hit@1: attentive",
    "slice_selection/random/hit@1": "… random",
    "slice_selection/centre/hit@1": "… centre",
    "slice_selection/uniform/hit@1": "… uniform",
    "slice_selection/prior/hit@1": "… lesion frequency by depth (of validation patients)",
    "slice_selection/intensity/hit@1": "… brightest anomalous patch, no network",
    "slice_selection/untrained/hit@1": "… untrained encoder",
}


def table(metrics: dict[str, dict[str, float | None]]) -> str:
    """The rows of ``ROWS`` that were measured, with their 95 % intervals."""
    lines = ["| figure | value | 95 % interval | n |", "|---|---|---|---|"]
    for key, name in ROWS.items():
        if (found := metrics.get(key)) is not None:
            low, high = found.get("low"), found.get("high")
            interval = "" if low is None or high is None else f"{low:.3f}-{high:.3f}"
            lines.append(f"| {name} | {found['value']:.3f} | {interval} | {found.get('n') or ''} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    run = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "runs/demo")
    readme = (ROOT / "README.md").read_text()
    head, tail = readme.split(BEGIN)[0], readme.split(END)[1]
    filled = table(json.loads((run / "metrics.json").read_text()))
    (ROOT / "README.md").write_text(head + BEGIN + filled + END + tail)


if __name__ == "__main__":
    main()
