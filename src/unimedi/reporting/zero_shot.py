"""The section on zero-shot: a table of every finding, ROC curves, and what the probabilities are worth."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.special import expit

from unimedi.evaluation.record import EvaluationRecord, ZeroShot
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.checks import known_and_positive
from unimedi.metrics.formatting import three_decimals, with_interval
from unimedi.reporting import plots
from unimedi.reporting.schema import NAMES, Section, Table, Tile, data_uri
from unimedi.reporting.tiles import in_words

Figures = Mapping[str, Estimate]

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


def zero_shot_section(record: EvaluationRecord, figures: Figures) -> Section:
    """Tables, plots of AUROC and of ROC curves, reliability diagrams, and the macro AUROC of each prompt file."""
    section = Section("zero-shot", "Zero-shot by finding")
    for kind, predicted in record.zero_shot.items():
        section.tables.append(_table(figures, kind, predicted))
        rows = [
            (in_words([name]) or "all findings", f.value, f.low, f.high, not name)
            for name in ("", *predicted.log_odds)
            for f in [figures[_key(kind, "auroc", name)]]
        ]
        section.pictures += [
            Tile(f"{NAMES[kind]}; dotted: chance", data_uri(plots.intervals(rows, 0.5, "AUROC"))),
            Tile(
                f"{NAMES[kind]}: ROC curve of each finding; dotted diagonal: chance",
                data_uri(plots.roc_curves(ranked(predicted))),
            ),
        ]
    if record.zero_shot:
        section.text = _what_it_says(record, figures)
        section.tables += _by_prompts(figures, tuple(record.zero_shot))
        pooled = {NAMES[kind]: _pooled(predicted) for kind, predicted in record.zero_shot.items()}
        caption = "Reliability, all findings together: how often a finding is there, by the probability it was given."
        section.pictures.append(Tile(caption, data_uri(plots.reliability(pooled))))
    return section


def _table(figures: Figures, kind: str, predicted: ZeroShot) -> Table:
    rows = []
    for name in ("", *predicted.log_odds):
        cells = [_cell(figures.get(_key(kind, metric, name)), metric) for metric in COLUMNS]
        rows.append([in_words([name]) or "all findings", *cells])
    return Table(NAMES[kind], ("finding", *COLUMNS.values()), rows, ("ours", *[""] * len(predicted.log_odds)))


def _key(kind: str, metric: str, finding: str) -> str:
    return f"zero_shot/{kind}/{metric}" + (f"/{finding}" if finding else "")


def _cell(figure: Estimate | None, metric: str) -> str:
    if figure is None:
        return ""
    return with_interval(figure) if metric in ("auroc", "ap") else three_decimals(figure.value)


def _what_it_says(record: EvaluationRecord, figures: Figures) -> str:
    chosen = [
        f.n for kind, predicted in record.zero_shot.items() for name in predicted.log_odds
        if (f := figures[_key(kind, "threshold", name)]).n
    ]  # fmt: skip
    where = (
        f"the threshold of the highest balanced accuracy on {_range(chosen)} validation studies"
        if chosen
        else "a threshold of 0.5, as there is no validation split to choose it on"
    )
    return (
        f"Against the cohort's labels; prompts: {record.prompts}. ACC, balanced ACC and F1 at {where}. "
        "AP by chance is the prevalence. ECE: 0 is a probability that is what it says. Prompts: AUROC of single "
        "pairs of a present and an absent sentence, where the figure itself is of all sentences together."
    )


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _by_prompts(figures: Figures, kinds: Sequence[str]) -> list[Table]:
    prefix = "zero_shot_by_prompts/"
    files = sorted({key.split("/")[2] for key in figures if key.startswith(prefix)})
    if len(files) < 2:
        return []
    rows = [[name, *(_cell(figures.get(f"{prefix}{kind}/{name}/auroc"), "auroc") for kind in kinds)] for name in files]
    return [Table("Macro AUROC by prompt file", ("prompts", *(NAMES[kind] for kind in kinds)), rows)]


def ranked(predicted: ZeroShot) -> dict[str, tuple[Float[ndarray, "known"], Bool[ndarray, "known"]]]:
    """Finding in words → log-odds and whether it is present, of the studies of which that is known."""
    found = {}
    for name, odds in predicted.log_odds.items():
        known, there = known_and_positive(predicted.labels[name], name)
        found[in_words([name])] = odds[known], there[known]
    return found


def _pooled(predicted: ZeroShot) -> tuple[Float[ndarray, "known"], Bool[ndarray, "known"]]:
    """Probability, and whether it is present, of all findings together."""
    labels = np.concatenate(list(predicted.labels.values()))
    known = ~np.isnan(labels)
    return expit(np.concatenate(list(predicted.log_odds.values())))[known], labels[known] == 1
