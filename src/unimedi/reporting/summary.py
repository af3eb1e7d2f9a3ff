"""The lines at the top of the report: what the figures show this model to be good for, and what they do not.

A thing is shown where its interval lies above what it has to be compared with: chance, an untrained encoder, PCA of the
pixels, the centre slice. All else with a figure is not shown. Rules, so that nobody words it better than it is.
"""

from collections.abc import Iterator, Mapping

from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.formatting import three_decimals

Figures = Mapping[str, Estimate]
Claim = tuple[bool, str]  # whether it is shown, and the words

NAMES = {"xray": "an X-ray", "ct": "a CT"}
WELL = 0.70  # the lower end of an AUROC's interval from which on a finding is "read"
CALIBRATED = 0.10  # expected calibration error up to which a probability may be taken as one


def summary(figures: Figures) -> list[tuple[str, list[str]]]:
    """(lead, sentences) of what is shown and of what is not; either may lack."""
    claims = [claim for part in (_findings, _retrieval, _features, _slices) for claim in part(figures)]
    leads = {True: "Shown on this cohort:", False: "Not shown on this cohort:"}
    return [(lead, said) for shown, lead in leads.items() if (said := [text for ok, text in claims if ok is shown])]


def _findings(figures: Figures) -> Iterator[Claim]:
    for kind, name in NAMES.items():
        prefix = f"zero_shot/{kind}/auroc/"
        found = {key.removeprefix(prefix): figure for key, figure in figures.items() if key.startswith(prefix)}
        read = {word: f for word, f in found.items() if f.low >= WELL}
        blind = [word for word, f in found.items() if not f.low > 0.5]
        if read:
            areas = [figure.value for figure in read.values()]
            spread = " to ".join(dict.fromkeys([f"{min(areas):.2f}", f"{max(areas):.2f}"]))
            yield True, f"reading {_listed(read)} off {name} without a label (AUROC {spread})"
        if blind:
            yield False, f"telling {_listed(blind)} from chance on {name} without a label"
        error = figures.get(f"zero_shot/{kind}/ece")
        if error and not error.high <= CALIBRATED:
            yield (
                False,
                f"zero-shot scores of {name} that can be read as probabilities (ECE {three_decimals(error.value)})",
            )


def _retrieval(figures: Figures) -> Iterator[Claim]:
    tasks = {
        "retrieval/xray/image_to_report": "finding the report of an X-ray",
        "retrieval/ct/image_to_report": "finding the report of a CT",
        "cross_modal/xray_to_ct/paired": "finding the CT of an X-ray's patient",
        "cross_modal/ct_to_xray/paired": "finding the X-ray of a CT's patient",
    }
    for key, words in tasks.items():
        figure, chance = figures.get(f"{key}/r@10"), figures.get(f"{key}/chance@10")
        if figure and chance:
            times = f"{figure.value / chance.value:.1f} times chance" if chance.value else "chance 0"
            yield figure.low > chance.value, f"{words} among {figure.n} (R@10 {three_decimals(figure.value)}, {times})"


def _features(figures: Figures) -> Iterator[Claim]:
    for kind, name in NAMES.items():
        key = f"linear_probe/{kind}/10%"
        gains = {word: figures.get(f"{key}/minus_{row}/auroc") for row, word in REFERENCES.items()}
        known = {word: gain for word, gain in gains.items() if gain}
        if known and (figure := figures.get(f"{key}/auroc")):
            said = ", ".join(
                f"{gain.value:+.3f} on {word}" + ("" if gain.low > 0 else _why(gain)) for word, gain in known.items()
            )
            value = three_decimals(figure.value)
            yield (
                all(gain.low > 0 for gain in known.values()),
                f"features for a classifier, of {name}, from 10 % of the labels (AUROC {value}: {said})",
            )


REFERENCES = {"random_init": "an untrained encoder", "pca": "PCA of the pixels"}


def _slices(figures: Figures) -> Iterator[Claim]:
    hit = figures.get("slice_selection/attentive/hit@1")
    others = {"random": "a random slice", "centre": "the centre slice", "prior": "the usual depth"}
    gaps = {
        word: gap
        for name, word in others.items()
        if (gap := figures.get(f"slice_selection/attentive/minus_{name}/hit@1"))
    }
    if hit and gaps:
        said = ", ".join(
            f"{gap.value:+.3f} on {word}" + ("" if gap.low > 0 else _why(gap)) for word, gap in gaps.items()
        )
        yield (
            all(gap.low > 0 for gap in gaps.values()),
            f"choosing the slice with the lesion (hit@1 {three_decimals(hit.value)}: {said})",
        )


def _why(gap: Estimate) -> str:
    return " (worse)" if gap.high < 0 else " (not significant)"


def _listed(names: Mapping[str, object] | list[str]) -> str:
    plain = [name.replace("_", " ") for name in names]
    return ", ".join(plain[:-1]) + " and " + plain[-1] if len(plain) > 1 else plain[0]
