"""The section on zero-shot: a table of every finding, ROC curves, and whether the probabilities are calibrated."""

from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.special import expit

from unimedi.evaluation.record import EvaluationRecord, ZeroShot
from unimedi.metrics.checks import known_and_positive
from unimedi.metrics.formatting import three_decimals, with_interval
from unimedi.metrics.measurement import Measurement, Measurements
from unimedi.reporting import plots
from unimedi.reporting.schema import NAMES, Section, Table, Tile, data_uri
from unimedi.reporting.tiles import in_words

DETAILS = "detail_auroc"
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


def zero_shot_section(record: EvaluationRecord, measurements: Measurements) -> Section:
    """Tables, plots of AUROC and of ROC curves, reliability diagrams, and the macro AUROC of each prompt file."""
    section = Section("zero-shot", "Zero-shot by finding")
    for kind, predicted in record.zero_shot.items():
        found = measurements.select(task="zero_shot", modality=kind)
        section.tables.append(_table(found, kind, predicted))
        rows = [
            (_title(row.finding), row.value, row.low, row.high, not row.finding)
            for row in found.select(metric="auroc").values()
            if row.finding in ("", *predicted.log_odds)
        ]
        section.pictures += [
            Tile(f"{NAMES[kind]}; dotted: chance", data_uri(plots.intervals(rows, 0.5, "AUROC"))),
            Tile(
                f"{NAMES[kind]}: ROC curve of each finding; dotted diagonal: chance",
                data_uri(plots.roc_curves(ranked(predicted))),
            ),
        ]
    for mean in measurements.select(task="zero_shot", metric=DETAILS).values():
        findings = record.zero_shot[mean.modality].log_odds if mean.modality in record.zero_shot else ()
        section.tables.append(_details(mean, measurements, findings))
    if record.zero_shot:
        section.text = _what_it_says(record, measurements)
        section.tables += _by_prompts(measurements, tuple(record.zero_shot))
        pooled = {NAMES[kind]: _pooled(predicted) for kind, predicted in record.zero_shot.items()}
        caption = "Reliability, all findings together: how often a finding is there, by its probability."
        section.pictures.append(Tile(caption, data_uri(plots.reliability(pooled))))
    return section


def _table(found: Measurements, kind: str, predicted: ZeroShot) -> Table:
    rows = []
    for name in ("", *predicted.log_odds):
        of_finding = {row.metric: row for row in found.select(finding=name).values()}
        rows.append([_title(name), *(_cell(of_finding.get(metric), metric) for metric in COLUMNS)])
    return Table(NAMES[kind], ("finding", *COLUMNS.values()), rows, ("ours", *[""] * len(predicted.log_odds)))


def _details(mean: Measurement, measurements: Measurements, findings: Collection[str]) -> Table:
    """AUROC of each detail of lesions, their mean first. What has an AUROC and is none of the findings is a detail."""
    areas = measurements.select(task="zero_shot", modality=mean.modality, metric="auroc").values()
    each = [row for row in areas if row.finding and row.finding not in findings]
    rows = [["all details", with_interval(mean)], *([_title(row.finding), with_interval(row)] for row in each)]
    title = f"{NAMES[mean.modality]}: what the reports say of lesions (counts in no mean over findings)"
    return Table(title, ("detail", "AUROC"), rows, ("ours", *[""] * len(each)))


def _title(finding: str) -> str:
    return in_words([finding]) or "all findings"


def _cell(measured: Measurement | None, metric: str) -> str:
    if measured is None:
        return ""
    return with_interval(measured) if metric in ("auroc", "ap") else three_decimals(measured.value)


def _what_it_says(record: EvaluationRecord, measurements: Measurements) -> str:
    chosen = [row.n for row in measurements.select(task="zero_shot", metric="threshold").values() if row.n]
    where = (
        f"the threshold of the highest balanced accuracy on {_range(chosen)} validation studies"
        if chosen
        else "a threshold of 0.5, as there is no validation split to choose it on"
    )
    return (
        f"Against the cohort's labels; prompts: {record.prompts}. ACC, balanced ACC and F1 at {where}. "
        "AP by chance is the prevalence. ECE, the expected calibration error: at 0, a finding that is given 80 % is "
        "there in 80 of 100 studies. SD over prompts and worst prompt: the AUROC with a single pair of a present and "
        "an absent sentence, where AUROC is with all sentences together."
    )


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _by_prompts(measurements: Measurements, kinds: Sequence[str]) -> list[Table]:
    found = {(row.variant, row.modality): row for row in measurements.select(task="zero_shot_by_prompts").values()}
    files = sorted({file for file, _ in found})
    if len(files) < 2:
        return []
    rows = [[file, *(_cell(found.get((file, kind)), "auroc") for kind in kinds)] for file in files]
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
