"""The lines at the top of the report: what the figures show this model to be good for, and what they do not.

A thing is shown where its interval lies above what it has to be compared with: chance, an untrained encoder, PCA of the
pixels, the centre slice. All else with a figure is "not shown". Fixed rules choose the words.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from unimedi.metrics.formatting import three_decimals
from unimedi.metrics.measurement import Measurement, Measurements

Claim = tuple[bool, str]  # whether it is shown, and the words

NAMES = {"xray": "an X-ray", "ct": "a CT"}
WELL = 0.70  # the lower end of an AUROC's interval from which on a finding is "read"
CALIBRATED = 0.10  # expected calibration error up to which a probability may be taken as one
BASELINES = {"random_init": "an untrained encoder", "pca": "PCA of the pixels"}
BLIND_SELECTORS = {"random": "a random slice", "centre": "the centre slice", "prior": "the usual depth"}


def summary(measurements: Measurements) -> list[tuple[str, list[str]]]:
    """(lead, sentences) of what is shown and of what is not; either may lack."""
    parts = (_findings, _retrieval, _features, _slices)
    claims = [claim for part in parts for claim in part(measurements)]
    leads = {True: "Shown on this cohort:", False: "Not shown on this cohort:"}
    return [(lead, said) for shown, lead in leads.items() if (said := [text for ok, text in claims if ok is shown])]


def _findings(measurements: Measurements) -> Iterator[Claim]:
    for kind, name in NAMES.items():
        of_kind = measurements.select(task="zero_shot", modality=kind)
        areas = [row for row in of_kind.select(metric="auroc").values() if row.finding]
        read = [row for row in areas if row.low >= WELL]
        if read:
            values = [row.value for row in read]
            spread = " to ".join(dict.fromkeys([f"{min(values):.2f}", f"{max(values):.2f}"]))
            yield True, f"reading {_listed(row.finding for row in read)} off {name} without a label (AUROC {spread})"
        if blind := [row.finding for row in areas if not row.low > 0.5]:
            yield False, f"telling {_listed(blind)} from chance on {name} without a label"
        error = of_kind.one(task="zero_shot", modality=kind, metric="ece")
        if error and not error.high <= CALIBRATED:
            value = three_decimals(error.value)
            yield False, f"zero-shot scores of {name} that can be read as probabilities (ECE {value})"


def _retrieval(measurements: Measurements) -> Iterator[Claim]:
    tasks = [
        ("retrieval", "xray", "image_to_report", "finding the report of an X-ray"),
        ("retrieval", "ct", "image_to_report", "finding the report of a CT"),
        ("cross_modal", "xray_to_ct", "paired", "finding the CT of an X-ray's patient"),
        ("cross_modal", "ct_to_xray", "paired", "finding the X-ray of a CT's patient"),
    ]
    for task, modality, variant, words in tasks:
        recall, chance = (
            measurements.one(task=task, modality=modality, variant=variant, metric=metric)
            for metric in ("r@10", "chance@10")
        )
        if recall and chance:
            times = f"{recall.value / chance.value:.1f} times chance" if chance.value else "chance 0"
            yield recall.low > chance.value, f"{words} among {recall.n} (R@10 {three_decimals(recall.value)}, {times})"


def _features(measurements: Measurements) -> Iterator[Claim]:
    for kind, name in NAMES.items():
        probe = {"task": "linear_probe", "modality": kind, "share": 0.1, "metric": "auroc"}
        area, gains = measurements.one(**probe), _gains(measurements, BASELINES, **probe)
        if area and gains:
            value = three_decimals(area.value)
            yield (
                _all_above(gains),
                f"features for a classifier, of {name}, from 10 % of the labels (AUROC {value}: {_in_words(gains)})",
            )


def _slices(measurements: Measurements) -> Iterator[Claim]:
    attentive = {"task": "slice_selection", "method": "attentive", "metric": "hit@1"}
    hit, gains = measurements.one(**attentive), _gains(measurements, BLIND_SELECTORS, **attentive)
    if hit and gains:
        value = three_decimals(hit.value)
        yield _all_above(gains), f"choosing the slice with the lesion (hit@1 {value}: {_in_words(gains)})"


def _gains(measurements: Measurements, references: Mapping[str, str], **fields: Any) -> dict[str, Measurement]:
    """A reference in words → the measurement of these fields minus it."""
    found = {words: measurements.one(**fields, minus=name) for name, words in references.items()}
    return {words: gain for words, gain in found.items() if gain}


def _all_above(gains: Mapping[str, Measurement]) -> bool:
    return all(gain.low > 0 for gain in gains.values())


def _in_words(gains: Mapping[str, Measurement]) -> str:
    return ", ".join(f"{gain.value:+.3f} on {words}{_doubt(gain)}" for words, gain in gains.items())


def _doubt(gain: Measurement) -> str:
    if gain.low > 0:
        return ""
    return " (worse)" if gain.high < 0 else " (not significant)"


def _listed(names: Iterable[str]) -> str:
    plain = [name.replace("_", " ") for name in names]
    return ", ".join(plain[:-1]) + " and " + plain[-1] if len(plain) > 1 else plain[0]
