"""Zero-shot in the report: a table of every finding, and what probabilities are worth."""

from collections.abc import Sequence

import numpy as np

from unimedi.evaluation.headline import cell, three
from unimedi.evaluation.result import Evaluation, ZeroShotPredictions
from unimedi.evaluation.split import EvalSplit
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.checks import known_and_positive
from unimedi.reporting import curves as draw
from unimedi.reporting import pictures as looks
from unimedi.reporting.roc import roc_curves
from unimedi.reporting.schema import NAMES, Section, Table

COLUMNS = {
    "auroc": "AUROC",
    "ap": "AP",
    "prevalence": "prevalence",
    "balanced_acc": "balanced ACC",
    "acc": "ACC",
    "f1": "F1",
    "ece": "ECE",
    "auroc_prompt_sd": "SD over prompts",
    "auroc_prompt_worst": "worst prompt",
}


def zero_shot_part(inputs: Evaluation) -> Section:
    """Tables, plots of AUROC and of ROC curves, reliability diagrams, and the macro AUROC of each prompt file."""
    section = Section("zero-shot", "Zero-shot by finding")
    for kind, verdicts in inputs.predictions.items():
        section.tables.append(_table(inputs, kind, verdicts))
        rows = [
            ("all findings" if not name else words(name), f.value, f.low, f.high, not name)
            for name in ("", *verdicts.log_odds)
            for f in [inputs.measurements[_key(kind, "auroc", name)]]
        ]
        picture = draw.intervals(rows, 0.5, "AUROC")
        section.pictures.append(looks.Tile(f"{NAMES[kind]}; dotted: chance", looks.data_uri(picture)))
        caption = f"{NAMES[kind]}: ROC curve of each finding; dotted diagonal: chance"
        section.pictures.append(looks.Tile(caption, looks.data_uri(roc_curves(ranked(inputs.splits[kind], verdicts)))))
    if inputs.predictions:
        section.text = _what_it_says(inputs)
        section.tables += _by_prompts(inputs)
        panels = {NAMES[kind]: _pooled(inputs.splits[kind], v) for kind, v in inputs.predictions.items()}
        caption = "Reliability, all findings together: how often a finding is there, by the probability it was given."
        section.pictures.append(looks.Tile(caption, looks.data_uri(draw.reliability(panels))))
    return section


def words(finding: str) -> str:
    """A label's name as it is read."""
    return finding.replace("_", " ")


def _table(inputs: Evaluation, kind: str, verdicts: ZeroShotPredictions) -> Table:
    rows = []
    for name in ("", *verdicts.log_odds):
        cells = [_cell(inputs.measurements.get(_key(kind, metric, name)), metric) for metric in COLUMNS]
        rows.append([words(name) or "all findings", *cells])
    return Table(NAMES[kind], ("finding", *COLUMNS.values()), rows, frozenset({0}))


def _key(kind: str, metric: str, finding: str) -> str:
    return f"zero_shot/{kind}/{metric}" + (f"/{finding}" if finding else "")


def _cell(figure: Estimate | None, metric: str) -> str:
    if figure is None:
        return ""
    return cell(figure) if metric in ("auroc", "ap") else three(figure.value)


def _what_it_says(inputs: Evaluation) -> str:
    chosen = [
        f.n for kind, v in inputs.predictions.items() for name in v.log_odds
        if (f := inputs.measurements[_key(kind, "threshold", name)]).n
    ]  # fmt: skip
    where = (
        f"the threshold of the highest balanced accuracy on {_range(chosen)} validation studies"
        if chosen
        else "a threshold of 0.5, as there is no validation split to choose it on"
    )
    return (
        f"Against the cohort's labels; prompts: {inputs.options.prompt_file.stem}. "
        f"ACC, balanced ACC and F1 at {where}. "
        "AP by chance is the prevalence. ECE: 0 is a probability that is what it says. Prompts: AUROC of single "
        "pairs of a present and an absent sentence, where the figure itself is of all sentences together."
    )


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _by_prompts(inputs: Evaluation) -> list[Table]:
    prefix = "zero_shot_by_prompts/"
    files = sorted({key.split("/")[2] for key in inputs.measurements if key.startswith(prefix)})
    if len(files) < 2:
        return []
    rows = [
        [
            name,
            *(_cell(inputs.measurements.get(f"{prefix}{kind}/{name}/auroc"), "auroc") for kind in inputs.predictions),
        ]
        for name in files
    ]
    return [Table("Macro AUROC by prompt file", ("prompts", *(NAMES[kind] for kind in inputs.predictions)), rows)]


def ranked(view: EvalSplit, verdicts: ZeroShotPredictions) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Finding in words → log-odds and whether it is present, of the studies of which that is known."""
    found = {}
    for name, odds in verdicts.log_odds.items():
        known, there = known_and_positive(view.labels[name], name)
        found[words(name)] = odds[known], there[known]
    return found


def _pooled(view: EvalSplit, verdicts: ZeroShotPredictions) -> tuple[np.ndarray, np.ndarray]:
    labels = np.concatenate([view.labels[name] for name in verdicts.log_odds])
    known = ~np.isnan(labels)
    return np.concatenate(list(verdicts.probabilities.values()))[known], labels[known] == 1
